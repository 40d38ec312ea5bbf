"""The pod of two replicas as Podman makes it of the shipped file, with empty images in the place of those it names.

Nothing of it is started, so that neither a registry nor the rights to run containers are needed. Podman has a store of
its own for it, which is removed afterwards.
"""

import base64
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

from tests.deploy.checks import CannotRunError, Checks, run
from tests.paths import ROOT

FILES: Final = ("easel-scale.kube.yaml", "Caddyfile.scale")
SECRET: Final = {"EASEL_SECRET": "0123456789abcdef" * 4, "EASEL_DATABASE_URL": "postgresql://easel@127.0.0.1/easel"}
NO_PAUSE: Final = "catatonit"
"""The program in the container that holds a pod together; Debian has it as a package of its own."""


def check_pod_of_replicas(checks: Checks) -> None:
    """Have Podman make the pod, and look at what came of it."""
    what = FILES[0]
    program = shutil.which("podman")
    if program is None:
        checks.not_tried(what, "podman is not here: apt-get install podman catatonit")
        return
    with tempfile.TemporaryDirectory(prefix="easel-pod-") as name:
        folder = Path(name)
        podman = [program, "--root", f"{folder}/store", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]
        try:
            _make(podman, folder)
            checks.that("Podman makes the pod of two replicas", True)
            _look_at(podman, checks, folder)
        except CannotRunError as error:
            if NO_PAUSE in str(error):
                checks.not_tried(what, f"podman is here without it: apt-get install {NO_PAUSE}")
            else:
                checks.that("Podman makes the pod of two replicas", False, error)
        finally:
            run(*podman, "system", "reset", "--force", fails=True)


def _make(podman: list[str], folder: Path) -> None:
    """Make the pod in the way that the head of its file says, from the folder where the file is."""
    for each in FILES:
        shutil.copy(ROOT / "deploy" / each, folder)
    pod = yaml.safe_load((folder / FILES[0]).read_text(encoding="utf-8"))
    (folder / "Containerfile").write_text('FROM scratch\nCOPY Containerfile /\nCMD ["/nothing"]\n')
    images = {each["image"] for each in pod["spec"]["containers"]}
    tags = [option for image in sorted(images) for option in ("--tag", _whole(image))]
    run(*podman, "build", "--quiet", *tags, str(folder))
    (folder / "secret").write_text(_secret(podman))
    if _is_old(podman):
        run(*podman, "secret", "create", "easel-scale", str(folder / "secret"))
    else:
        run(*podman, "kube", "play", str(folder / "secret"))
    here = Path.cwd()
    os.chdir(folder)
    try:
        run(*podman, "kube", "play", "--start=false", FILES[0])
    finally:
        os.chdir(here)


def _is_old(podman: list[str]) -> bool:
    """True for a Podman that cannot read the secrets that it takes from a file (before 4.4)."""
    found = re.search(r"(\d+)\.(\d+)", run(*podman, "--version"))
    return found is not None and (int(found[1]), int(found[2])) < (4, 4)


def _secret(podman: list[str]) -> str:
    if _is_old(podman):
        return json.dumps({name: base64.b64encode(value.encode()).decode() for name, value in SECRET.items()})
    return yaml.safe_dump(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "easel-scale"}, "stringData": SECRET}
    )


def _whole(image: str) -> str:
    """The name of an image as Podman looks for it, of a short one as Docker Hub has it."""
    if image.startswith("localhost/"):
        return image
    return f"docker.io/{image}" if "/" in image else f"docker.io/library/{image}"


def _look_at(podman: list[str], checks: Checks, folder: Path) -> None:
    found: dict[str, dict[str, Any]] = {
        each["Name"]: each for each in json.loads(run(*podman, "container", "inspect", *_containers(podman)))
    }
    for number in (1, 2):
        replica = found[f"easel-scale-replica-{number}"]
        given = set(replica["Config"]["Env"])
        expected = {f"{name}={value}" for name, value in SECRET.items()} | {f"EASEL_PORT={8866 + number}"}
        checks.that(f"replica {number} has the settings of the pod and the secret", expected <= given, sorted(given))
        rights = (replica["Config"]["User"], replica["HostConfig"]["ReadonlyRootfs"], replica["EffectiveCaps"] or [])
        checks.that(f"replica {number} is confined", rights == ("10001:10001", True, []), rights)
        mounted = [each["Destination"] for each in replica["Mounts"]]
        checks.that(f"replica {number} can write to /tmp alone", mounted == ["/tmp"], mounted)
    [file] = found["easel-scale-caddy"]["Mounts"]
    checks.that("Caddy reads the shipped file", file["Source"] == str(folder / FILES[1]) and not file["RW"], file)
    for name, volume in (("postgres", "easel-postgres"), ("s3", "easel-s3")):
        mounted = [each.get("Name") for each in found[f"easel-scale-{name}"]["Mounts"]]
        checks.that(f"the data of {name} last", mounted == [volume], mounted)


def _containers(podman: list[str]) -> list[str]:
    return run(*podman, "ps", "--all", "--quiet").split()
