"""Ends what is left on a server that drains when its time is over.

In: a server that takes no new sessions from now on, or does again. Out: the word to evict it.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from .terms import Server


class Drains:
    """The deadlines of servers that drain. `evict(server)` is called when one has come."""

    def __init__(self, clock: IReactorTime, evict: Callable[[Server], None]) -> None:
        self._clock = clock
        self._evict = evict
        self._deadlines: dict[Server, IDelayedCall] = {}

    def begin(self, server: Server, seconds: float | None) -> None:
        """It drains, for so long at the most; None: for as long as its sessions like.

        One that drains already keeps its deadline.
        """
        if seconds is not None and server not in self._deadlines:
            self._deadlines[server] = self._clock.callLater(seconds, self._due, server)

    def forget(self, server: Server) -> None:
        """It takes new sessions again."""
        deadline = self._deadlines.pop(server, None)
        if deadline is not None:
            deadline.cancel()

    def stop(self) -> None:
        """No timer is left behind."""
        for server in list(self._deadlines):
            self.forget(server)

    def _due(self, server: Server) -> None:
        del self._deadlines[server]
        self._evict(server)
