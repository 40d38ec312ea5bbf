"""Docstrings of service, benchmarks and tests: each names its subject. Their form is the business of ruff."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import ROOT, SERVICE

RIDDLE = re.compile(r"(What|Where|Why|Who|Whom|Whose|Whether|Whatever|Whoever|Wherever)\b")
"""Beginnings that leave the reader to find out the noun: "What is left then." says nothing of the thing itself."""

MODULES = sorted(
    path
    for folder in (SERVICE, ROOT / "benchmarks", ROOT / "tests")
    for path in folder.rglob("*.py")
    if "node_modules" not in path.parts
)


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring: of a module, a class, a function, or the constant above it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(ROOT)) for path in MODULES])
def test_a_docstring_names_its_subject(path: Path) -> None:
    riddles = [f"{path.relative_to(ROOT)}:{line}: {text[:60]}" for line, text in docstrings(path) if RIDDLE.match(text)]
    assert not riddles
