"""Tables for people: values of the API in, lines out. Nothing of them can control a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

Row = Sequence[Any]

_AMOUNT: Final = re.compile(r"-|[0-9]+([.][0-9]+)?( [kMGTP]?B)?|([0-9]+[dhms] ?)+")
_SIZES: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def table(heads: Row, rows: Iterable[Row], none: str) -> str:
    """Columns side by side, amounts to the right; `none` is said where there are no rows."""
    texts = [[cell(each) for each in row] for row in rows]
    if not texts:
        return none
    given = [list(map(str, heads)), *texts]
    widths = [max(map(len, column)) for column in zip(*given, strict=True)]
    right = [all(map(_AMOUNT.fullmatch, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in given
    )


def cell(value: Any) -> str:
    """A value in a table; what peers sent is escaped."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in str(value))


def size(count: int) -> str:
    """Bytes, as `1.5 MB`."""
    amount = float(count)
    for unit in _SIZES:
        if amount < 1000 or unit == _SIZES[-1]:
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


def length(seconds: float | None) -> str:
    """Of time, as `2d 3h`; its two largest units."""
    if seconds is None:
        return "-"
    left = int(seconds)
    parts: list[str] = []
    for unit, in_seconds in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if left >= in_seconds or (unit == "s" and not parts):
            parts.append(f"{left // in_seconds}{unit}")
            left %= in_seconds
    return " ".join(parts[:2])


def pairs(told: Iterable[tuple[str, Any]]) -> str:
    """Names and values, a line each."""
    listed = [(name, cell(value)) for name, value in told]
    width = max(len(name) for name, _ in listed)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in listed)
