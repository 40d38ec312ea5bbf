"""The faults of a tool's arguments, in sentences by which a model can mend them: which, why, and the allowed values.

Arguments that a tool has by another name are found in MEANT_BY, the one table of synonyms.

Excess is refused first, so that no call keeps the event loop busy: reading and checking take time for each value.
"""

import asyncio
import contextlib
import difflib
import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from service.redaction import Redactor, visible

if TYPE_CHECKING:  # it is loaded by `validator_class`
    from jsonschema import Draft202012Validator, ValidationError

DELETION: Final = "To delete one, call the tool `delete` with its history_id."
SEVERAL: Final = "The number of pictures is `count`."

_COUNTS: Final = (
    "n count num number amount quantity samples numsamples images numimages nimages numberofimages imagecount "
    "numoutputs numberofoutputs batch batchsize batchcount variations numvariations numpictures numberofpictures"
)
_FILES: Final = (
    "file files localfile localfiles localpath path filepath filename imagepath imagefile inputfile attachment "
    "attachments attachedimage userimage photo"
)
_SHAPES: Final = "width height dimensions dimension imagesize imagedimensions"

MEANT_BY: Final[Mapping[str, str]] = {
    "prompt": "text words input description imageprompt caption instruction instructions subject style scene artstyle "
    "content query message",
    "query": "keyword keywords search searchquery searchterm searchterms term terms q filter find text words prompt",
    "negative_prompt": "negative negprompt avoid exclude",
    "use_latest_user_image": _FILES,
    "use_upload": f"{_FILES} upload uploadimage device",
    "image_url": "image url urls uri imageurls imageuri inputimage inputimages inputurl referenceimage referenceimages "
    "referenceurl reference references imagereference initimage source sourceimage baseimage sourceurl "
    "pictureurl photourl refimage imagebase64 link",
    "mask": "maskimage maskurl maskimageurl inpaintmask inpaint inpainting region area paint paintmask brush editmask",
    "history_id": "id ids imageid pictureid generationid jobid taskid parent parentid historynumber entryid historyids",
    "picture": "index pictureindex imageindex picturenumber imagenumber",
    "size": f"{_SHAPES} pixels",
    "aspect_ratio": f"ratio shape orientation aspect imageratio proportions format {_SHAPES}",
    "output_format": "fileformat outputtype imageformat extension mimetype format",
    "background": "transparent transparency",
    "model": "engine modelname modelid checkpoint imagemodel",
    "quality": "hd detail",
    "resolution": "hd imagesize",
    "steps": "numinferencesteps numsteps samplingsteps inferencesteps",
    "guidance": "cfg cfgscale guidancescale",
    "loras": "lora loraid lorascale",
    "return_base64": "base64 b64 b64json responseformat",
    "before": "page offset cursor after start beforeid",
    "limit": f"{_COUNTS} pagesize perpage top max maxresults size",
    "keep": f"{_COUNTS} newest",
    "state": "status",
    "action": "status operation command mode",
    "wait_seconds": "wait timeout seconds waittime",
    "confirm": "confirmed yes force approve approved",
    "include_history": "history deletehistory all",
}
"""The other names of each argument, in small letters without signs."""


_UPSCALES: Final = frozenset(
    [
        "upscale",
        "upscaled",
        "upscaling",
        "upscaler",
        "upscalefactor",
        "upscaleto",
        "enlarge",
        "enlargement",
        "superresolution",
        "hiresfix",
    ]
)
NO_UPSCALE: Final = (
    "`{name}`: none of the image services here enlarges an earlier picture; each would draw it anew, and it would not "
    "be the same. Nothing was charged. If that will do, call `generate` with its history_id, a prompt that says to "
    "keep everything as it is, and a larger `resolution` or `size`."
)
"""Flow2API enlarges to 2K and 4K only while it draws, and has no call for a picture that is there; ModelScope's and
OpenAI's APIs have none either.
"""


def is_count(name: str) -> bool:
    """Tell whether an argument of this name says how many pictures to make."""
    return _plain(name) in _COUNTS.split()


def _plain(name: str) -> str:
    """Return a name in small letters without signs."""
    return re.sub(r"[^a-z0-9]", "", name[:60].lower())


def advice_for(name: str, known: Sequence[str]) -> str:
    """Return the advice for an argument of this name, where it is a synonym of those that the tool has; else ""."""
    word = _plain(name)
    if "variation" in known and is_count(name):
        return f" {SEVERAL}"
    if "before" in known and word in ("delete", "deleted", "deleteid", "remove", "action"):
        return f" {DELETION}"
    meant = [each for each in known if each.replace("_", "") == word] or [
        argument for argument, names in MEANT_BY.items() if argument in known and word in names.split()
    ]
    return f" Did you mean {' or '.join(f'`{each}`' for each in meant[:2])}?" if meant else ""


_SHOWN_CHOICES: Final = 12
_NEAREST: Final = 4
_SAME_NAME: Final = 0.6
"""How alike two names are at least of which one is a slip of the other."""
_MAX_PROBLEMS: Final = 5
_LONGEST_RIGHT: Final = 100
"""Bytes of arguments of which it is remembered that they are right, and in the next line their number for one tool."""
_MOST_RIGHT: Final = 500

MOST_VALUES: Final = 500
"""Values in the arguments of one call, nested ones included. Hosts that add members of their own send some twenty."""

MOST_LEVELS: Final = 12
"""Levels of nesting. No argument has more than two; agent frameworks wrap them once or twice."""

Say: TypeAlias = Callable[["Violation"], list[str]]


@dataclass(frozen=True)
class Violation:
    """One error of jsonschema: the keyword's `rule`, its `value`, its path as `name`, and the subschema."""

    name: str
    value: Any
    rule: Any
    schema: Mapping[str, Any]
    message: str

    @classmethod
    def of(cls, error: "ValidationError") -> "Violation":
        """Read an error of jsonschema. Our schemas are objects, so a schema of `true` does not occur."""
        path = ".".join(map(str, error.absolute_path)) or "arguments"
        schema = error.schema if isinstance(error.schema, Mapping) else {}
        return cls(f"`{path}`", error.instance, error.validator_value, schema, error.message)

    @property
    def shown(self) -> str:
        """The faulty value, as JSON, cut short."""
        text = orjson.dumps(self.value).decode()
        return text if len(text) <= 60 else f"{text[:57]}…"

    @property
    def properties(self) -> Mapping[str, Mapping[str, Any]]:
        """The properties of the subschema."""
        properties: Mapping[str, Mapping[str, Any]] = self.schema.get("properties", {})
        return properties


def find_problems(
    validator: "Draft202012Validator", arguments: Mapping[str, Any], offered: Mapping[str, Any] | None = None
) -> list[str]:
    """Return one sentence for each problem, at most five; none when the arguments fit the schema.

    `offered` are the properties that the caller was shown, where those are fewer than the validator knows.
    """
    problems: list[str] = []
    for error in validator.iter_errors(arguments):
        violation = Violation.of(error)
        if offered is not None and not error.absolute_path:
            violation = replace(violation, schema={**violation.schema, "properties": offered})
        problems += _SAY.get(str(error.validator), _other)(violation)
        if len(problems) >= _MAX_PROBLEMS:
            break
    return problems[:_MAX_PROBLEMS]


def validator_class() -> "type[Draft202012Validator]":
    """Return the class of validators. To load it takes a tenth of the whole start, which waits for no argument."""
    found: type[Draft202012Validator] = importlib.import_module("jsonschema").Draft202012Validator
    return found


async def load_validators() -> None:
    """Load the class of validators in a thread, so that the first call need not wait for it."""
    with contextlib.suppress(OSError):  # too few descriptors, perhaps: the first call loads it
        await asyncio.to_thread(validator_class)


def checked_by(schema: Mapping[str, Any], offered: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], list[str]]:
    """Return `find_problems` for one tool. Short arguments that were found right are not looked through again."""
    right: set[bytes] = set()
    validator = cache(lambda: validator_class()(schema))

    def check(arguments: Mapping[str, Any]) -> list[str]:
        encoded = orjson.dumps(arguments)
        if encoded in right:
            return []
        problems = find_problems(validator(), arguments, offered)
        if not problems and len(encoded) <= _LONGEST_RIGHT and len(right) < _MOST_RIGHT:
            right.add(encoded)
        return problems

    return check


def find_excess(arguments: object) -> list[str]:
    """Return the sentence about arguments that are too many or nested too deeply; looks at no more than it takes."""
    count = 0
    level = [arguments]
    for _ in range(MOST_LEVELS):
        children: list[object] = []
        for value in level:
            nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
            count += len(nested)
            if count > MOST_VALUES:
                return [
                    f"There are more than {MOST_VALUES} values in the arguments; leave out all that are not needed."
                ]
            children += nested
        if not children:
            return []
        level = children
    return [f"The arguments are nested more than {MOST_LEVELS} levels deep; every argument is a plain value or a list."]


def find_unfit_texts(arguments: Mapping[str, Any], redactor: Redactor) -> list[str]:
    """Return a sentence for each argument with a text that is not taken: one with NUL, or with a secret of the server.

    A NUL ends a text in many programs: what is checked would not be what is used. A secret in a prompt would go to an
    image service, and stay in the history.
    """
    problems: list[str] = []
    for name, value in arguments.items():
        texts = [name, *_texts(value)]
        if any("\0" in text for text in texts):
            problems.append(f"`{visible(name[:60])}` holds a NUL character (U+0000), which no text has; leave it out.")
        elif redactor.holds_secret(*texts):
            shown = redactor.clean(visible(name[:60]))
            problems.append(f"`{shown}` holds a key or a token of this server; take it out, and keep it secret.")
    return problems[:_MAX_PROBLEMS]


def _texts(value: object) -> Iterator[str]:
    """Yield the texts in a value: names and values of objects, entries of lists, at every level."""
    match value:
        case str():
            yield value
        case dict():
            for name, each in value.items():
                yield from (name, *_texts(each))
        case list():
            for each in value:
                yield from _texts(each)


def nearest(word: str, choices: Iterable[str]) -> list[str]:
    """Return the choices most like a word, best first."""
    return difflib.get_close_matches(word, list(choices), n=_NEAREST, cutoff=0.4)


def _missing(violation: Violation) -> list[str]:
    return [
        f"`{name}` is missing. {violation.properties.get(name, {}).get('description', '')}".strip()
        for name in violation.rule
        if name not in violation.value
    ]


def _unknown(violation: Violation) -> list[str]:
    known = list(violation.properties)
    if "history_id" in known and "prompt" in known:
        enlarging = [name for name in violation.value if name not in known and _plain(name) in _UPSCALES]
        if enlarging:
            return [NO_UPSCALE.format(name=enlarging[0][:60])]
    names = ", ".join(f"`{name}`" for name in known)
    return [
        f"`{name[:60]}` is not an argument of this tool; it takes {names}.{_advice(name, known)}"
        for name in islice((each for each in violation.value if each not in known), _MAX_PROBLEMS)
    ]


def _advice(name: str, known: Sequence[str]) -> str:
    """Return the advice for an argument that there is not: the one that is meant, else the one that looks like it."""
    advice = advice_for(name, known)
    near = [] if advice else difflib.get_close_matches(name[:60], known, n=1, cutoff=_SAME_NAME)
    return advice or (f" Did you mean `{near[0]}`?" if near else "")


def _type(violation: Violation) -> list[str]:
    names = " or ".join(violation.rule) if isinstance(violation.rule, list) else violation.rule
    return [f"{violation.name} is {violation.shown}; it must be of type {names}."]


def _choice(violation: Violation) -> list[str]:
    choices = [str(choice) for choice in violation.rule]
    problem = f"{violation.name} is {violation.shown}, which is none of the allowed values."
    if len(choices) <= _SHOWN_CHOICES:
        return [f"{problem} Allowed: {', '.join(choices)}."]
    near = nearest(str(violation.value)[:200], choices)
    shown, kind = (near, "The nearest are") if near else (choices[:_NEAREST], "Some of them are")
    return [f"{problem} {kind} {', '.join(shown)}; the tool's schema lists all {len(choices)}."]


def _bound(words: str) -> Say:
    return lambda violation: [f"{violation.name} is {violation.shown}; it must be {words} {violation.rule}."]


def _too_long(violation: Violation) -> list[str]:
    return [f"{violation.name} has {len(violation.value)} characters; at most {violation.rule} are taken."]


def _form(violation: Violation) -> list[str]:
    described = violation.schema.get("description", f"It must match the pattern {violation.rule}.")
    if not violation.value.strip():
        return [f"{violation.name} is blank. {described}"]
    return [f"{violation.name} is {violation.shown}, which is not of its form. {described}"]


def _other(violation: Violation) -> list[str]:
    return [f"{violation.name} is not allowed: {violation.message[:200]}."]


_SAY: Final[Mapping[str, Say]] = {
    "required": _missing,
    "additionalProperties": _unknown,
    "type": _type,
    "enum": _choice,
    "minimum": _bound("at least"),
    "maximum": _bound("at most"),
    "maxLength": _too_long,
    "pattern": _form,
}
"""The words for each keyword of JSON Schema that our schemas use."""
