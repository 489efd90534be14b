"""A kind of value: how many connections of one network may be on their way, as `1000:30:3000`.

Sans-I/O. sshd's MaxStartups is written the same way and means the same.
"""

from __future__ import annotations

import re
from typing import Any, Final

from .settings import Startups
from .values import Refused, Value, quote

_WRITTEN: Final = re.compile(r"(\d{1,7}):(\d{1,3}):(\d{1,7})", re.ASCII)


def _read(raw: Any) -> Startups:
    if not isinstance(raw, str) or not (match := _WRITTEN.fullmatch(raw)):
        raise Refused
    start, rate, full = (int(part) for part in match.groups())
    if not 0 < start <= full:
        raise Refused(f"{quote(raw)}: the first number is not from 1 to the last one")
    if not 0 < rate <= 100:
        raise Refused(f"{quote(raw)}: the middle number is not a percentage from 1 to 100")
    return Startups(start, rate, full)


def _show(startups: Startups) -> str:
    return f"{startups.start}:{startups.rate}:{startups.full}"


STARTUPS: Final = Value("three numbers", '"1000:30:3000"', _read, Startups, _show)
