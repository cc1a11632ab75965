"""A plot of lines as SVG: the same figures give the same bytes. It has its own background, light or dark as the reader
likes it, and each line is named at its end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 62, 190, 66, 50
LABEL = 15
"""Between the names of two lines, at least."""

LIGHT = ("#0072b2", "#c45500", "#00795c", "#a8307f", "#7a6500")
DARK = ("#56b4e9", "#f0a050", "#2fc79a", "#e58bc4", "#d9c94a")
"""Told apart by those who do not see all colours, too; the first for ours."""

STYLE = """
  .ground { fill: #ffffff } .grid { stroke: #e2e2e2 } .axis { stroke: #555555 }
  text { fill: #222222; font: 12px system-ui, sans-serif } .title { font-size: 15px; font-weight: 600 }
  polyline { fill: none; stroke-width: 2 }
"""
STYLE_DARK = ".ground { fill: #16181c } .grid { stroke: #33373e } .axis { stroke: #9aa0a8 } text { fill: #e4e6ea }"

Lines = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Axis:
    """Where values of an axis are on the picture: between `begin` and `end`. low, high: its values there."""

    low: float
    high: float
    logarithmic: bool
    begin: float
    end: float

    def __call__(self, value: float) -> float:
        scale: Callable[[float], float] = math.log10 if self.logarithmic else float
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return round(self.begin + share * (self.end - self.begin), 1)


def svg(title: str, x: str, y: str, lines: Lines, *, log_x: bool, log_y: bool) -> str:
    """x, y: what the axes say, with their units. Each line is drawn through its points (x, y)."""
    places = sorted({at for points in lines.values() for at, _ in points})
    heights = [value for points in lines.values() for _, value in points]
    up = ticks(min(heights), max(heights), log_y)
    across = Axis(places[0], places[-1], log_x, LEFT, WIDTH - RIGHT)
    upward = Axis(up[0], up[-1], log_y, HEIGHT - BOTTOM, TOP)
    colours = zip(LIGHT, DARK, strict=True)
    styles = [(n, *pair) for n, pair in enumerate(colours)]
    light = " ".join(f".l{n} {{ stroke: {a} }} .d{n} {{ fill: {a} }}" for n, a, _ in styles)
    dark = " ".join(f".l{n} {{ stroke: {b} }} .d{n} {{ fill: {b} }}" for n, _, b in styles)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}  {light}",
            f"  @media (prefers-color-scheme: dark) {{ {STYLE_DARK} {dark} }}\n</style>",
            f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
            f'<text class="title" x="{LEFT}" y="26">{escape(title)}</text>',
            *_axes(across, upward, places, up, x, y),
            *_curves(across, upward, lines),
            "</svg>\n",
        ]
    )


def ticks(low: float, high: float, logarithmic: bool) -> list[float]:
    """Round values around a range: from 0 by steps of 1, 2 or 5, or those times powers of ten."""
    if logarithmic:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
        below = max(step for step in steps if step <= low)
        above = min((step for step in steps if step >= high), default=10.0 ** decades[-1])
        return [step for step in steps if below <= step <= above]
    rough = high / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [n * step for n in range(math.ceil(high / step - 1e-9) + 1)]


def _axes(across: Axis, upward: Axis, places: Sequence[float], up: Sequence[float], x: str, y: str) -> Iterator[str]:
    right, bottom, middle = WIDTH - RIGHT, HEIGHT - BOTTOM, (LEFT + WIDTH - RIGHT) // 2
    for value in up:
        at = upward(value)
        yield f'<line class="grid" x1="{LEFT}" y1="{at}" x2="{right}" y2="{at}"/>'
        yield f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{value:,g}</text>'
    yield f'<line class="axis" x1="{LEFT}" y1="{bottom}" x2="{right}" y2="{bottom}"/>'
    for value in places:
        at = across(value)
        yield f'<line class="axis" x1="{at}" y1="{bottom}" x2="{at}" y2="{bottom + 5}"/>'
        yield f'<text x="{at}" y="{bottom + 19}" text-anchor="middle">{value:,.0f}</text>'
    yield f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{escape(x)}</text>'
    yield f'<text x="{LEFT}" y="{TOP - 20}">{escape(y)}</text>'


def _curves(across: Axis, upward: Axis, lines: Lines) -> Iterator[str]:
    names = _spread({name: upward(points[-1][1]) for name, points in lines.items()})
    for n, (name, points) in enumerate(lines.items()):
        spots = [(across(at), upward(value)) for at, value in points]
        yield f'<polyline class="l{n}" points="{" ".join(f"{a},{b}" for a, b in spots)}"/>'
        yield from (f'<circle class="d{n}" cx="{a}" cy="{b}" r="3"/>' for a, b in spots)
        yield f'<text class="d{n}" x="{WIDTH - RIGHT + 10}" y="{names[name] + 4:.1f}">{escape(name)}</text>'


def _spread(heights: dict[str, float]) -> dict[str, float]:
    """Moved down where two names would lie on each other, then all up again if the last one has left the picture."""
    placed: dict[str, float] = {}
    lowest = float("-inf")
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        lowest = placed[name] = max(height, lowest + LABEL)
    excess = max(0.0, lowest - (HEIGHT - BOTTOM))
    return {name: height - excess for name, height in placed.items()}
