"""Convert a tool list by the converters that are written in Python; runs in an environment of its own.

`convert.py TOOLS LLAMA_GRAMMAR`: the JSON of `tools/list`, and `llama_grammar.py` of llama-cpp-python, which is one
module of a package that would have to be compiled. Prints a line for each converter: name, ok or FAIL, why.
"""

import importlib.util
import json
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

Schema = dict[str, Any]


def google_genai(tool: dict[str, Any]) -> None:
    """Google's SDK, as it hands an MCP tool to Gemini."""
    from google.genai import types  # type: ignore[import-not-found] # noqa: PLC0415 - in its own environment; each fails by itself
    from google.genai._mcp_utils import _filter_to_supported_schema  # type: ignore[import-not-found] # noqa: PLC0415 - as above

    schema = types.JSONSchema(**_filter_to_supported_schema(deepcopy(tool["inputSchema"])))
    converted = types.Schema.from_json_schema(json_schema=schema)
    check_same_properties(tool, list(converted.properties or {}))
    for name, each in (converted.properties or {}).items():
        if each.type is None or (each.type.value == "ARRAY" and each.items is None):
            raise ValueError(f"{name} became {each}")


def openai_strict(tool: dict[str, Any]) -> None:
    """OpenAI's strict mode, as openai-agents makes it of an MCP tool; with the keywords that the API refuses."""
    from agents.strict_schema import ensure_strict_json_schema  # type: ignore[import-not-found] # noqa: PLC0415 - as above

    converted = ensure_strict_json_schema(deepcopy(tool["inputSchema"]))
    check_same_properties(tool, converted["required"])
    refused = {"default", "pattern", "minLength", "maxLength", "format", "oneOf", "allOf"}
    found = {key for each in converted["properties"].values() for key in each} & refused
    if found:
        raise ValueError(f"the API refuses {found}")


def anthropic(tool: dict[str, Any]) -> None:
    """Anthropic's SDK, by its strict transformation."""
    from anthropic import transform_schema  # type: ignore[import-not-found] # noqa: PLC0415 - as above

    converted = transform_schema(deepcopy(tool["inputSchema"]))
    check_same_properties(tool, list(converted["properties"]))


def check_same_properties(tool: dict[str, Any], names: list[str]) -> None:
    """Raise unless the converted schema has the properties that were listed."""
    if sorted(names) != sorted(tool["inputSchema"]["properties"]):
        raise ValueError(f"the properties became {names}")


def llama_grammar(path: Path) -> Callable[[dict[str, Any]], None]:
    """llama.cpp's grammar of a schema, by its Python port."""
    spec = importlib.util.spec_from_file_location("llama_grammar", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def convert(tool: dict[str, Any]) -> None:
        grammar = module.json_schema_to_gbnf(json.dumps(tool["inputSchema"]))
        if "root ::=" not in grammar:
            raise ValueError("it has no root")

    return convert


def main(tools: list[dict[str, Any]], grammar: Path) -> None:
    """Print a line for each converter."""
    converters = {
        "google-genai": google_genai,
        "OpenAI strict": openai_strict,
        "Anthropic": anthropic,
        "llama.cpp": llama_grammar(grammar),
    }
    for name, convert in converters.items():
        problem = ""
        for tool in tools:
            try:
                convert(tool)
            except Exception as error:  # noqa: BLE001 - whatever a converter raises is its refusal
                problem = problem or f"{tool['name']}: {type(error).__name__}: {error}"[:300]
        print(f"{name}\t{'FAIL' if problem else 'ok'}\t{' '.join(problem.split())}", flush=True)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
