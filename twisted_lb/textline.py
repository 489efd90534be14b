"""A fact as one line of text, for people: a connection as HAProxy's tcplog has it, all else as
words and what they say. Sans-I/O.

`192.0.2.7:50000 [2026-11-23T12:00:00.123Z] ftp farm/a 61.204 812/4096 done control s-1f c.2a`

A word has no spaces, and nothing that a terminal obeys, whatever bytes peers had put into it
(attack 18): all but printable ASCII is escaped, and so are spaces, quotes and backslashes.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

import attrs

from .facts import ConnectionEnded, Fact


def text_line(fact: Fact, wall: float) -> str:
    """The fact as one line with its end; `wall` is now, in seconds since 1970."""
    when = datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds")
    stamp = f"[{when.replace('+00:00', 'Z')}]"
    if isinstance(fact, ConnectionEnded):
        return " ".join(_connection(fact, stamp)) + "\n"
    name, fields = shape(fact)
    told = (f"{field}={word(getattr(fact, field))}" for field in fields)
    return " ".join(["-", stamp, name, *told]) + "\n"


def _connection(fact: ConnectionEnded, stamp: str) -> list[str]:
    """In the order of HAProxy's tcplog: client, time, frontend, server, seconds, bytes, how."""
    words = [
        word(fact.client),
        stamp,
        word(fact.frontend),
        word(fact.server),
        f"{fact.seconds:.3f}",
        f"{fact.from_client}/{fact.from_server}",
        fact.ending,
        word(fact.role),
        word(fact.session),
        word(fact.connection),
    ]
    return [*words, word(fact.detail)] if fact.detail else words


def word(value: object) -> str:
    """One word; `-` for nothing."""
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return re.sub(r"[^!#-\[\]-~]", _escaped, str(value))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def shape(fact: Fact) -> tuple[str, tuple[str, ...]]:
    """What this kind of fact is called, and its fields: `connection-ended`, (connection, …)."""
    kind: Any = type(fact)
    return _shape_of(kind)


@cache
def _shape_of(kind: Any) -> tuple[str, tuple[str, ...]]:
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()
    return name, tuple(field.name for field in attrs.fields(kind))
