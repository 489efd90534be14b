"""A kind of value: a regular expression that finds a session in what a client carries. Sans-I/O."""

from __future__ import annotations

import re
from typing import Any, Final

from .values import Refused, Value, quote

GROUPS: Final = ("session", "role")
"""The named groups that such an expression may have; it must have the first."""


def _read(raw: Any) -> str:
    if not isinstance(raw, str):
        raise Refused
    try:
        named = re.compile(raw.encode("latin-1")).groupindex
    except UnicodeEncodeError:
        raise Refused("has a character that is no byte") from None
    except re.error as why:
        raise Refused(f"{quote(raw)} is no regular expression: {why}") from None
    if GROUPS[0] not in named:
        raise Refused(f"{quote(raw)} does not say what the session is: (?P<session>…)")
    strange = sorted(set(named) - set(GROUPS))
    if strange:
        raise Refused(f"{quote(strange[0])} is no group that is read: {' and '.join(GROUPS)} are")
    return raw


PATTERN: Final = Value(
    "a regular expression", r"'lb-session/(?P<session>[0-9a-f]{32})'", _read, str
)
"""A role that it finds must be one that the group declares: that shows only when a client comes."""
