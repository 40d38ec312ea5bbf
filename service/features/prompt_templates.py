"""The words of the prompts, out of `schemas/prompts.json`, and how they become a text.

A text is a list of lines. A line is a string, or an object that stands there only `when` a fact is known or `unless` it
is; `$name` in it is replaced by what is known. What a person typed is put in once and never read as a line of ours.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from string import Template
from typing import Any, TypeAlias

import orjson

from service.tools.base import SCHEMAS

Line: TypeAlias = str | Mapping[str, str]
Facts: TypeAlias = Mapping[str, str]
"""What is known, by name. A fact that only says that something is so has no words."""


@dataclass(frozen=True, kw_only=True)
class PromptTemplates:
    """What `prompts/list` says of each prompt, and its lines; what to do about each failure.

    `model` and `model_references` are parts of one line: what one model is good at, and how many references it takes.
    """

    listings: Mapping[str, Mapping[str, Any]]
    texts: Mapping[str, Sequence[Line]]
    model: Sequence[Line]
    model_references: Sequence[Line]
    failures: Sequence[Mapping[str, Any]]
    other_failure: str

    @classmethod
    def read(cls) -> "PromptTemplates":
        """Read the file."""
        file = orjson.loads((SCHEMAS / "prompts.json").read_bytes())
        return cls(
            listings={
                name: {"name": name, **{key: value for key, value in said.items() if key != "text"}}
                for name, said in file["prompts"].items()
            },
            texts={name: said["text"] for name, said in file["prompts"].items()},
            model=file["model"],
            model_references=file["model_references"],
            failures=file["failures"],
            other_failure=file["other_failure"],
        )

    @cached_property
    def advice(self) -> Mapping[str, str]:
        """What to do, by the kind of failure."""
        return {kind: each["text"] for each in self.failures for kind in each["kinds"]}

    @cached_property
    def all_advice(self) -> str:
        """The same as a list; kinds that call for the same are named together."""
        return "\n".join(f"- {', '.join(each['kinds'])}: {each['text']}" for each in self.failures)


def written(lines: Iterable[Line], facts: Facts, between: str = "\n") -> str:
    """The lines that stand, filled in. An empty line goes where the one before it is empty or is not there."""
    shown: list[str] = []
    for line in lines:
        if isinstance(line, str) or _stands(line, facts):
            words = line if isinstance(line, str) else line["text"]
            shown += [Template(words).substitute(facts)] if words or any(shown[-1:]) else []
    return between.join(shown)


def _stands(line: Mapping[str, str], facts: Facts) -> bool:
    return line.get("when", "") in {"", *facts} and line.get("unless") not in facts
