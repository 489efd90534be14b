"""What became of each server lately, for who looks: facts in, the last changes and checks out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import attrs

from ..facts import (
    Checked,
    ConnectionEnded,
    Fact,
    ServerChanged,
    SessionEnded,
    TransferEnded,
)

CHANGES: Final = 50
"""Changes of one server that are remembered: some hundred bytes each."""
CHECKS: Final = 60
"""Checks of one server, for a line that people look at."""


@attrs.frozen
class Change:
    """A server began to stand otherwise."""

    time: float
    """Seconds since 1970."""
    state: str
    reason: str


@attrs.define
class Memory:
    """Of one server."""

    changes: deque[Change] = attrs.field(factory=lambda: deque(maxlen=CHANGES))
    checks: deque[tuple[bool, float]] = attrs.field(factory=lambda: deque(maxlen=CHECKS))
    """Whether it was good, and the seconds that it took; the latest last."""
    checked: float | None = None
    """When the latest was, in seconds since 1970."""
    sessions: int = 0
    """That have ended."""
    bytes: int = 0
    """That connections and transfers have moved which have ended."""
    expires: float | None = None
    """When its certificate ends, as the checks have seen it."""


class Past:
    """The observer that remembers. `wall` tells seconds since 1970."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._memories: dict[str, Memory] = {}

    def __call__(self, fact: Fact) -> None:
        """Remember it; who is not a server's is passed by."""
        match fact:
            case SessionEnded() if fact.server:
                self._known(fact.server).sessions += 1
            case ConnectionEnded() if fact.server:
                self._known(fact.server).bytes += fact.from_client + fact.from_server
            case TransferEnded() if fact.server:
                self._known(fact.server).bytes += fact.bytes
            case ServerChanged(server, "removed", _):
                self._memories.pop(server, None)
            case ServerChanged(server, state, reason):
                self._known(server).changes.append(Change(self._wall(), state, reason))
            case Checked(server, ok, seconds, expires):
                memory = self._known(server)
                memory.checks.append((ok, seconds))
                memory.checked = self._wall()
                memory.expires = expires if expires is not None else memory.expires

    def of(self, server: object) -> Memory:
        """What is remembered of this one, `backend/name`."""
        return self._memories.get(str(server)) or Memory()

    def _known(self, server: str) -> Memory:
        return self._memories.setdefault(server, Memory())
