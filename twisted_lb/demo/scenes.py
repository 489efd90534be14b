"""What a scene of the demo gives to be shown, and how rows become a table. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

TOGETHER: Final = "✓ together"
ASTRAY: Final = "✗ ASTRAY"


@attrs.frozen
class Shown:
    """A scene that was played."""

    text: str
    """Tables: who went where."""
    well: bool
    """Whether every channel was where it belongs."""
    tries: str
    """What the one who watches may try, as long as everything is up."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be."""
    every = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)) for row in every]
    return "\n".join(line.rstrip() for line in lines)


def counted(channels: Mapping[str, int]) -> str:
    """`1 control, 9 data`; a dash when there are none."""
    return ", ".join(f"{count} {role}" for role, count in sorted(channels.items())) or "-"


def tick(well: bool) -> str:
    """A mark for a single line."""
    return "✓" if well else "✗"


def mark(together: bool, broken: str) -> str:
    """The last column of a row."""
    if broken:
        return f"✗ {broken}"
    return TOGETHER if together else ASTRAY
