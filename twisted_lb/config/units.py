"""Kinds of value with a unit: durations and sizes.

Sans-I/O. A bare number is refused: whoever wrote it and whoever reads it may think of another unit.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from .values import Refused, Value, describe, quote

_Units = dict[str, Decimal]

_SECONDS: Final[_Units] = {
    "d": Decimal(86400),
    "h": Decimal(3600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
}
_AMOUNT: Final = re.compile(r"(\d{1,15}(?:\.\d{1,30})?)\s*([A-Za-z]+)", re.ASCII)
LONGEST: Final = 3650 * 86400
"""Seconds; beyond ten years somebody meant `never`."""


def _amount(raw: Any, units: _Units) -> Decimal:
    """`60s` or `1h30m`, in the base unit."""
    if type(raw) in (int, float) or (isinstance(raw, str) and raw.isdecimal()):
        raise Refused(f"{raw} has no unit: add one of {', '.join(units)}")
    if isinstance(raw, str) and raw.startswith("-"):
        raise Refused(f"{quote(raw)} is negative")
    if not isinstance(raw, str) or not re.fullmatch(f"(?:{_AMOUNT.pattern}\\s*)+", raw, re.ASCII):
        raise Refused
    parts = _AMOUNT.findall(raw)
    if unknown := [unit for _, unit in parts if unit not in units]:
        raise Refused(f"there is no unit {quote(unknown[0])}, but {', '.join(units)}")
    return sum((Decimal(number) * units[unit] for number, unit in parts), Decimal())


def _show_duration(seconds: float) -> str:
    exact = Decimal(repr(float(seconds)))
    for unit, length in _SECONDS.items():
        if exact and exact % length == 0:
            return f"{int(exact / length)}{unit}"
    return f"{exact:f}s" if exact else "0s"


def duration(least: float = 0.0) -> Value:
    """A length of time, in seconds."""

    def read(raw: Any) -> float:
        seconds = float(_amount(raw, _SECONDS))
        if not least <= seconds <= LONGEST:
            raise Refused(
                f"{describe(raw)} is not between {_show_duration(least)} and "
                f"{_show_duration(LONGEST)}"
            )
        return seconds

    return Value("a duration", '"60s"', read, float, _show_duration)


_BYTES: Final[_Units] = {
    "B": Decimal(1),
    "kB": Decimal(1000),
    "KiB": Decimal(1 << 10),
    "MB": Decimal(1000**2),
    "MiB": Decimal(1 << 20),
}


def size(least: int, most: int) -> Value:
    """A number of bytes."""

    def read(raw: Any) -> int:
        amount = _amount(raw, _BYTES)
        if not least <= amount <= most:
            raise Refused(f"{describe(raw)} is not between {show(least)} and {show(most)}")
        return int(amount)

    def show(amount: int) -> str:
        unit = max((u for u in _BYTES if amount % _BYTES[u] == 0), key=_BYTES.__getitem__)
        return f"{amount // _BYTES[unit]}{unit}"

    return Value("a size", '"64KiB"', read, int, show)
