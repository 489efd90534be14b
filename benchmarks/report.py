"""Figures as tables: text for a terminal, Markdown for a page. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.figures import Results, Spread, measured, ratio
from benchmarks.goals import GOALS
from benchmarks.rows import Figure, Idle, Row

Table = list[list[str]]
NONE = "–"


def ours(rivals: Sequence[str]) -> list[str]:
    return [name for name in rivals if name.startswith("lb-proxy")]


Rows = Sequence[Row | Idle]


def groups(results: Results, rows: Rows, rivals: Sequence[str]) -> Iterator[tuple[Rows, list[str]]]:
    """Rows whose ratios are to the same rival, and who takes part in them."""
    for against in dict.fromkeys(row.against for row in rows):
        some = [row for row in rows if row.against == against]
        yield some, [name for name in rivals if any(name in results.get(r.name, ()) for r in some)]


def table(results: Results, rows: Rows, rivals: Sequence[str]) -> Table:
    """Medians: a line for each figure, a column for each rival."""
    lines = [["", *rivals]]
    for row in rows:
        for figure in row.figures:
            cells = [_cell(results, row.name, rival, figure) for rival in rivals]
            lines.append([f"{row.title}: {figure.title}, {figure.unit}", *cells])
    return lines


def _cell(results: Results, row: str, rival: str, figure: Figure) -> str:
    found = measured(results, row, rival, figure.name)
    if found:
        return short(found.median * figure.scale)
    rounds = results.get(row, {}).get(rival, [])
    return "failed" if rounds and not any(rounds) else NONE


def short(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1 else f"{value:.3f}"


def goals(results: Results, rivals: Sequence[str]) -> Table:
    """What was to be reached, and what each way of ours reached."""
    lines = [["", "against", "goal", *ours(rivals)]]
    for goal in GOALS:
        found = [goal.found(results, way) for way in ours(rivals)]
        if any(found):
            cells = [f"{told(one)} {goal.verdict(one)}" for one in found]
            lines.append([goal.title, goal.against, goal.words, *cells])
    return lines


def told(ratio: Spread | None) -> str:
    return f"{ratio.median:.2f} ({ratio.least:.2f}–{ratio.most:.2f})" if ratio else NONE


def ratios(results: Results, rows: Rows, rivals: Sequence[str]) -> Table:
    """Every figure as a ratio: the median of the rounds, and their spread."""
    others = [name for name in rivals if name != rows[0].against]
    lines = [["", *others]]
    for row in rows:
        for figure in row.figures:
            found = [ratio(results, row.name, figure.name, name, row.against) for name in others]
            if any(found):
                lines.append([f"{row.title}: {figure.title}", *map(told, found)])
    return lines


def text(lines: Table) -> str:
    """In columns, the first one to the left."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(_aligned(line, widths)) for line in lines)


def _aligned(line: list[str], widths: list[int]) -> Iterator[str]:
    yield line[0].ljust(widths[0])
    yield from (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))


def markdown(lines: Table) -> str:
    head, *body = lines
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *body))
