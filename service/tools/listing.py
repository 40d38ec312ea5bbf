"""Schemas as `tools/list` shows them: so plain that every model API and grammar converter takes them.

Enforced is the file in `schemas/`. Listed of it are one `type` for each property, with the `items` of an array, and
words: Gemini refuses an array without items and a union of types, llama.cpp a pattern and a long `maxLength`,
google-genai `additionalProperties`, OpenAI's strict mode a `default`.
"""

from collections.abc import Mapping
from typing import Any, Final

KEPT: Final = ("type", "description", "enum", "items", "properties", "required", "minimum", "maximum", "maxItems")
"""The keywords that are listed."""

LARGEST: Final = 2**31
"""The largest bound that is listed; a larger one only says that numbers end somewhere."""


def plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema of one of our files, or a property of it, as it is listed. Deprecated properties are left out."""
    listed = {keyword: schema[keyword] for keyword in KEPT if keyword in schema}
    if "description" in schema:
        listed["description"] = _description(schema)
    if (kind := _type(schema)) is not None:
        listed["type"] = kind
    if kind != "array":
        listed.pop("items", None)
        listed.pop("maxItems", None)
    if "items" in listed:
        listed["items"] = {key: value for key, value in plain(listed["items"]).items() if key != "description"}
    if "properties" in listed:
        listed["properties"] = {
            name: plain(each) for name, each in listed["properties"].items() if not each.get("deprecated", False)
        }
    return {keyword: value for keyword, value in listed.items() if keyword != "maximum" or value < LARGEST}


def _type(schema: Mapping[str, Any]) -> str | None:
    """Return the one type that is listed: of several the list, which holds any number of the others."""
    match schema.get("type"):
        case str(kind):
            return kind
        case [*kinds]:
            return "array" if "array" in kinds else str(kinds[0])
        case _:
            return None


def _description(schema: Mapping[str, Any]) -> str:
    """Return the description, with the default in words where it does not name it."""
    description: str = schema["description"]
    default = schema.get("default", False)
    if default is False or "left out" in description:
        return description
    return f"{description} {default} when left out."
