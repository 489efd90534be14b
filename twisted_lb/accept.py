"""Listens for clients and lets in those who may connect: out come Ends.

Refused before anything is read: sources that are not allowed, floods of one network, connections
beyond the frontend's maxconn, and what would take the last descriptors of the process. A PROXY
header, where one is required, is read by `proxy_header`.
"""

from __future__ import annotations

import resource
import socket
import sys
from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, ServerFactory

from .admission import Admission
from .config.settings import Frontend, Network
from .ends import End, Tuning, address, line
from .errors import Ended, WireError
from .terms import MORE, Address, Ending
from .wire.address import ip
from .wire.proxyheader import Header, parse

SPARE = 10
"""One descriptor of so many is kept from clients: for the servers and data channels of those who
are in, for checks and the log."""


def descriptors() -> int:
    """How high a client's descriptor may be numbered.

    The kernel gives the lowest number that is free: the number tells how many are in use.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    return limit - limit // SPARE


class Door:
    """Who may connect to a frontend, and how many.

    `choose(n)` is chance; `highest` the number that a client's descriptor may have at most.
    """

    def __init__(self, frontend: Frontend, choose: Callable[[int], int], highest: int) -> None:
        self.frontend = frontend
        self.connected = 0
        self._highest = highest
        startups = None if frontend.proxy.mode == "required" else frontend.startups
        self._admission = Admission(startups, choose)

    def refuses(self, peer: Address) -> Ending | None:
        """The word to refuse this peer with; None: it may come in."""
        rule = self.frontend
        if peer.host:  # else a unix socket: its permissions decide
            outside = rule.proxy.trusted and not _within(peer.host, rule.proxy.trusted)
            unlisted = rule.allow and not _within(peer.host, rule.allow)
            if outside or unlisted or _within(peer.host, rule.deny):
                return "refused-source"
        room = self.connected < rule.maxconn and self._admission.admits(peer)
        return None if room else "full"

    def affords(self, end: End) -> bool:
        """Whether there are descriptors enough to serve this client, too."""
        handle = end.transport.getHandle()
        return not isinstance(handle, socket.socket) or handle.fileno() <= self._highest

    def entered(self, peer: Address) -> None:
        """This peer came in."""
        self.connected += 1
        self._admission.begun(peer)

    def settled(self, peer: Address) -> None:
        """One who came in is joined to a server, or refused after all."""
        self._admission.settled(peer)

    def left(self) -> None:
        """One who came in is gone."""
        self.connected -= 1


def _within(host: str, networks: Sequence[Network]) -> bool:
    came = ip(host)
    return any(came.version == network.version and came in network for network in networks)


class Entrance(ServerFactory):
    """The Twisted factory of a frontend's listeners.

    `enter(end)` is called for every client that may come in, `turned_away(peer, word)` for the
    others. Whoever entered counts at the door until that is told otherwise.
    """

    noisy = False

    def __init__(
        self,
        door: Door,
        hold: int,
        enter: Callable[[End], None],
        turned_away: Callable[[Address, Ending], None],
    ) -> None:
        self._door = door
        self._hold = hold
        self._enter = enter
        self._turned_away = turned_away
        self._tuning = Tuning(door.frontend.keepalive, door.frontend.user_timeout)

    # IFactory

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        assert addr is not None, "an accepted connection has an address"
        peer = address(addr)
        word = self._door.refuses(peer)
        if word is not None:
            self._turned_away(peer, word)
            return None
        return line(self._stands, self._hold)

    def _stands(self, end: End) -> None:
        if not self._door.affords(end):
            end.abort()
            self._turned_away(end.peer, "full")
            return
        self._tuning.apply(end)
        self._door.entered(end.peer)
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
