"""What each figure costs beside its rival's, as a picture: SVG, for light and dark. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

import attrs

from benchmarks.figures import Results, ratio
from benchmarks.goals import GOALS, Goal

WIDTH, TOP, LINE = 940, 92, 24
LEFT, RIGHT = 330, 760
LEAST, MOST = 1 / 8, 32
COLOURS = ("#e8590c", "#c2255c", "#1971c2", "#2f9e44", "#868e96", "#7048e8")
"""Ours first."""
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600; font-size: 15px }
.small { font-size: 11px; fill: #59636e }
.back { fill: #ffffff; stroke: #d1d9e0 }
.grid { stroke: #d1d9e0 }
.one { stroke: #59636e; stroke-width: 1.5 }
.goal { stroke: #1f2328; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .small { fill: #9198a1 }
  .back { fill: #0d1117; stroke: #3d444d }
  .grid { stroke: #2a3038 }
  .one { stroke: #9198a1 }
  .goal { stroke: #e6edf3 }
}
"""


@attrs.frozen
class Line:
    """One figure: its goal, and each rival's cost beside that of the same round's reference."""

    goal: Goal
    reference: str
    costs: dict[str, float]

    @property
    def title(self) -> str:
        return self.goal.title if self.goal.lower else f"{self.goal.title}: time for each"

    @property
    def bound(self) -> float:
        """Where the goal lies; nowhere when it is to somebody who was not measured."""
        bound = self.goal.bound if self.goal.lower else 1 / self.goal.bound
        there = 1.0 if self.goal.against == self.reference else self.costs.get(self.goal.against)
        return bound * there if there else math.nan


def lines(results: Results, rivals: Sequence[str], references: dict[str, str]) -> Iterator[Line]:
    """Of goals, but for throughput: CPU tells more; a row's reference is whom ratios are to."""
    for goal in GOALS:
        if not goal.title.endswith("throughput") and goal.row in references:
            reference = references[goal.row]
            found = {
                name: ratio(results, goal.row, goal.figure, name, reference)
                for name in rivals
                if name != reference
            }
            if any(found.values()):
                costs = {name: one.median for name, one in found.items() if one}
                if not goal.lower:
                    costs = {name: 1 / value for name, value in costs.items()}
                yield Line(goal, reference, costs)


def place(value: float) -> float:
    """Where a ratio lies: a doubling is as wide everywhere."""
    inside = min(max(value, LEAST), MOST)
    return LEFT + (RIGHT - LEFT) * math.log(inside / LEAST) / math.log(MOST / LEAST)


def svg(drawn: Sequence[Line], rivals: Sequence[str]) -> str:
    """The whole picture."""
    named = [name for name in rivals if any(name in line.costs for line in drawn)]
    named.sort(key=lambda name: not name.startswith("lb-proxy"))
    colours = dict(zip(named, COLOURS, strict=False))
    height = TOP + LINE * len(drawn) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>Cost beside HAProxy's and mod_proxy's; less is better</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="back" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        '<text class="head" x="20" y="30">Cost beside the rival’s own: 1 is as much, '
        "less is better</text>",
        *_legend(colours),
        *_axis(TOP + LINE * len(drawn)),
    ]
    for number, line in enumerate(drawn):
        parts += _line(line, TOP + LINE * (number + 0.5), colours)
    return "\n".join([*parts, "</svg>\n"])


def _legend(colours: dict[str, str]) -> Iterator[str]:
    x = 20.0
    for name, colour in colours.items():
        yield _mark(name, x + 6, 53, colour)
        yield f'<text x="{x + 18:.0f}" y="57">{escape(name)}</text>'
        x += 40 + 7.2 * len(name)
    yield f'<path class="goal" d="M{x + 6:.0f} 46v14"/>'
    yield f'<text x="{x + 18:.0f}" y="57">goal</text>'


def _axis(bottom: float) -> Iterator[str]:
    value = LEAST
    while value <= MOST:
        x, kind = place(value), "one" if value == 1 else "grid"
        yield f'<path class="{kind}" d="M{x:.1f} {TOP - 8}V{bottom:.0f}"/>'
        yield f'<text class="small" x="{x:.1f}" y="{bottom + 18:.0f}" text-anchor="middle">'
        yield f"{value:g}</text>"
        value *= 2


def _line(line: Line, y: float, colours: dict[str, str]) -> Iterator[str]:
    yield f'<text x="20" y="{y + 4:.0f}">{escape(line.title)}</text>'
    if not math.isnan(line.bound):
        yield f'<path class="goal" d="M{place(line.bound):.1f} {y - 8:.0f}v16"/>'
    for name in reversed(colours):  # ours on top
        if name in line.costs:
            yield _mark(name, place(line.costs[name]), y, colours[name])
    ours = [f"{value:.2f}" for name, value in line.costs.items() if name.startswith("lb-proxy")]
    told = f"{' · '.join(ours)} of {line.reference}"
    yield f'<text class="small" x="{RIGHT + 20}" y="{y + 4:.0f}">{escape(told)}</text>'


def _mark(name: str, x: float, y: float, colour: str) -> str:
    """Ours are diamonds, all others dots."""
    if name.startswith("lb-proxy"):
        return f'<path fill="{colour}" d="M{x:.1f} {y - 7:.1f}l7 7l-7 7l-7 -7z"/>'
    return f'<circle fill="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
