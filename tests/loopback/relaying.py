"""Where the behaviour of a relay is tried: a whole balancer, plain sockets on both sides of it.

WAYS are the ways of moving bytes; every behaviour is had by each of them, on every Place.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from random import Random
from typing import Any

import attrs

from tests.loopback.parties import Listener, Party, connects
from tests.loopback.readiness import PATIENCE
from tests.loopback.site import Site
from tests.loopback.streams import stands_still
from tests.loopback.test_opaque import one_frontend
from twisted_lb.config.settings import BackendTimeout, Settings
from twisted_lb.facts import ConnectionEnded
from twisted_lb.terms import Address

WAYS = ("transports", "splice")
SEED = 6


def relayed_by(way: str, settings: Settings) -> Settings:
    """These settings, with this way of moving bytes."""
    return attrs.evolve(settings, relay=way)


@attrs.frozen
class Place:
    """Where clients and servers are, seen from the balancer, and what is between."""

    front: str = "127.0.0.1"
    server: str = "127.0.0.2"
    in_client: Callable[[], AbstractContextManager[None]] = nullcontext
    """Sockets that are made within it are the client's."""
    in_servers: Callable[[], AbstractContextManager[None]] = nullcontext
    share: float = 1.0
    """How much of what is moved over the loopback is moved here: it is slower."""
    pace: float = 1.0
    """How many of the questions that are asked over the loopback are asked here."""
    idle: float = 0.8
    """Seconds of silence that end a session, where a test is of that."""
    still: int = 40
    """For how many turns nothing may move that is to be stuck."""


class Ground:
    """A balancer by one way of moving bytes, a server behind it, and all who talk."""

    def __init__(self, site: Site, way: str, place: Place) -> None:
        print(f"seed {SEED}")
        self.site = site
        self.place = place
        self.random = Random(SEED)
        self._way = way
        self._parties: list[Party] = []
        self._listener: Listener

    def start(self, **group: Any) -> None:
        """A server that listens, and a frontend before it whose group has these rules."""
        with self.place.in_servers():
            self._listener = Listener(socket.create_server((self.place.server, 0), backlog=512))
        port = self._listener.sock.getsockname()[1]
        self.site.start(relayed_by(self._way, self.settings(port, **group)))

    def settings(self, port: int, **group: Any) -> Settings:
        """One frontend, before this port of the server."""
        settings = one_frontend(port, self.place.server, **group)
        listen, patient = (Address(self.place.front, 0),), BackendTimeout(connect=PATIENCE)
        return attrs.evolve(
            settings,
            frontends=(attrs.evolve(settings.frontends[0], listen=listen),),
            backends={"back": attrs.evolve(settings.backends["back"], timeout=patient)},
        )

    async def pair(self) -> tuple[Party, Party]:
        """A client that has connected, and what its server has of it."""
        client = await self.comes()
        return client, await self.accepts()

    async def comes(self) -> Party:
        """A client that has connected."""
        at = self.site.balancer.address("in")
        with self.place.in_client():
            sock = socket.socket()
        client = await connects(sock, (at.host, at.port))
        self._parties.append(client)
        return client

    async def accepts(self) -> Party:
        """The next connection that has reached the server."""
        server = await self._listener.accepts()
        self._parties.append(server)
        return server

    # -- what is said -------------------------------------------------------------------------

    def size(self, full: int) -> int:
        """So much as this place moves in the time in which the loopback moves `full`."""
        return max(1, int(full * self.place.share))

    def times(self, full: int) -> int:
        """So many times here what is done `full` times over the loopback."""
        return max(3, int(full * self.place.pace))

    def text(self, full: int) -> bytes:
        """Bytes without any order, so much as fits this place."""
        return self.random.randbytes(self.size(full))

    # -- how it ends --------------------------------------------------------------------------

    @property
    def ended(self) -> list[ConnectionEnded]:
        return [fact for fact in self.site.facts if isinstance(fact, ConnectionEnded)]

    async def ends(self, count: int = 1) -> ConnectionEnded:
        """Wait until so many connections have ended; the last of them."""
        await self.site.until(lambda: len(self.ended) >= count)
        return self.ended[-1]

    async def stands_still(self, count: Callable[[], int]) -> None:
        """Wait until `count()` has not changed for a while."""
        await stands_still(count, self.place.still)

    async def rests(self) -> None:
        """Wait until the balancer has let go of everybody."""
        await self.site.until(lambda: not self.site.balancer.stories)

    async def stop(self) -> None:
        for party in self._parties:
            if party.sock.fileno() >= 0:
                party.resets()
        if hasattr(self, "_listener"):
            self._listener.closes()
        await self.site.stop()


def same(heard: bytes, said: bytes) -> None:
    """Every byte has come once, in order. Tells where it is not so, not all of it."""
    if heard == said:
        return
    at = next((i for i, (a, b) in enumerate(zip(heard, said, strict=False)) if a != b), None)
    at = min(len(heard), len(said)) if at is None else at
    raise AssertionError(f"{len(heard)} bytes came of {len(said)}; they differ from {at} on")
