"""A plot of lines on two logarithmic scales, as SVG that any browser draws."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

WIDTH, HEIGHT = 860, 470
LEFT, RIGHT, TOP, BOTTOM = 64, 250, 40, 44
COLOURS: Final = ("#0b6e99", "#c2410c", "#15803d", "#7c3aed", "#b91c1c", "#a16207", "#0f766e", "#be185d", "#475569")

Line = Mapping[int, float]


def plot(title: str, unit: str, lines: Mapping[str, Line], target: float) -> str:
    """Return the picture of lines by size, with a dashed one for the target."""
    sizes = sorted({size for line in lines.values() for size in line})
    values = [value for line in lines.values() for value in line.values()]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(*values, target)))

    def x(size: float) -> float:
        first, last = math.log10(sizes[0]), math.log10(sizes[-1])
        return LEFT + (math.log10(size) - first) / max(last - first, 1) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (math.log10(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="13"><title>{escape(title)}</title><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" font-size="16">{escape(title)}</text>',
        *[_tick_x(x(size), f"{size:,}") for size in sizes],
        *[_tick_y(y(10.0**power), f"{10.0**power:g} {unit}") for power in range(low, high + 1)],
        f'<path d="M{LEFT} {y(target):.1f}H{WIDTH - RIGHT}" stroke="#111" stroke-dasharray="6 4"/>',
        f'<text x="{LEFT + 6}" y="{y(target) - 6:.1f}">{target:g} {unit}</text>',
    ]
    ends = _apart([y(line[max(line)]) for line in lines.values()])
    for (name, line), colour, end in zip(lines.items(), COLOURS, ends, strict=False):
        points = " ".join(f"{x(size):.1f},{y(line[size]):.1f}" for size in sorted(line))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 10}" y="{end:.1f}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _tick_x(x: float, text: str) -> str:
    return (
        f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#e5e7eb"/>'
        f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{text}</text>'
    )


def _tick_y(y: float, text: str) -> str:
    return (
        f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e5e7eb"/>'
        f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    )


def _apart(wanted: Sequence[float], least: float = 16.0) -> list[float]:
    """Move labels down so far that none covers another."""
    found = list(wanted)
    above = -math.inf
    for index in sorted(range(len(wanted)), key=lambda index: wanted[index]):
        found[index] = above = max(wanted[index] + 4, above + least)
    return found
