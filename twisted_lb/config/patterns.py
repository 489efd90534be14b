"""A kind of value: a regular expression that finds a session in what a client carries. Sans-I/O."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import re2

from .values import Refused, Value, quote

GROUPS: Final = ("session", "role")
"""The named groups that such an expression may have; it must have the first."""


@cache
def compiled(pattern: str, case_matters: bool = True) -> Any:
    """The expression, for bytes; what it finds are bytes, too, and so are names of groups.

    It is of RE2: matching takes time in proportion to what a client said, whatever the pattern.
    Raises re2.error; UnicodeEncodeError for a character that is no byte.
    """
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = case_matters
    options.log_errors = False
    return re2.compile(pattern.encode("latin-1"), options)


def _read(raw: Any) -> str:
    if not isinstance(raw, str):
        raise Refused
    try:
        named = {name.decode("latin-1") for name in compiled(raw).groupindex}
    except UnicodeEncodeError:
        raise Refused("has a character that is no byte") from None
    except re2.error as why:
        told = why.args[0].decode("latin-1")
        raise Refused(f"{quote(raw)} is no regular expression (RE2): {told}") from None
    if GROUPS[0] not in named:
        raise Refused(f"{quote(raw)} does not say what the session is: (?P<session>…)")
    strange = sorted(named - set(GROUPS))
    if strange:
        raise Refused(f"{quote(strange[0])} is no group that is read: {' and '.join(GROUPS)} are")
    return raw


PATTERN: Final = Value(
    "a regular expression", r"'lb-session/(?P<session>[0-9a-f]{32})'", _read, str
)
"""A role that it finds must be one that the group declares: that shows only when a client comes."""
