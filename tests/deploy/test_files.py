"""The files of `deploy/`: they agree with the settings, the requirements and the Containerfile."""

import re
from pathlib import Path
from typing import Final

import pytest
import yaml

from service.settings_table import SETTINGS
from tests.paths import ROOT

DEPLOY: Final = ROOT / "deploy"
LOCK: Final = (DEPLOY / "requirements.lock").read_text(encoding="utf-8")
CONTAINERFILE: Final = (ROOT / "Containerfile").read_text(encoding="utf-8")


def pinned(text: str) -> set[str]:
    return {f"{name.lower()}=={version}" for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-oauth.txt", "requirements-scale.txt"])
def test_the_lock_has_the_versions_of_the_requirements(name: str) -> None:
    """Ours: one version for the checkout and the image. `make lock` writes the lock anew."""
    assert pinned((ROOT / name).read_text(encoding="utf-8")) <= pinned(LOCK)


def test_every_package_of_the_lock_has_the_digests_of_its_files() -> None:
    """Ours: a package that was replaced at the index does not get into the image."""
    entries = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) > 10
    assert not [entry.split()[0] for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry)]
    assert "--require-hashes" in CONTAINERFILE


@pytest.mark.parametrize(
    "file", sorted(path for path in DEPLOY.iterdir() if path.suffix != ".lock"), ids=lambda path: path.name
)
def test_every_setting_that_is_named_is_one(file: Path) -> None:
    known = {setting.name for setting in SETTINGS}
    assert not set(re.findall(r"\bEASEL_[A-Z_]*[A-Z]\b", file.read_text(encoding="utf-8"))) - known


def test_replicas_are_set_up_alike_by_compose_and_as_a_pod() -> None:
    """Ours: `make deploy-check` runs the pod; Compose has other addresses, and nothing else that differs."""
    compose = yaml.safe_load((DEPLOY / "compose.scale.yaml").read_text(encoding="utf-8"))["services"]
    pod = yaml.safe_load((DEPLOY / "easel-scale.kube.yaml").read_text(encoding="utf-8"))
    containers = {each["name"]: each for each in pod["spec"]["containers"]}
    assert {name: each["image"] for name, each in compose.items()} == {
        name.replace("replica", "easel"): each["image"] for name, each in containers.items()
    }
    assert compose["easel-1"] == compose["easel-2"]
    given = {entry["name"] for entry in containers["replica-1"]["env"]}
    secret = {"EASEL_SECRET", "EASEL_DATABASE_URL", "EASEL_S3_KEY_ID", "EASEL_S3_SECRET_KEY"}
    assert set(compose["easel-1"]["environment"]) - {"EASEL_ALLOWED_HOSTS"} == given | secret
