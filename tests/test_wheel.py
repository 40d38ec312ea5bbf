"""The wheel: built from the checkout without a network, installed beside it, and run from there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.paths import ROOT, SERVICE

SOURCES = (
    "service",
    "schemas",
    "pyproject.toml",
    "setup.py",
    "mcp_server.py",
    "requirements.txt",
    "requirements-oauth.txt",
    "requirements-scale.txt",
    "README.md",
    "LICENSE",
)
"""The parts of a checkout that a wheel is made of. A copy is built, since building leaves files behind."""

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
DEADLINE_S = 120


def run(*command: str, cwd: Path, **env: str) -> str:
    """Run a command without the checkout on its path; return its output."""
    base = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EASEL_", "PIP_"))}
    done = subprocess.run(
        command, cwd=cwd, env=base | env, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    run(*PIP, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", "made", ".", cwd=folder)
    [made] = (folder / "made").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed wheel and nothing else; the libraries are those of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    run(*PIP, "install", "--no-deps", "--no-index", "--target", str(folder), str(wheel), cwd=folder)
    return folder


def test_it_is_built_by_the_tool_that_the_tests_install() -> None:
    """Ours: a build with isolation takes the version of `pyproject.toml`; this one takes that of the tests."""
    [pinned] = re.findall(r'requires = \["(setuptools==[\d.]+)"\]', (ROOT / "pyproject.toml").read_text())
    assert pinned in (ROOT / "requirements-dev.txt").read_text().splitlines()


def test_it_holds_every_file_of_the_service(wheel: Path) -> None:
    """Bug: new folders were not among the packages of the wheel, and nothing told."""
    files = [path for path in SERVICE.rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
    wanted = {str(path.relative_to(ROOT)) for path in files}
    wanted |= {f"service/schemas/{path.name}" for path in (ROOT / "schemas").iterdir()}
    with ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("service/")}
    assert held == wanted


def test_it_needs_what_the_service_needs(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        needed = re.findall(r"^Requires-Dist: (.+)$", archive.read(metadata).decode(), re.MULTILINE)
    extras = [
        f'{each}; extra == "{extra}"'
        for extra in ("oauth", "scale")
        for each in (ROOT / f"requirements-{extra}.txt").read_text().split()
    ]
    assert sorted(needed) == sorted([*(ROOT / "requirements.txt").read_text().split(), *extras])


def test_it_draws_a_picture_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    """Ours: schemas, models, pages and every module are found where the wheel put them."""
    env = {"PYTHONPATH": str(installed), "EASEL_DATA_DIR": str(tmp_path / "data")}
    where = run(sys.executable, "-c", "import service; print(service.__file__)", cwd=tmp_path, **env)
    assert Path(where.strip()).is_relative_to(installed)
    assert "generate" in run(sys.executable, "-m", "service", "demo", cwd=tmp_path, **env)
    assert len(list((tmp_path / "data" / "files").rglob("*.jpg"))) == 1


def test_its_command_is_easel(installed: Path, tmp_path: Path) -> None:
    told = run(sys.executable, str(installed / "bin" / "easel"), "--help", cwd=tmp_path, PYTHONPATH=str(installed))
    assert told.startswith("usage: easel ")


def test_the_commands_of_the_programs_before_it_start_it(installed: Path, tmp_path: Path) -> None:
    """Ours: `flow2api-mcp`, `python -m mcp_server` and `uvx modelscope-image-mcp` stand in clients' settings."""
    path = {"PYTHONPATH": str(installed)}
    for command in ([str(installed / "bin" / "flow2api-mcp")], ["-m", "mcp_server"]):
        assert run(sys.executable, *command, "--help", cwd=tmp_path, **path).startswith("usage: easel ")


def test_modelscopes_command_speaks_over_standard_output(installed: Path, tmp_path: Path) -> None:
    """Ours: its entry had a token and nothing else. Clients start it anywhere, so that it writes to the home folder."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(installed / "bin" / "modelscope-image-mcp")],
        input='{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},'
        '"clientInfo":{"name":"x","version":"1"}}}\n{"jsonrpc":"2.0","id":2,"method":"tools/list"}\n',
        env={**env, "MODELSCOPE_SDK_TOKEN": "t"}, cwd=tmp_path,
        capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert '"name":"generate_image"' in done.stdout, done.stderr
    assert (tmp_path / ".easel" / "easel.db").is_file()
