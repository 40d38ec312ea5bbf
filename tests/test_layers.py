"""The file table: what each module of `service/` may import, and that each has its tests.

Ours: the protocol stays pure, aiohttp stays at the edge, and only `app` knows the concrete classes.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SERVICE = ROOT / "service"

ALLOWED: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": {"command_line"},
    "command_line": {"demo", "logs", "models_command", "serve", "settings", "dotenv"},
    "app": {"*"},
    "serve": {"app", "images", "settings", "stdio"},
    "stdio": {"protocol"},
    "sockets": {"settings"},
    "ended_sessions": {"data_folder"},
    "demo": {"app", "settings", "aiohttp"},
    "settings": set(),
    "logs": set(),
    "images": set(),
    "generation": {"files", "images", "models", "owned_tasks", "previews", "progress", "store", "upstream"},
    "owned_tasks": set(),
    "progress": {"images"},
    "previews": {"images", "PIL"},
    "models": {"orjson"},
    "models_file": {"models"},
    "models_offers": {"models", "upstream", "orjson"},
    "models_survey": {"images", "models", "models_offers", "upstream"},
    "models_command": {"app", "models", "models_offers", "models_survey", "settings", "upstream"},
    "background": set(),
    "fetch": {"images", "aiohttp", "yarl"},
    "upstream": {"images"},
    "upstream_errors": {"images", "upstream_error_body", "upstream_quotes", "aiohttp"},
    "upstream_error_body": {"orjson"},
    "upstream_quotes": set(),
    "upstream_sse": set(),
    "upstream_base64": {"orjson"},
    "upstream_address": {"yarl"},
    "upstream_answer": {
        "upstream_base64", "upstream_chat_places", "upstream_errors", "upstream_sse", "aiohttp", "orjson",
    },
    "upstream_pictures": {
        "fetch", "images", "settings", "upstream_base64", "upstream_chat_places", "upstream_errors", "aiohttp", "yarl",
    },
    "upstream_chat": {"upstream_answer", "upstream_base64", "upstream_chat_places", "upstream_errors"},
    "upstream_chat_places": {"upstream_base64"},
    "upstream_chat_request": {"images", "yarl"},
    "upstream_flow2api": {
        "fetch", "images", "settings", "upstream", "upstream_address", "upstream_answer", "upstream_chat",
        "upstream_chat_request", "upstream_errors", "upstream_flow2api_list", "upstream_flow2api_models",
        "upstream_pictures", "upstream_quotes", "aiohttp", "orjson", "yarl",
    },
    "upstream_flow2api_list": {
        "images", "upstream_errors", "upstream_flow2api_models", "upstream_model_list", "aiohttp", "yarl",
    },
    "upstream_flow2api_models": {"images", "upstream", "upstream_errors"},
    "upstream_modelscope": {
        "fetch", "images", "settings", "upstream", "upstream_address", "upstream_base64", "upstream_chat_places",
        "upstream_errors", "upstream_model_list", "upstream_modelscope_answers", "upstream_pictures", "aiohttp",
        "orjson", "yarl",
    },
    "upstream_modelscope_answers": {"upstream", "upstream_errors", "upstream_quotes"},
    "upstream_model_list": {"fetch", "upstream_errors", "aiohttp", "orjson", "yarl"},
    "upstream_openai": {
        "fetch", "images", "settings", "upstream", "upstream_address", "upstream_answer", "upstream_errors",
        "upstream_model_list", "upstream_openai_answer", "upstream_openai_request", "upstream_pictures", "aiohttp",
    },
    "upstream_openai_answer": {"upstream_answer", "upstream_base64", "upstream_chat_places", "upstream_errors"},
    "upstream_openai_request": {
        "images", "upstream_error_body", "upstream_openai_rules", "aiohttp", "orjson",
    },
    "upstream_openai_rules": {"images"},
    "upstream_sketch": {"images", "sketch_canvas", "sketch_scenes", "sketch_strip", "sketch_words", "upstream"},
    "sketch_canvas": {"sketch_words", "PIL"},
    "sketch_scenes": {"sketch_canvas", "sketch_words", "PIL"},
    "sketch_strip": {"PIL"},
    "sketch_words": set(),
    "data_folder": set(),
    "lease": {"data_folder", "filelock"},
    "secret": {"data_folder"},
    "store": {"images"},
    "store_sqlite": {"data_folder", "images", "store", "store_sqlite_rows", "store_sqlite_schema"},
    "store_sqlite_rows": {"images"},
    "store_sqlite_schema": {"data_folder"},
    "files": {"images"},
    "files_disk": {"data_folder", "files", "images"},
    "store_tasks": {"protocol", "store_sqlite", "store_sqlite_schema", "orjson"},
    "web_sessions": {"ended_sessions", "protocol", "web", "web_answer", "web_guard", "web_stream", "aiohttp"},
    "web": {"protocol", "web_calls", "web_guard", "web_silence", "web_stream", "aiohttp"},
    "web_answer": {"aiohttp"},
    "web_calls": {"protocol"},
    "web_silence": set(),
    "web_stream": {"protocol", "web_answer", "web_silence", "aiohttp"},
    "web_guard": {"images", "settings", "aiohttp"},
    "web_files": {"files", "aiohttp"},
    "web_health": {"aiohttp"},
    "protocol": {"protocol", "orjson"},
    "tools": {"tools"},
    "tools.base": {"generation", "images", "protocol", "tools.arguments", "jsonschema", "orjson"},
    "tools.arguments": {"jsonschema", "orjson"},
    "tools.job_result": {"images", "protocol"},
    "tools.generate": {
        "tools.base", "tools.job_result", "tools.model_arguments", "generation", "images", "protocol",
    },
    "tools.model_arguments": {"models", "tools.arguments"},
    "tools.generate_image": {"tools.base", "tools.job_result", "generation", "images", "previews", "protocol"},
    "tools.history": {"tools.base", "tools.job_result", "generation", "protocol"},
    "tools.cache": {"tools.base", "generation", "protocol"},
}  # fmt: skip

CONTRACTS = {"images", "upstream", "files", "store", "protocol.call", "protocol.catalog"}
"""Values and abstract classes: what they promise is tested where it is kept."""


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(SERVICE.rglob("*.py")):
        name = ".".join(path.relative_to(SERVICE).with_suffix("").parts)
        yield name.removesuffix(".__init__") if name != "__init__" else name, path


def imports(path: Path) -> Iterator[str]:
    """What a module imports: ours without `service.`, others by their top name, the standard library left out."""
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


def row_of(name: str) -> set[str]:
    package = name.partition(".")[0]
    return ALLOWED[package] if package == "protocol" else ALLOWED[name]


@pytest.mark.parametrize(("name", "path"), [pytest.param(*each, id=each[0]) for each in modules()])
def test_a_module_imports_only_what_the_table_allows(name: str, path: Path) -> None:
    allowed = row_of(name)
    if "*" in allowed:
        return
    strangers = {
        each for each in imports(path) if not any(each == one or each.startswith(f"{one}.") for one in allowed)
    }
    assert not strangers, f"{name} imports {sorted(strangers)}"


def test_the_table_names_no_module_that_is_gone() -> None:
    present = {name for name, _ in modules()}
    assert not {name for name in ALLOWED if name not in present}


@pytest.mark.parametrize("name", [name for name, path in modules() if path.name != "__init__.py"])
def test_a_module_has_its_tests_beside_it(name: str) -> None:
    if name in CONTRACTS:
        return
    *folders, module = name.split(".")
    module = module.strip("_")
    assert (ROOT / "tests" / Path(*folders) / f"test_{module}.py").exists(), f"{name} has no test file"


@pytest.mark.parametrize(("name", "path"), [pytest.param(*each, id=each[0]) for each in modules()])
def test_a_module_says_what_it_is_and_stays_readable(name: str, path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), f"{name} has no docstring"
    assert len(path.read_text().splitlines()) <= 400, f"{name} is too long: which second concern moved in?"


def test_no_mcp_sdk_is_used_by_the_service() -> None:
    assert not [name for name, path in modules() for each in imports(path) if each in {"mcp", "fastmcp", "mcp_types"}]
