"""Which models exist, which is the default, and the guide by which a chat model chooses one.

`models.json` holds `models`, a list of ids or of `{"id", "upstream"}`, `default_model`, and `selection_guide` or, line
by line, `selection_guide_lines`. Only models whose upstream is on are offered.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

DEFAULT_UPSTREAM: Final = "flow2api"
"""Upstream of a model that is given by its id alone, as older lists do."""


class ModelsError(Exception):
    """The list cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Models:
    """The models on offer, in the order of the list: `upstream_of` maps each id to the name of its upstream."""

    upstream_of: Mapping[str, str]
    default: str
    guide: str


def read_models(text: bytes, upstreams: Collection[str]) -> Models:
    """Read the list and keep what `upstreams` can draw; raises `ModelsError`.

    A default that is not on offer gives way to the first model that is.
    """
    try:
        listed = orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        raise ModelsError(f"it is not JSON: {problem}") from problem
    if not isinstance(listed, dict) or not isinstance(listed.get("models"), list):
        raise ModelsError('it must be an object with a list "models"')
    offered = {id_: upstream for id_, upstream in map(_read_model, listed["models"]) if upstream in upstreams}
    if not offered:
        raise ModelsError(f"none of its models is drawn by {' or '.join(sorted(upstreams))}")
    default = listed.get("default_model")
    return Models(
        upstream_of=offered,
        default=default if default in offered else next(iter(offered)),
        guide=_read_guide(listed),
    )


def _read_model(entry: object) -> tuple[str, str]:
    match entry:
        case str(id_) if id_.strip():
            return id_.strip(), DEFAULT_UPSTREAM
        case {"id": str(id_), **rest} if id_.strip() and isinstance(
            upstream := rest.get("upstream", DEFAULT_UPSTREAM), str
        ):
            return id_.strip(), upstream
        case _:
            raise ModelsError(f'"models" holds {str(entry)[:80]!r}; each must be an id or {{"id": …, "upstream": …}}')


def _read_guide(listed: Mapping[str, object]) -> str:
    match listed:
        case {"selection_guide": str(guide)} if guide.strip():
            return guide.strip()
        case {"selection_guide_lines": [*lines]}:
            return "\n".join(line.strip() for line in lines if isinstance(line, str) and line.strip())
        case _:
            return ""
