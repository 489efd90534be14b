"""Listens for clients and lets in those who may connect: out come Ends.

Refused before anything is read: sources that are not allowed, and connections beyond the
frontend's maxconn. A PROXY header, where one is required, is read by `proxy_header`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, ServerFactory

from .config.settings import Frontend, Network
from .ends import End, Tuning, address, line
from .errors import Ended, WireError
from .terms import MORE, Address, Ending
from .wire.address import ip
from .wire.proxyheader import Header, parse


@attrs.frozen
class Door:
    """Who may connect to a frontend."""

    frontend: Frontend

    def refuses(self, peer: Address, connected: int) -> Ending | None:
        """The word to refuse this peer with; None: it may come in."""
        rule = self.frontend
        if not peer.host:
            return None  # a unix socket: its permissions decide
        outside = rule.proxy.trusted and not _within(peer.host, rule.proxy.trusted)
        unlisted = rule.allow and not _within(peer.host, rule.allow)
        if outside or unlisted or _within(peer.host, rule.deny):
            return "refused-source"
        return "full" if connected >= rule.maxconn else None


def _within(host: str, networks: Sequence[Network]) -> bool:
    came = ip(host)
    return any(came.version == network.version and came in network for network in networks)


class Entrance(ServerFactory):
    """The Twisted factory of a frontend's listeners.

    `enter(end)` is called for every client that may come in, `turned_away(peer, word)` for the
    others. Whoever entered counts against maxconn until `leave`.
    """

    noisy = False

    def __init__(
        self,
        frontend: Frontend,
        hold: int,
        enter: Callable[[End], None],
        turned_away: Callable[[Address, Ending], None],
    ) -> None:
        self.connected = 0
        self._door = Door(frontend)
        self._hold = hold
        self._enter = enter
        self._turned_away = turned_away
        self._tuning = Tuning(frontend.keepalive, frontend.user_timeout)

    def leave(self) -> None:
        """One who entered is gone."""
        self.connected -= 1

    # IFactory

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        assert addr is not None, "an accepted connection has an address"
        peer = address(addr)
        word = self._door.refuses(peer, self.connected)
        if word is not None:
            self._turned_away(peer, word)
            return None
        self.connected += 1
        return line(self._entered, self._hold)

    def _entered(self, end: End) -> None:
        self._tuning.apply(end)
        self._enter(end)


async def proxy_header(end: End) -> Header:
    """Read and consume the PROXY header at the start of an End; what follows stays held.

    Raises Ended("wire-error") for anything else, Ended("client-left") when none comes.
    """
    while True:
        try:
            verdict = parse(bytes(end.held))
        except WireError as error:
            raise Ended("wire-error", f"PROXY header: {error}") from error
        if verdict is not MORE:
            header, length = verdict
            end.consume(length)
            return header
        if end.eof or end.lost:
            raise Ended("client-left", "before its PROXY header")
        await end.more()
