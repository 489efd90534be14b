"""Looks server names up again and again, and keeps the last good answer.

In: servers whose host is a name. Out: their `addresses`, and a fact when those change. An answer
that is empty, fails or never comes changes nothing (attack 24).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from ipaddress import ip_address
from typing import Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IAddress, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from ..facts import Note, ServerChanged
from ..reactors import Reactor
from ..terms import Server
from .rounds import Rounds

FLOOR: Final = 1.0
"""Seconds between two lookups of one name at least, whatever is configured; also how soon a name
that never had an answer is asked for again."""

DEADLINE: Final = 30.0
"""Seconds to wait for an answer; longer than a resolver of the system takes to give up."""

MOST: Final = 16
"""Addresses kept of one answer."""


def is_literal(host: str) -> bool:
    """Whether the host is an address already: never looked up."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def addresses_of(server: Server) -> tuple[str, ...]:
    """The addresses to dial, in order; none for a name that never had an answer."""
    return server.addresses or ((server.host,) if is_literal(server.host) else ())


class Names(Rounds):
    """Keeps the addresses of servers, each looked up every so many seconds."""

    def __init__(
        self, reactor: Reactor, servers: Iterable[tuple[Server, float]], note: Note
    ) -> None:
        super().__init__(reactor)
        self._reactor = reactor
        self._note = note
        self._unanswered: set[Server] = set()
        for server, period in servers:
            if not is_literal(server.host):
                self.add(partial(self._turn_of, server, max(FLOOR, period)), 0.0)

    async def _turn_of(self, server: Server, period: float) -> float:
        found = await look_up(self._reactor, server.host)
        if found:
            self._learn(server, found)
        elif server not in self._unanswered:
            self._unanswered.add(server)
            last = f"kept {', '.join(server.addresses)}" if server.addresses else "none known"
            self._note(ServerChanged(str(server), "unresolved", f"{server.host}: {last}"))
        return period if server.addresses else FLOOR

    def _learn(self, server: Server, found: tuple[str, ...]) -> None:
        """Take the answer. The same addresses in another order are no change: nobody moves."""
        answered_again = server in self._unanswered
        self._unanswered.discard(server)
        if set(found) != set(server.addresses):
            was = ", ".join(server.addresses) or "unknown"
            server.addresses = found
            reason = f"{server.host}: {', '.join(found)}, was {was}"
            self._note(ServerChanged(str(server), "resolved", reason))
        elif answered_again:
            self._note(ServerChanged(str(server), "resolved", f"{server.host}: as before"))


async def look_up(reactor: Reactor, host: str) -> tuple[str, ...]:
    """The addresses of a name; none when there is no answer in time."""
    answer = _Answer()
    reactor.nameResolver.resolveHostName(answer, host)
    # A thread in getaddrinfo cannot be stopped: at the deadline it is only listened to no more.
    answer.complete.addTimeout(DEADLINE, reactor)
    try:
        return await answer.complete
    except TimeoutError:
        return ()


@implementer(IResolutionReceiver)
class _Answer:
    """Gathers the addresses of one lookup that could belong to a server."""

    def __init__(self) -> None:
        self.complete: Deferred[tuple[str, ...]] = Deferred()
        self._found: dict[str, None] = {}

    # IResolutionReceiver

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Nothing to do: an answer may come at once or late."""

    def addressResolved(self, address: IAddress) -> None:
        if isinstance(address, (IPv4Address, IPv6Address)) and len(self._found) < MOST:
            parsed = ip_address(address.host)
            if not (parsed.is_unspecified or parsed.is_multicast):
                self._found[address.host] = None

    def resolutionComplete(self) -> None:
        self.complete.callback(tuple(self._found))
