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
    "offered": {
        "fetch", "generation", "images", "intake", "keepings", "models", "offered_completions",
        "offered_prompts", "offered_resources", "preview_memory", "profiles", "prompt_words", "protocol", "references",
        "retention", "running_jobs", "settings", "tools", "uploads", "upstream", "workbench", "aiohttp",
    },
    "keepings": {
        "ended_sessions", "files_disk", "lease", "previews", "secret", "store_sqlite", "store_tasks", "store_uploads",
    },
    "workbench": {"generation", "profiles", "references", "retention", "uploads"},
    "generation": {
        "files", "fingerprint", "firm_writes", "images", "job_work", "models", "preview_memory",
        "previews", "progress", "running_jobs", "store", "upstream",
    },
    "job_work": {
        "files", "firm_writes", "images", "preview_memory", "previews", "progress", "running_jobs", "store", "upstream",
    },
    "firm_writes": {"images"},
    "running_jobs": {"images"},
    "fingerprint": {"images", "orjson"},
    "preview_memory": set(),
    "progress": {"images"},
    "previews": {"images", "picture_pieces", "PIL"},
    "picture_pieces": set(),
    "profiles": set(),
    "latest_images": {"images", "previews"},
    "metadata": {"picture_pieces", "previews", "PIL"},
    "models": {"orjson"},
    "models_file": {"models"},
    "models_offers": {"models", "upstream", "orjson"},
    "models_survey": {"images", "models", "models_offers", "upstream"},
    "models_command": {"app", "models", "models_offers", "models_survey", "settings", "upstream"},
    "background": set(),
    "fetch": {"images", "aiohttp", "yarl"},
    "intake": {"files", "metadata", "previews", "store"},
    "reference_arguments": {"images", "models"},
    "reference_urls": {"settings"},
    "references": {
        "fetch", "files", "images", "intake", "latest_images", "models", "previews", "reference_arguments",
        "reference_urls", "store", "uploads", "aiohttp",
    },
    "upstream": {"images"},
    "upstream_errors": {"images", "upstream_error_body", "upstream_kinds", "upstream_quotes", "aiohttp"},
    "upstream_kinds": set(),
    "upstream_error_body": {"orjson"},
    "upstream_quotes": set(),
    "upstream_sse": set(),
    "upstream_base64": {"orjson"},
    "upstream_address": {"yarl"},
    "upstream_answer": {
        "upstream_base64", "upstream_chat_places", "upstream_errors", "upstream_kinds", "upstream_sse", "aiohttp",
        "orjson",
    },
    "upstream_body": {"images", "orjson"},
    "upstream_http": {
        "fetch", "images", "settings", "upstream", "upstream_address", "upstream_base64", "upstream_body",
        "upstream_chat_places", "upstream_errors", "upstream_pictures", "aiohttp",
    },
    "upstream_pictures": {
        "fetch", "images", "settings", "upstream_base64", "upstream_chat_places", "upstream_errors", "upstream_kinds",
        "aiohttp", "yarl",
    },
    "upstream_chat": {
        "upstream_answer", "upstream_base64", "upstream_chat_places", "upstream_errors", "upstream_kinds",
    },
    "upstream_chat_places": {"upstream_base64"},
    "upstream_chat_request": {"images", "yarl"},
    "upstream_flow2api": {
        "images", "settings", "upstream", "upstream_answer", "upstream_body", "upstream_chat", "upstream_chat_request",
        "upstream_errors", "upstream_flow2api_list", "upstream_flow2api_models", "upstream_http", "upstream_kinds",
        "upstream_quotes", "aiohttp", "yarl",
    },
    "upstream_flow2api_list": {
        "images", "upstream_errors", "upstream_flow2api_models", "upstream_kinds", "upstream_model_list", "aiohttp",
        "yarl",
    },
    "upstream_flow2api_models": {"images", "upstream", "upstream_errors", "upstream_kinds"},
    "upstream_modelscope": {
        "fetch", "images", "settings", "upstream", "upstream_base64", "upstream_body", "upstream_chat_places",
        "upstream_errors", "upstream_http", "upstream_kinds", "upstream_model_list", "upstream_modelscope_answers",
        "aiohttp", "orjson", "yarl",
    },
    "upstream_modelscope_answers": {"upstream", "upstream_errors", "upstream_kinds", "upstream_quotes"},
    "upstream_model_list": {"fetch", "upstream_errors", "aiohttp", "orjson", "yarl"},
    "upstream_openai": {
        "fetch", "images", "upstream", "upstream_answer", "upstream_errors", "upstream_http", "upstream_kinds",
        "upstream_model_list", "upstream_openai_answer", "upstream_openai_request",
    },
    "upstream_openai_answer": {
        "upstream_answer", "upstream_base64", "upstream_chat_places", "upstream_errors", "upstream_kinds",
    },
    "upstream_openai_request": {"images", "upstream_body", "upstream_error_body", "upstream_openai_rules"},
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
    "store_sqlite": {
        "data_folder", "images", "store", "store_sqlite_delete", "store_sqlite_files", "store_sqlite_jobs",
        "store_sqlite_lists", "store_sqlite_rows", "store_sqlite_schema", "store_sqlite_search",
    },
    "store_sqlite_delete": {"images", "store_sqlite_schema"},
    "store_sqlite_files": {"images", "store", "store_sqlite_schema"},
    "store_sqlite_jobs": {
        "images", "store", "store_sqlite_files", "store_sqlite_rows", "store_sqlite_schema", "store_sqlite_words",
    },
    "store_sqlite_lists": {"images", "store_sqlite_rows", "store_sqlite_schema"},
    "store_sqlite_rows": {"images"},
    "store_sqlite_schema": {"data_folder", "store_sqlite_words"},
    "store_sqlite_search": {
        "images", "store", "store_sqlite_rows", "store_sqlite_schema", "store_sqlite_words",
    },
    "store_sqlite_words": set(),
    "files": {"images"},
    "files_disk": {"data_folder", "files", "images"},
    "store_tasks": {"protocol", "store_sqlite", "store_sqlite_schema", "orjson"},
    "offered_failures": {"images", "protocol"},
    "offered_prompts": {
        "images", "models", "offered_failures", "prompt_words", "protocol", "store", "tools.job_result",
        "tools.model_arguments", "tools.quoted",
    },
    "offered_resources": {
        "files", "images", "offered_failures", "previews", "protocol", "store", "tools.base", "tools.job_result",
        "tools.quoted", "orjson",
    },
    "offered_completions": {"models", "offered_failures", "offered_resources", "protocol", "store"},
    "prompt_words": {"tools.base", "orjson"},
    "picture_notices": {"images", "offered_resources", "protocol"},
    "retention": {"files", "firm_writes", "images", "settings", "store"},
    "store_uploads": {"store_sqlite", "store_sqlite_schema", "uploads"},
    "uploads": set(),
    "web_sessions": {"ended_sessions", "protocol", "web", "web_answer", "web_guard", "web_stream", "aiohttp"},
    "web": {"protocol", "web_calls", "web_guard", "web_silence", "web_stream", "aiohttp"},
    "web_answer": {"aiohttp"},
    "web_calls": {"protocol"},
    "web_silence": set(),
    "web_stream": {"protocol", "web_answer", "web_silence", "aiohttp"},
    "web_guard": {"images", "settings", "aiohttp"},
    "web_files": {"files", "aiohttp"},
    "web_upload": {"firm_writes", "images", "intake", "previews", "uploads", "aiohttp"},
    "web_health": {"aiohttp"},
    "protocol": {"protocol", "orjson"},
    "tools": {"tools"},
    "tools.base": {
        "tools.arguments", "tools.result_size", "generation", "images", "protocol", "workbench", "jsonschema", "orjson",
    },
    "tools.arguments": {"jsonschema", "orjson"},
    "tools.ask_upload": {"progress", "protocol", "references", "uploads"},
    "tools.job_result": {"tools.quoted", "images", "profiles", "protocol"},
    "tools.quoted": set(),
    "tools.result_size": {"profiles", "protocol", "orjson"},
    "tools.generate": {
        "tools.ask_upload", "tools.base", "tools.model_arguments", "tools.showing", "tools.waiting", "images", "models",
        "protocol", "reference_arguments", "workbench",
    },
    "tools.showing": {"tools.job_result", "generation", "protocol", "workbench"},
    "tools.waiting": {"protocol", "running_jobs"},
    "tools.model_arguments": {"models", "tools.arguments"},
    "tools.generate_image": {
        "tools.base", "tools.job_result", "tools.quoted", "tools.waiting", "generation", "images", "previews",
        "protocol", "workbench",
    },
    "tools.history": {
        "tools.base", "tools.confirmation", "tools.history_list", "tools.history_words", "tools.showing",
        "tools.waiting", "images", "protocol", "workbench",
    },
    "tools.history_list": {
        "tools.base", "tools.history_words", "tools.job_result", "tools.quoted", "images", "protocol", "store",
        "workbench",
    },
    "tools.history_words": {"tools.quoted", "images"},
    "tools.confirmation": {"tools.base", "protocol"},
    "tools.cache": {
        "tools.base", "tools.confirmation", "tools.history_words", "protocol", "settings", "store", "workbench",
    },
}  # fmt: skip

CONTRACTS = {"images", "upstream", "files", "store", "workbench", "protocol.call", "protocol.catalog"}
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
