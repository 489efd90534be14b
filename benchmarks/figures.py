"""Medians, and ratios of figures of the same round. Pure."""

from __future__ import annotations

import statistics

import attrs

Results = dict[str, dict[str, list[dict[str, float]]]]
"""Row → rival → the figures of each round."""


@attrs.frozen
class Spread:
    """Of several values."""

    median: float
    least: float
    most: float


def spread(values: list[float]) -> Spread | None:
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def measured(results: Results, row: str, rival: str, figure: str) -> Spread | None:
    """Of all rounds; None where there is no such figure."""
    rounds = results.get(row, {}).get(rival, [])
    return spread([figures[figure] for figures in rounds if figure in figures])


def ratio(results: Results, row: str, figure: str, rival: str, against: str) -> Spread | None:
    """Rival to rival, round by round; rounds that one of them failed do not count."""
    both = zip(
        results.get(row, {}).get(rival, []), results.get(row, {}).get(against, []), strict=False
    )
    return spread(
        [
            ours[figure] / theirs[figure]
            for ours, theirs in both
            if figure in ours and theirs.get(figure, 0) > 0
        ]
    )
