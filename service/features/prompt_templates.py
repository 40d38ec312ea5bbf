"""The templates of the prompts, out of `schemas/prompts.json`, and how they become a text.

A text is a list of lines. A line is a string, or an object that stands there only `when` a fact is known or `unless` it
is; `$name` in it is replaced by that fact. A text that a person typed is put in once, and never read as a line of ours.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from string import Template
from typing import Any, TypeAlias

import orjson

from service.tools.base import SCHEMAS

Line: TypeAlias = str | Mapping[str, str]
Facts: TypeAlias = Mapping[str, str]
"""Facts by name. One that only says that something is so is an empty text."""


@dataclass(frozen=True, kw_only=True)
class PromptTemplates:
    """The listing of each prompt for `prompts/list`, its lines, and the advice for each kind of failure.

    `model` and `model_references` are parts of one line: the strengths of a model, and how many references it takes.
    """

    listings: Mapping[str, Mapping[str, Any]]
    texts: Mapping[str, Sequence[Line]]
    model: Sequence[Line]
    model_references: Sequence[Line]
    failures: Sequence[Mapping[str, Any]]
    other_failure: str

    @classmethod
    @cache
    def read(cls) -> "PromptTemplates":
        """Read `schemas/prompts.json`, once for the process."""
        file = orjson.loads((SCHEMAS / "prompts.json").read_bytes())
        return cls(
            listings={
                name: {"name": name, **{key: value for key, value in entry.items() if key != "text"}}
                for name, entry in file["prompts"].items()
            },
            texts={name: entry["text"] for name, entry in file["prompts"].items()},
            model=file["model"],
            model_references=file["model_references"],
            failures=file["failures"],
            other_failure=file["other_failure"],
        )

    @cached_property
    def advice(self) -> Mapping[str, str]:
        """The advice by the kind of failure."""
        return {kind: each["text"] for each in self.failures for kind in each["kinds"]}

    @cached_property
    def all_advice(self) -> str:
        """All advice as a markdown list; kinds with the same advice share a line."""
        return "\n".join(f"- {', '.join(each['kinds'])}: {each['text']}" for each in self.failures)


def written(lines: Iterable[Line], facts: Facts, between: str = "\n") -> str:
    """Fill in the lines that stand and join them. An empty line is dropped where no text comes before it."""
    shown: list[str] = []
    for line in lines:
        if isinstance(line, str) or _stands(line, facts):
            text = line if isinstance(line, str) else line["text"]
            shown += [Template(text).substitute(facts)] if text or any(shown[-1:]) else []
    return between.join(shown)


def _stands(line: Mapping[str, str], facts: Facts) -> bool:
    return line.get("when", "") in {"", *facts} and line.get("unless") not in facts
