"""The rooms of `service/`: what each folder may import, that each module has its tests, and that no folder sprawls.

Ours: the protocol stays pure, aiohttp stays at the edge, contracts stand between the pipeline and the concrete classes,
and only `app` and the commands know all of them.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import ROOT, SERVICE

VALUES = {
    "authorization", "background", "bounds", "costs", "hosts", "images", "log_writer", "logs", "profiles", "redaction",
    "routes", "settings", "settings_reader", "settings_table", "storage_urls", "telemetry", "troubles", "tokens",
    "watched_file",
}  # fmt: skip
"""Modules, and a folder, that import nothing but each other, Unicode's tables and the library of counts.

Everybody may import them.
"""

CONTRACTS = {
    "storage.store", "storage.upload_records", "storage.files", "storage.imports", "storage.ended_sessions",
    "storage.people", "storage.notices", "storage.replicas", "storage.moving.records", "upstreams.base",
    "protocol.task_records",
}  # fmt: skip

BELOW = {*CONTRACTS, "image_models", "pictures"}
"""All that the pipeline stands on."""

ALLOWED: dict[str, set[str]] = {
    "bounds": set(),
    "protocol": {"orjson"},
    "storage": {"protocol", "aiohttp", "asyncpg", "filelock", "orjson", "regex", "yarl"},
    "pictures": {"storage.store", "storage.files", "PIL"},
    "old_data": {"pictures.sniffing", "storage.files", "storage.imports"},
    "upstreams": {"pictures.sniffing", "PIL", "aiohttp", "orjson", "pybase64", "yarl"},
    "image_models": {"upstreams.base", "orjson"},
    "pipeline": {*BELOW, "orjson"},
    "references": {*BELOW, "upstreams.fetch", "aiohttp"},
    "tools": {*BELOW, "pipeline", "protocol", "references", "jsonschema", "orjson"},
    "features": {*BELOW, "pipeline", "protocol", "references", "tools", "orjson"},
    "web": {
        *BELOW,
        "pipeline",
        "protocol",
        "references",
        "aiohttp",
        "cryptography",
        "jwt",
        "orjson",
        "prometheus_client",
    },
    "gallery": {*BELOW, "pipeline", "protocol", "references", "tools.context", "web", "aiohttp", "orjson"},
    "commands": {"*"},
}
"""Folders that the modules of a folder may import beside the values and each other. Modules in no folder compose."""

UNTESTED = {"images", "protocol.catalog", "storage.records.engine", "tools.context", *CONTRACTS}
"""Values and abstract classes: what they promise is tested where it is kept."""

ENGINES = (["sqlite"], ["postgresql"])
"""Folders of `storage`: what they promise alike is tested once, in `storage/contract`, on each of them."""

LARGEST_FOLDER = 27
LONGEST_MODULE = 400


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(SERVICE.rglob("*.py")):
        name = ".".join(path.relative_to(SERVICE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


def imports(path: Path) -> Iterator[str]:
    """The imports of a module: ours without `service.`, others by their top name, the standard library left out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top == "service":
                yield rest
            elif top not in sys.stdlib_module_names:
                yield top


IN_FOLDERS = [pytest.param(name, path, id=name) for name, path in modules() if path.parent != SERVICE]


@pytest.mark.parametrize(("name", "path"), IN_FOLDERS)
def test_a_folder_imports_only_what_the_table_allows(name: str, path: Path) -> None:
    folder = name.partition(".")[0]
    allowed = ALLOWED[folder] | VALUES | {folder}
    strangers = {
        each for each in imports(path) if not any(each == one or each.startswith(f"{one}.") for one in allowed)
    }
    assert "*" in allowed or not strangers, f"{name} imports {sorted(strangers)}"


OF_VALUES = [pytest.param(path, id=name) for name, path in modules() if name.partition(".")[0] in VALUES]


@pytest.mark.parametrize("path", OF_VALUES)
def test_values_import_values_alone(path: Path) -> None:
    assert not [each for each in imports(path) if each.partition(".")[0] not in VALUES | {"regex", "prometheus_client"}]


def test_no_arrow_between_folders_runs_back() -> None:
    """Ours: folders are floors. A folder that is imported, other than by its contracts, imports none of its users."""
    order = list(ALLOWED)
    backward = [
        f"{name} imports {each}"
        for name, path in modules()
        for each in imports(path)
        if (above := each.partition(".")[0]) in order
        and (own := name.partition(".")[0]) in order
        and order.index(above) > order.index(own)
        and not any(each == one or each.startswith(f"{one}.") for one in CONTRACTS)
    ]
    assert not backward


def test_every_folder_has_a_row_and_no_row_is_left_over() -> None:
    folders = {path.relative_to(SERVICE).parts[0] for _, path in modules() if path.parent != SERVICE}
    assert folders == set(ALLOWED)


def test_the_architecture_lists_the_folders_in_this_order() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    [listed] = [line for line in text.splitlines() if line.count(" · ") == len(ALLOWED) - 1]
    assert listed.split(" · ") == list(ALLOWED)


@pytest.mark.parametrize("folder", sorted({str(path.parent.relative_to(SERVICE)) for _, path in modules()}))
def test_a_folder_can_be_looked_over(folder: str) -> None:
    files = [path for path in (SERVICE / folder).glob("*.py") if path.name != "__init__.py"]
    assert len(files) <= LARGEST_FOLDER


@pytest.mark.parametrize("name", [name for name, path in modules() if path.name != "__init__.py"])
def test_a_module_has_its_tests_beside_it(name: str) -> None:
    if name in UNTESTED:
        return
    *folders, module = name.split(".")
    places = [Path(*folders), *([Path("storage", "contract")] if folders[1:] in ENGINES else [])]
    tests = [ROOT / "tests" / place / f"test_{module.strip('_')}.py" for place in places]
    assert any(each.exists() for each in tests), f"{name} has no test file"


@pytest.mark.parametrize(("name", "path"), [pytest.param(*each, id=each[0]) for each in modules()])
def test_a_module_says_what_it_is_and_stays_readable(name: str, path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), f"{name} has no docstring"
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE, f"{name} is too long: which second concern moved in?"


def test_no_mcp_sdk_is_used_by_the_service() -> None:
    assert not [name for name, path in modules() for each in imports(path) if each in {"mcp", "fastmcp", "mcp_types"}]


def test_no_test_module_imports_another() -> None:
    """Ours: parts that tests share stand in a module of their own, so that each test file can be read and run alone."""
    tests = ROOT / "tests"
    borrowed = [
        f"{path.relative_to(tests)}: {node.module}"
        for path in sorted(tests.rglob("*.py"))
        if "node_modules" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and re.fullmatch(r"tests\b.*\.test_\w+", node.module or "")
    ]
    assert not borrowed
