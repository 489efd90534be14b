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

    `choose(n)` is chance; `highest` the number that a client's descriptor may have at most. Where a
    PROXY header is required whoever connects must be trusted, and lists and limits are for whom the
    header names.
    """

    def __init__(self, frontend: Frontend, choose: Callable[[int], int], highest: int) -> None:
        self.frontend = frontend
        self.tuning = Tuning(frontend.keepalive, frontend.user_timeout)
        self.connected = 0
        self._highest = highest
        self._choose = choose
        self._admission = Admission(frontend.startups, choose)
        self._on_their_way: dict[object, tuple[Admission, Address]] = {}
        """Who was admitted, by what, and is not joined yet."""

    def ruled_by(self, frontend: Frontend) -> None:
        """From now on these rules count, also for how many are inside already."""
        if frontend.startups != self.frontend.startups:
            self._admission = Admission(frontend.startups, self._choose)
        self.frontend = frontend
        self.tuning = Tuning(frontend.keepalive, frontend.user_timeout)

    @property
    def _proxied(self) -> bool:
        return self.frontend.proxy.mode == "required"

    def refuses(self, peer: Address) -> Ending | None:
        """The word to refuse this peer with; None: it may come in."""
        rule = self.frontend
        if peer.host:  # else a unix socket: its permissions decide
            outside = rule.proxy.trusted and not _within(peer.host, rule.proxy.trusted)
            if outside or not (self._proxied or self._listed(peer)):
                return "refused-source"
        room = self._proxied or self._admission.admits(peer)
        return None if room and self.connected < rule.maxconn else "full"

    def _listed(self, peer: Address) -> bool:
        rule = self.frontend
        allowed = not rule.allow or _within(peer.host, rule.allow)
        return allowed and not (rule.deny and _within(peer.host, rule.deny))

    def affords(self, handle: object) -> bool:
        """Whether there are descriptors enough to serve the client of this transport's handle."""
        return not isinstance(handle, socket.socket) or handle.fileno() <= self._highest

    def entered(self, end: object, peer: Address) -> None:
        """This one came in."""
        self.connected += 1
        if not self._proxied:
            self._begin(end, peer)

    def introduced(self, end: object, client: Address) -> None:
        """A PROXY header names who has come in, or no one and it is the peer itself.

        Raises Ended: refused-source, full.
        """
        if client.host and not self._listed(client):
            raise Ended("refused-source", "named by a PROXY header")
        if not self._admission.admits(client):
            raise Ended("full", "too many of one network, named by PROXY headers")
        self._begin(end, client)

    def _begin(self, end: object, client: Address) -> None:
        if self.frontend.startups is not None:
            self._on_their_way[end] = self._admission, client
            self._admission.begun(client)

    def settled(self, end: object) -> None:
        """One who came in is joined to a server, or refused after all."""
        admitted = self._on_their_way.pop(end, None)
        if admitted is not None:
            admission, client = admitted
            admission.settled(client)

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
        if not self._door.affords(end.transport.getHandle()):
            end.abort()
            self._turned_away(end.peer, "full")
            return
        self._door.tuning.apply(end)
        self._door.entered(end, end.peer)
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
