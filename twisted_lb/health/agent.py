"""What a server says of itself: one line of HAProxy's agent-check words in, a frozen value out.

Sans-I/O. Words are divided by spaces, tabs and commas; all after `#` is a remark, kept as the
reason. What is not said stays as it is. (HAProxy's configuration manual, `agent-check`.)
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from ..terms import Admin, Server

LINE_CAP: Final = 1024
"""Bytes that an agent's line may have; a longer one is no agent's."""

ADMIN_WORDS: Final[dict[str, Admin]] = {
    "ready": "ready",
    "drain": "drain",
    "maint": "maintenance",
}
STATE_WORDS: Final = {"up": True, "down": False, "stopped": False, "fail": False, "failed": False}

MAX_PERCENT: Final = 1000
MAX_MAXCONN: Final = 1_000_000
"""Far above any honest figure: what is above is a mistake, and ignored like one."""


@attrs.frozen
class Words:
    """What one line says; None where it says nothing."""

    up: bool | None = None
    admin: Admin | None = None
    percent: int | None = None
    """Of the configured weight."""
    maxconn: int | None = None
    remark: str = ""
    unknown: tuple[str, ...] = ()
    """Words that mean nothing to us, as they came."""


def parse(line: bytes) -> Words:
    """One line, without or with its end. The last word of a kind counts; never raises."""
    text = line.decode("ascii", "backslashreplace")
    said, _, remark = text.partition("#")
    found = Words(remark=remark.strip())
    for word in re.split(r"[\s,]+", said):
        if word:
            found = _hear(found, word)
    return found


def _hear(found: Words, word: str) -> Words:
    folded = word.lower()
    if folded in STATE_WORDS:
        return attrs.evolve(found, up=STATE_WORDS[folded])
    if folded in ADMIN_WORDS:
        return attrs.evolve(found, admin=ADMIN_WORDS[folded])
    percent = _figure(folded, r"([0-9]{1,4})%", MAX_PERCENT)
    if percent is not None:
        return attrs.evolve(found, percent=percent)
    maxconn = _figure(folded, r"maxconn:([0-9]{1,7})", MAX_MAXCONN)
    if maxconn is not None:
        return attrs.evolve(found, maxconn=maxconn)
    return attrs.evolve(found, unknown=(*found.unknown, word))


def _figure(word: str, pattern: str, most: int) -> int | None:
    match = re.fullmatch(pattern, word)
    if match is None or int(match[1]) > most:
        return None
    return int(match[1])


@attrs.define
class Agent:
    """Lets one server's agent change the server's standing, within what the operator decided.

    An agent undoes only its own `drain` and `maint`, never an operator's.
    """

    weight: int
    """As configured: what a percentage is of."""
    admin: Admin = "ready"
    """What the agent itself last brought about."""

    def said(self, server: Server, words: Words) -> list[tuple[str, str]]:
        """Change `server` as the words say. What changed, each as (state, reason)."""
        reason = f"agent: {words.remark}" if words.remark else "agent"
        changes: list[tuple[str, str]] = []
        if words.admin is not None and self._may_turn(server, words.admin):
            server.admin = self.admin = words.admin
            changes.append((words.admin, reason))
        weight = server.weight if words.percent is None else self._part(words.percent)
        if weight != server.weight:
            server.weight = weight
            changes.append(("weight", f"{reason}, now {weight}"))
        if words.maxconn not in (None, server.maxconn):
            server.maxconn = words.maxconn
            changes.append(("maxconn", f"{reason}, now {words.maxconn}"))
        return changes

    def _may_turn(self, server: Server, admin: Admin) -> bool:
        return server.admin in ("ready", self.admin) and server.admin != admin

    def _part(self, percent: int) -> int:
        """A percentage of the configured weight; only 0 % makes nothing of it."""
        return max(1, self.weight * percent // 100) if percent else 0
