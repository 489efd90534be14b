"""Where a client's last session was, as a hint for its next. Sans-I/O.

A hint is never membership: a server that cannot take the session is passed by, and the hint then
points to where the session went. Capped: the oldest hints go first.
"""

from __future__ import annotations

from .terms import Server

CAPACITY = 100_000
"""Hints kept; about 200 bytes each."""


class Hints:
    """Text that stands for a client → the server of its last session, for a while."""

    def __init__(self, lifetime: float, capacity: int = CAPACITY) -> None:
        self.followed = 0
        """Sessions that went to the server of their client's last one, ever."""
        self.passed_by = 0
        """Those that went to another one, because that one could not take them."""
        self._lifetime = lifetime
        self._capacity = capacity
        self._last: dict[str, tuple[Server, float]] = {}

    def __len__(self) -> int:
        return len(self._last)

    def find(self, client: str, now: float) -> Server | None:
        """The server of the client's last session, if that is not too long ago."""
        server, until = self._last.get(client, (None, 0.0))
        return server if now < until else None

    def remember(self, client: str, server: Server, now: float) -> None:
        """The client's session is on this server."""
        last = self.find(client, now)
        if last is not None:
            self.followed += last is server
            self.passed_by += last is not server
        self._last.pop(client, None)
        while len(self._last) >= self._capacity:
            del self._last[next(iter(self._last))]
        self._last[client] = (server, now + self._lifetime)
