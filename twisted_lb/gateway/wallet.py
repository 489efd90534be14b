"""The tokens of one local port: asked for when needed, kept while they are good.

In: a source of tokens. Out: tickets, one for each session at once. A terminal that comes back
within the token's life is given a session of the same token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import DeferredLock

from ..errors import Ended
from .passes import Pass, Ticket, Unusable, read_pass

Source = Callable[[], Awaitable[str]]
"""Gives a token as text. Raises Unusable."""


class Wallet:
    """`wall` tells seconds since 1970."""

    def __init__(self, source: Source, wall: Callable[[], float]) -> None:
        self._source = source
        self._wall = wall
        self._passes: list[Pass] = []
        self._lock = DeferredLock()
        """One is asked for at a time: the next may have room for all who wait."""

    async def take(self) -> Ticket:
        """A session that nobody uses. Raises Ended, in words for the user."""
        await self._lock.acquire()
        try:
            return self._at_hand() or await self._fetched()
        finally:
            self._lock.release()

    def give_back(self, ticket: Ticket) -> None:
        """Its session is over. Saying it twice does no harm."""
        for each in self._passes:
            if each.token == ticket.token:
                each.give_back(ticket)
        self._tidy()

    def forget(self, ticket: Ticket) -> None:
        """Its token is not taken, whatever it says of itself: the next one asks for another."""
        self._passes = [each for each in self._passes if each.token != ticket.token]

    def _at_hand(self) -> Ticket | None:
        self._tidy()
        for each in self._passes:
            if each.fresh(self._wall()) and (ticket := each.take()):
                return ticket
        return None

    async def _fetched(self) -> Ticket:
        try:
            fetched = read_pass(await self._source())
        except Unusable as why:
            raise Ended("no-route", f"no token: {why}") from None
        if not fetched.fresh(self._wall()):
            raise Ended("no-route", "no token: the one at hand has expired")
        if any(each.token == fetched.token for each in self._passes):
            raise Ended("key-full", "no token: every session of the one at hand is in use")
        self._passes.append(fetched)
        ticket = fetched.take()
        assert ticket is not None, "a fresh pass has a place"
        return ticket

    def _tidy(self) -> None:
        """Forget what is over and not in use."""
        wall = self._wall()
        self._passes = [each for each in self._passes if each.used or each.fresh(wall)]
