"""The report of a run, and the pages that show it: `docs/speed.md`, its plot and its figures, and a line of README.

`python -m benchmarks.pages` writes the pages anew from their figures, as after a change of a target.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks import bars
from benchmarks.results import Results
from benchmarks.serving import ROOT
from benchmarks.tables import busy, sections

PAGE: Final = ROOT / "docs" / "speed.md"
FIGURES: Final = ROOT / "docs" / "speed.json"
PLOT: Final = ROOT / "docs" / "images" / "speed.svg"
README: Final = ROOT / "README.md"
SOAK: Final = "soak"
"""The mark of the one table that another command measures."""

NOTHING: Final = "Not measured in this run."


def report(results: Results) -> str:
    """All tables as one text."""
    return "\n\n".join([origin(results), *sections(results).values()]) + "\n"


def origin(results: Results) -> str:
    """When and where the figures come from."""
    machine = results.machine
    return (
        f"{results.date}, commit {results.commit}: {machine['cores']} cores ({machine['processor']}), "
        f"{machine['system']}, Python {machine['python']}. When it began, {machine['waiting']} programs were at work "
        f"or waited for a core. {busy(results)}"
    ).strip()


def filled(text: str, blocks: Mapping[str, str]) -> str:
    """A page with other text between the marks `<!-- name -->` and `<!-- /name -->` of each block."""
    for name, block in blocks.items():
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        if (text.count(start), text.count(end)) != (1, 1):
            raise ValueError(f"the page has no marks of {name}, or more than one")
        before, _, rest = text.partition(start)
        text = f"{before}{start}{block}\n{end}{rest.partition(end)[2]}"
    return text


def page_of(results: Results, page: str) -> str:
    """The page about speed with the tables of a run."""
    tables = {"origin": origin(results), **sections(results)}
    names = [name for name in re.findall(r"<!-- (\w+) -->", page) if name != SOAK]
    return filled(page, {name: tables.get(name, NOTHING) for name in names})


def readme_of(results: Results, readme: str) -> str:
    """README with the plot, its date and its machine."""
    machine = results.machine
    picture = "![Easel beside other servers](docs/images/speed.svg)"
    day = results.date.partition(" ")[0]
    line = f"[All figures and targets](docs/speed.md), of {day} on {machine['cores']} cores. Yours: `make bench`."
    return filled(readme, {"speed": f"{picture}\n\n{line}"})


def plot_of(results: Results) -> str:
    """The plot."""
    machine = results.machine
    caption = (
        f"{results.date}, {machine['cores']} cores, Python {machine['python']}. {busy(results).partition('. ')[0]}"
    )
    return bars.svg(bars.panels(results), caption)


def write_soak(text: str) -> None:
    """Write the report of a soak into the page, which has no other place."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), {SOAK: text}), encoding="utf-8")


def write(results: Results) -> list[Path]:
    """Write the figures, the plot and the pages; return their paths."""
    texts = {
        FIGURES: results.text(),
        PLOT: plot_of(results),
        PAGE: page_of(results, PAGE.read_text(encoding="utf-8")),
        README: readme_of(results, README.read_text(encoding="utf-8")),
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


if __name__ == "__main__":
    write(Results.read(FIGURES))
