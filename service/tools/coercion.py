"""Coercion: the arguments of a tool as models and hosts send them, read as what they say.

Models fill in what they would leave out with null, an empty text or 0; they write numbers, switches and lists as text;
hosts add members of their own. All of that has one meaning, and is read so. Anything else stays as it is, for the
schema to refuse: a value that is guessed could cost money.
"""

import ast
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from service.tools.arguments import find_excess, is_count

FREE_TEXTS: Final = frozenset({"prompt", "negative_prompt", "query"})
"""Arguments that hold words of the person: "none" may be meant as it stands."""

ABSENT: Final = object()
"""The value of an argument that is left out."""

_NOTHING: Final = frozenset({"", "null", "none", "undefined"})
_LONGEST_NOTHING: Final = 1 + max(map(len, _NOTHING))
"""Characters of a text that are looked at for one of these: it may be a picture of megabytes."""

_SWITCHES: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_LONGEST_LITERAL: Final = 20_000
"""Characters of a text that is taken apart by means slower than those of JSON."""

_WORDS: Final = frozenset({"quality", "complexity", "background", "output_format"})
"""Arguments whose values are words in small letters, which models write as `HIGH`, `.png` or `image/png`."""

_CUT: Final = frozenset({"limit"})
"""Arguments that are cut to what there can be, as the Flow2API MCP Server did: fewer do no harm, and cost nothing."""

_SPELLINGS: Final[Mapping[str, tuple[re.Pattern[str], str]]] = {
    "size": (re.compile(r"([0-9]{2,5})\s*[xX×*]\s*([0-9]{2,5})"), r"\1x\2"),
    "aspect_ratio": (re.compile(r"([0-9]{1,2})\s*[:：/xX×]\s*([0-9]{1,2})"), r"\1:\2"),
    "resolution": (re.compile(r"([0-9])\s*[kK]"), r"\1K"),
    "output_format": (re.compile(r"(?:image/|\.)?jpe?g", re.IGNORECASE), "jpeg"),
}
"""Arguments whose values are written in several ways, as DashScope's 1024*1024, and the way in which they are read."""

_URLS: Final = re.compile(r",?\s+(?=https?://)")
"""Stands between two URLs of one text."""

_DATA_URIS: Final = re.compile(r"[,;\s]{1,4}(?=data:image/)")

_MARKDOWN: Final = re.compile(r"!?\[[^\[\]]{0,200}\]\((\S+)\)|<(\S+)>")
"""A URL as markdown shows or links it."""

_WRAPPERS: Final = frozenset({"arguments", "args", "kwargs", "input", "params", "parameters"})
"""Names under which agent frameworks put all arguments together."""

_HOST_MEMBER: Final = re.compile(
    r"""
    (tool|toolcall|app|session|conversation|thread|chat|request|message|call|user|run|trace|span|agent|workflow|execution
     |assistant|correlation|invocation|client|tab|project|workspace)(id|name|uuid)
    | tool | toolcall | toolaction | toolsummary | toolinput | chatinput | action
    | metadata | meta | context | config | callbacks | runmanager | progresstoken | timestamp
    | reason | reasoning | thoughts? | thinking | explanation | rationale | justification | purpose | intent
    | taskprogress | securityrisk | requiresapproval | waitforprevioustools | runinbackground
    | randomstring | dummy | noargs | kwargs | placeholder
    """,
    re.VERBOSE,
)
"""Names of members that hosts and frameworks add, in small letters without hyphens and underscores: n8n adds
sessionId, action and toolCallId, Cline task_progress, Cursor random_string, OpenHands security_risk, agent frameworks
their thoughts."""


def coerce(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments, each value as the type that its property has, without those that are left out.

    A value that does not say anything its property takes stays as it came, and so does an argument of an unknown name,
    unless a host has added it.
    """
    properties: Mapping[str, Mapping[str, Any]] = schema["properties"]
    arguments = _unwrapped(properties, arguments)
    coerced: dict[str, Any] = {}
    for given, value in arguments.items():
        name = _counting(given, arguments, properties)
        if name not in properties:
            if _says_something(value) and (not is_host_member(name) or _removes(value)):
                coerced[name] = value
            continue
        read = _spelt(name, _read(properties[name], _worded(name, value), free=name in FREE_TEXTS))
        if name in _CUT and isinstance(read, int | float) and not isinstance(read, bool):
            read = min(max(read, properties[name]["minimum"]), properties[name]["maximum"])
        if read is not ABSENT:
            coerced[name] = read
        elif isinstance(value, str) and name in (*schema.get("required", ()), "prompt"):
            coerced[name] = value  # blank, which the schema refuses in words of its own
    return coerced


def _counting(name: str, arguments: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    """Return `count` for another name of it, such as `n` of the Images API; any other name as it is."""
    another = "count" in properties and "count" not in arguments and name not in properties and is_count(name)
    return "count" if another else name


def _says_something(value: Any) -> bool:
    """Tell whether an argument of an unknown name is filled in at all: hosts fill in null."""
    return value not in (None, "", [], {})


def _unwrapped(properties: Mapping[str, Any], arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments out of the one object that holds them all, where there is such a one."""
    match list(arguments.items()):
        case [(name, dict(inner))] if name in _WRAPPERS and name not in properties:
            return inner
        case [(name, str(text))] if name in _WRAPPERS and name not in properties:
            parsed = _parse(text) if text.lstrip().startswith("{") else None
            return parsed if isinstance(parsed, dict) and not find_excess(parsed) else arguments
        case _:
            return arguments


def _worded(name: str, value: Any) -> Any:
    """Return a switch or a number as the word that `mask` has for it: true asks the person, 12 is an entry."""
    match value:
        case bool() if name == "mask":
            return "paint" if value else None
        case int() | float() if name == "mask" and float(value).is_integer():
            return str(int(value))
        case _:
            return value


def _spelt(name: str, value: Any) -> Any:
    """Return a value in the way in which its argument is written, where it is the same one."""
    if not isinstance(value, str) or name in FREE_TEXTS:
        return value
    if name in _WORDS:
        value = value.strip().lower().removeprefix("image/").removeprefix(".")
    if name not in _SPELLINGS:
        return value.strip("\"' ") if name == "model" else value
    pattern, written = _SPELLINGS[name]
    matched = pattern.fullmatch(value.strip("\"' "))
    return value if matched is None else matched.expand(written)


def _removes(value: object) -> bool:
    """Tell whether a value asks to remove something, which must not look as if it was done."""
    return isinstance(value, str) and value.strip().lower() in ("delete", "remove", "clear", "prune")


def is_host_member(name: str) -> bool:
    """Tell whether hosts are known to add a member of this name for themselves."""
    plain = re.sub(r"[-_]", "", name[:60]).lower()
    return name.startswith(("_", "$")) or _HOST_MEMBER.fullmatch(plain) is not None


def _read(schema: Mapping[str, Any], value: Any, *, free: bool = False) -> Any:
    kind = schema.get("type", "string")
    kinds = {kind} if isinstance(kind, str) else set(kind)
    match value:
        case None | []:
            return ABSENT
        case {**members} if not members:
            return ABSENT
        case str():
            return _read_text(schema, kinds, value, free=free)
        case bool():
            return value
        case int() | float():
            return _read_number(schema, kinds, value)
        case list() if "array" in kinds:
            items = [read for each in value if (read := _read(schema["items"], each)) is not ABSENT]
            return items or ABSENT
        case [only]:
            return _read(schema, only, free=free)
        case {"url": str(url)} if "object" not in kinds:  # as OpenAI's API has it
            return _read(schema, url, free=free)
        case {"image_url": inner} if "object" not in kinds:  # a part of its messages
            return _read(schema, inner, free=free)
        case dict() if "object" in kinds:
            weights = schema.get("additionalProperties", {})
            return {key: _read(weights, each) for key, each in value.items() if _read(weights, each) is not ABSENT}
        case _:
            return value


def _read_text(schema: Mapping[str, Any], kinds: set[str], text: str, *, free: bool) -> Any:
    word = text.strip()
    if not word or (not free and word[:_LONGEST_NOTHING].casefold() in _NOTHING):
        return ABSENT
    if "array" in kinds:
        return _read_urls(schema, word)
    if "string" in kinds:
        return _matching(schema.get("enum", ()), text)
    if "object" in kinds and isinstance(parsed := _parse(word), dict):
        return _read(schema, parsed) if not find_excess(parsed) else text
    if "boolean" in kinds:
        return _SWITCHES.get(word[:_LONGEST_NOTHING].casefold(), text)
    word = word.removeprefix("#")
    if _NUMBER.fullmatch(word):
        number = float(word)
        return _read_number(schema, kinds, int(word.partition(".")[0]) if number.is_integer() else number)
    return text


def _read_urls(schema: Mapping[str, Any], text: str) -> Any:
    """Read one or several URLs: JSON, a markdown image, URLs in quotes, or with space between them."""
    if text[0] == "{" and text[-1] == "}" and isinstance(parsed := _parse(text), dict):
        return _read(schema, parsed) if not find_excess(parsed) else text
    if text[0] == "[" and text[-1] == "]" and isinstance(listed := _parse(text), list):
        return _read(schema, listed) if not find_excess(listed) else text
    text = text.strip("\"'`")
    if text.startswith("data:") and len(uris := _DATA_URIS.split(text)) > 1:
        return uris
    if len(text) > _LONGEST_LITERAL:  # a picture inside a data: URI
        return text
    if (shown := _MARKDOWN.fullmatch(text)) is not None:
        return shown[1] or shown[2]
    urls = _URLS.split(text) if text.startswith("http") else [text]
    return urls if len(urls) > 1 else text


def _read_number(schema: Mapping[str, Any], kinds: set[str], number: float) -> Any:
    """Read 0 where only more is taken, and -1 where less is not, as left out: so programs write "none" and "any"."""
    if "boolean" in kinds and number in (0, 1):
        return bool(number)
    least = schema.get("minimum")
    if least is not None and ((number == 0 and least > 0) or (number == -1 and least >= 0)):
        return ABSENT
    return number


def _matching(choices: Any, text: str) -> str:
    """Return the choice that the text is, in whatever case of letters; else the text."""
    word = text.strip().casefold() if choices else ""
    return next((choice for choice in choices if choice.casefold() == word), text)


def _parse(text: str) -> Any:
    """Parse JSON, or short literals of Python, whose strings stand in single quotes; None for any other text."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if len(text) > _LONGEST_LITERAL:
            return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
