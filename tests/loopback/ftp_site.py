"""FTP on a site: clients and servers that a test leads, an FTP frontend between them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol
from twisted.internet.task import deferLater
from twisted.internet.tcp import _reservedFD

from tests.loopback.ftp_talks import Data, Served, Visitor
from tests.loopback.site import LIMITS, Host, Site, Talk, backend, listen_alike, or_reset
from twisted_lb.config.settings import Frontend, FtpRules, Group, RoleRule, Settings
from twisted_lb.protocols.actions import Side
from twisted_lb.session import Session
from twisted_lb.sockets import SocketReactor
from twisted_lb.spoken import Ftp
from twisted_lb.terms import Address

PASSIVE_PORTS = (20_000, 24_999)
"""Below the ports that the system gives out."""


class Listening(Host):
    """Waits for one data connection."""

    def __init__(self, host: str, protocol: Callable[[], Talk], port: int) -> None:
        super().__init__(host, protocol)
        self.port = reactor.listenTCP(port, self, interface=host)
        self.address = Address(host, self.port.getHost().port)

    def buildProtocol(self, addr: Any) -> Talk:
        self.shuts()
        return super().buildProtocol(addr)

    def shuts(self) -> None:
        """Whoever comes now is refused."""
        if self.port is not None:
            self.port.stopListening()
            self.port = None


@attrs.frozen
class Standing:
    """What sessions may not leave behind."""

    descriptors: int
    readers: int
    sessions: int
    ports: tuple[int, ...]
    connections: int


class FtpSite(Site):
    """A site with an FTP frontend."""

    spoken: Ftp | None = None

    async def stop(self) -> None:
        await super().stop()
        await deferLater(reactor, 0)  # a connect that was cancelled has a step left

    # -- servers ------------------------------------------------------------------------------

    def serve_ftp(self, *addresses: str, kind: type[Served] = Served) -> int:
        """Start a server that tests lead at each address; returns the port they share."""
        return self.serve_each(dict.fromkeys(addresses, kind))

    def serve_each(self, kinds: dict[str, type[Served]]) -> int:
        """The same, each of another kind."""
        new = [Host(address, partial(kind, self)) for address, kind in kinds.items()]
        self.hosts += new
        return listen_alike(new)

    def listens(self, host: str, kind: type[Talk] = Data, port: int = 0) -> Listening:
        """Listen for one data connection at this address."""
        listening = Listening(host, kind, port)
        self.hosts.append(listening)
        return listening

    # -- clients ------------------------------------------------------------------------------

    def connect(self, at: Address, source: str = "", talk: Any = None) -> Deferred[Any]:
        """Connect from this source: IPv4 or IPv6."""
        talk = talk or Talk()
        self.clients.append(talk)
        endpoint = TCP6ClientEndpoint if ":" in at.host else TCP4ClientEndpoint
        bind = (source, 0) if source else None
        to = endpoint(reactor, at.host, at.port, bindAddress=bind)
        return or_reset(connectProtocol(to, talk), talk)

    async def visit(self, source: str = "127.0.0.1") -> Visitor:
        """A client that has connected."""
        at = self.balancer.address("ftp")
        visitor: Visitor = await self.connect(at, "" if ":" in at.host else source, Visitor(self))
        return visitor

    async def session(self, source: str = "127.0.0.1") -> tuple[Visitor, Any]:
        """A client that has logged in, and its server's end."""
        before = {talk for host in self.hosts for talk in host.talks}
        visitor = await self.visit(source)
        await visitor.login()
        self.watch()
        [served] = {talk for host in self.hosts for talk in host.talks} - before
        return visitor, served

    # -- what is seen -------------------------------------------------------------------------

    @property
    def sessions(self) -> list[Session]:
        return list(self.balancer.claims.sessions)

    def watch(self) -> None:
        """A client is there: note where data ports are drawn from."""
        self.spoken = next(iter(self.balancer.stories)).parts.spoken  # type: ignore[assignment]

    async def rests_at(self, before: Standing) -> None:
        """All that has come since has gone again."""
        try:
            await self.until(lambda: self.standing() == before)
        except AssertionError:
            raise AssertionError(f"{self.standing()} instead of {before}") from None

    async def has_heard(self, side: Side, count: int) -> None:
        """The balancer has read so many bytes of the only session's control connection."""
        [story] = self.balancer.stories
        conversation: Any = story.seat.on_stop.__self__
        await self.until(lambda: conversation.count[side] == count)

    def standing(self) -> Standing:
        """How much stands now; what is kept for who may come is nobody's, and Twisted
        keeps a descriptor from its first accept on."""
        _reservedFD.reserve()
        if isinstance(self.balancer.listeners.reactor, SocketReactor):
            self.balancer.listeners.reactor.loop.forget()
        ports = self.spoken.ports if self.spoken is not None else {}
        return Standing(
            descriptors=len(os.listdir("/proc/self/fd")),
            readers=len(reactor.getReaders()),
            sessions=len(self.sessions),
            ports=tuple(ports[side].used for side in Side) if ports else (0, 0),
            connections=sum(server.connections for server in self.balancer.servers),
        )

    def of(self, kind: type) -> list[Any]:
        """The facts of this kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]


def ftp(port: int, *addresses: str, listen: str = "127.0.0.1", **changed: Any) -> Settings:
    """An FTP frontend before these servers.

    `backend`, `group` and `frontend` change those settings, everything else the rules of FTP.
    """
    frontend, group = changed.pop("frontend", {}), changed.pop("group", {})
    servers = backend("back", *addresses, **changed.pop("backend", {}))
    rules = FtpRules(**{"passive_ports": PASSIVE_PORTS, "data_timeout": 5.0, **changed})
    roles = {"control": RoleRule(True, port), "data": RoleRule()}
    own = {"key": ("connection",), "linger": 0.0, "roles": roles, "grace": rules.grace, **group}
    return Settings(
        frontends=(
            Frontend(
                "ftp", (Address(listen, 0),), "", "ftp", "ftp", "control", ftp=rules, **frontend
            ),
        ),
        groups={"ftp": Group("ftp", "back", **own)},
        backends={"back": servers},
        limits=LIMITS,
    )
