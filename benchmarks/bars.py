"""The plot of a run as SVG: panels of bars, each beside its yardstick."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from benchmarks.results import Results
from benchmarks.rows import BARE
from benchmarks.tables import complete, cpu_ratio, generation_ratio, is_quiet, rate_ratio
from benchmarks.verdicts import FLOOR_RATIO, shorter

WIDTH: Final = 860
LEFT: Final = 330
RIGHT: Final = 70
BAR: Final = 18
STEP: Final = 26
TITLE: Final = 44
OURS: Final = "#2563eb"
OTHERS: Final = "#9ca3af"
TEXT: Final = "#1f2937"

CALLS: Final = (
    ("bare aiohttp, which checks nothing", BARE),
    ("Easel: a trivial tool", "easel: modern call, JSON"),
    ("Easel: cache, which asks the database", "service: modern cache"),
    ("Easel: history, 5 of 10,000", "service: modern history, 5 of 10,000"),
    ("TypeScript SDK 1: a trivial tool", "typescript 1: legacy call, SSE"),
    ("Python SDK 2: a trivial tool", "sdk: modern call, JSON"),
    ("TypeScript SDK 2: a trivial tool", "typescript 2: modern call, JSON"),
    ("FastMCP 4: a trivial tool", "fastmcp: modern call, JSON"),
)
PICTURE: Final = "200 kB"
FILES: Final = (
    ("aiohttp's FileResponse", "FileResponse"),
    ("Easel", "service"),
    ("Starlette", "Starlette"),
    ("nginx", "nginx"),
)


@dataclass(frozen=True)
class Panel:
    """Bars under a title. `most` is the value that fills the width; longer bars are cut. `mark`: a line to keep to."""

    title: str
    bars: Sequence[tuple[str, float]]
    most: float
    mark: float = 0.0

    @property
    def height(self) -> int:
        """Its height in pixels."""
        return TITLE + STEP * len(self.bars)


def panels(results: Results) -> list[Panel]:
    """Return the bars of a run, by the clock, or by processor time where the machine was busy."""
    rounds = complete(results, (BARE,))
    quiet = bool(rounds) and is_quiet(rounds, BARE)
    ratio, unit = (rate_ratio, "Requests a second") if quiet else (cpu_ratio, "Requests for one second of processor")
    calls = [(label, name, BARE) for label, name in CALLS]
    files = [(label, f"{peer}: {PICTURE}", f"FileResponse: {PICTURE}") for label, peer in FILES]

    def bars(rows: Sequence[tuple[str, str, str]]) -> list[tuple[str, float]]:
        return [(label, ratio(found, name, of)) for label, name, of in rows if (found := complete(results, (name, of)))]

    made = [
        Panel(f"{unit}: calls, bare aiohttp = 1", bars(calls), 1.0),
        Panel(f"{unit}: a picture of {PICTURE}, FileResponse = 1", bars(files), 4.0),
    ]
    generations = [
        (f"Easel: {name.partition(',')[0]}", generation_ratio(results, name))
        for name in (results.generations[0] if results.generations else ())
        if name.endswith("16 at once")
    ]
    least = "Processor time of one generation; one decode, JPEG, hash and fsync = 1 (less is better)"
    made.append(Panel(least, generations, 3.0, FLOOR_RATIO))
    return [panel for panel in made if panel.bars]


def svg(shown: Sequence[Panel], caption: str) -> str:
    """The panels below each other."""
    height = sum(panel.height for panel in shown) + TITLE
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="13" fill="{TEXT}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    top = 0
    for panel in shown:
        lines += _panel(panel, top)
        top += panel.height
    lines += [f'<text x="16" y="{top + 28}" font-size="11">{escape(caption)}</text>', "</svg>"]
    return "\n".join(lines) + "\n"


def _panel(panel: Panel, top: int) -> list[str]:
    lines = [f'<text x="16" y="{top + 30}" font-weight="bold">{escape(panel.title)}</text>']
    space = WIDTH - LEFT - RIGHT
    for number, (label, value) in enumerate(panel.bars):
        y = top + TITLE + STEP * number
        length = min(value / panel.most, 1.0) * space
        colour = OURS if label.startswith("Easel") else OTHERS
        more = " →" if value > panel.most else ""
        lines += [
            f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>',
            f'<text x="{LEFT + length + 6:.1f}" y="{y + 14}">{shorter(value)}{more}</text>',
        ]
    if panel.mark:
        x = LEFT + panel.mark / panel.most * space
        bottom = top + TITLE + STEP * len(panel.bars) - 4
        lines.append(f'<path d="M{x:.1f} {top + TITLE - 4}V{bottom}" stroke="#dc2626" stroke-dasharray="4 3"/>')
    return lines
