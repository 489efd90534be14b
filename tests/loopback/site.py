"""A site to test on: servers and clients on real sockets of the loopback, a balancer between."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import CannotListenError, ConnectError
from twisted.internet.interfaces import IHalfCloseableProtocol, IListeningPort
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_lb.config.settings import Backend, BackendTimeout, Check, Limits, ServerRule, Settings
from twisted_lb.facts import Fact
from twisted_lb.service import Balancer, balancer
from twisted_lb.terms import Address

PATIENCE = 10.0
"""Seconds after which a test that waits has failed."""


@implementer(IHalfCloseableProtocol)
class Talk(Protocol):
    """One side of a conversation in a test: says, and waits for what it hears."""

    def __init__(self) -> None:
        self.heard = b""
        self.ended = ""
        """`eof`, then `closed` or `reset`."""
        self._waiting: list[tuple[Callable[[Talk], bool], Deferred[Talk]]] = []

    def says(self, data: bytes) -> None:
        self.transport.write(data)

    def shuts(self) -> None:
        self.transport.loseWriteConnection()

    def closes(self) -> None:
        self.transport.loseConnection()

    def resets(self) -> None:
        self.transport.abortConnection()

    def until(self, condition: Callable[[Talk], bool]) -> Deferred[Talk]:
        """Fires when the condition holds; fails when it does not come to hold in time."""
        waiting: Deferred[Talk] = Deferred()
        self._waiting.append((condition, waiting))
        self._look()
        return waiting.addTimeout(PATIENCE, reactor, self._too_late)

    def hears(self, data: bytes) -> Deferred[Talk]:
        """Fires when this was heard so far, exactly; a longer text fails at the deadline."""
        return self.until(lambda talk: talk.heard == data)

    def ends(self, how: str) -> Deferred[Talk]:
        return self.until(lambda talk: talk.ended == how)

    def gone(self) -> Deferred[Talk]:
        return self.until(lambda talk: talk.ended in ("closed", "reset"))

    def _too_late(self, *_: object) -> None:
        raise AssertionError(f"heard only {self.heard[-200:]!r}, ended {self.ended!r}")

    def _look(self) -> None:
        for entry in list(self._waiting):
            if entry[0](self):
                self._waiting.remove(entry)
                entry[1].callback(self)

    def dataReceived(self, data: bytes) -> None:
        self.heard += data
        self._look()

    def readConnectionLost(self) -> None:
        self.ended = "eof"
        self._look()

    def writeConnectionLost(self) -> None:
        pass

    def connectionLost(self, reason: Any) -> None:
        self.ended = "closed" if self.ended == "eof" or "Done" in str(reason.type) else "reset"
        self._look()


class Host(Factory):
    """A server: keeps every connection that it gets."""

    noisy = False

    def __init__(self, address: str, protocol: Callable[[], Talk] = Talk) -> None:
        self.host = address
        self.talks: list[Talk] = []
        self._make = protocol
        self._waiting: list[tuple[int, Deferred[Talk]]] = []
        self.port: IListeningPort | None = None

    def buildProtocol(self, addr: Any) -> Talk:
        talk = self._make()
        talk.peer = addr
        self.talks.append(talk)
        for number, waiting in list(self._waiting):
            if len(self.talks) >= number:
                self._waiting.remove((number, waiting))
                reactor.callLater(0, waiting.callback, self.talks[number - 1])
        return talk

    def talk(self, number: int = 1) -> Deferred[Talk]:
        """Fires with the n-th connection that came."""
        waiting: Deferred[Talk] = Deferred()
        if len(self.talks) >= number:
            waiting.callback(self.talks[number - 1])
        else:
            self._waiting.append((number, waiting))
        return waiting.addTimeout(PATIENCE, reactor)


def listen_alike(hosts: list[Host]) -> int:
    """Let all hosts listen on the same port number, each at its own address."""
    for _ in range(50):
        port = 0
        try:
            for host in hosts:
                host.port = reactor.listenTCP(port, host, interface=host.host)
                port = host.port.getHost().port
        except CannotListenError:
            for host in hosts:
                if host.port is not None:
                    host.port.stopListening()
            continue
        return port
    raise AssertionError("no port is free at every address")


class Site:
    """Everything that a test started, so that it can be ended again."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.hosts: list[Host] = []
        self.clients: list[Talk] = []
        self.balancer: Balancer

    def serve(self, *addresses: str, protocol: Callable[[], Talk] = Talk) -> int:
        """Start a server at each address; returns the port they share."""
        new = [Host(address, protocol) for address in addresses]
        self.hosts += new
        return listen_alike(new)

    def start(self, settings: Settings) -> Balancer:
        self.balancer = balancer(settings, reactor, self.facts.append)
        self.balancer.startService()
        return self.balancer

    def client(self, frontend: str, source: str = "127.0.0.1") -> Deferred[Talk]:
        """A client that has connected to this frontend."""
        at = self.balancer.address(frontend)
        return self.connect(at, source)

    def connect(
        self, at: Address, source: str = "127.0.0.1", talk: Talk | None = None
    ) -> Deferred[Talk]:
        talk = talk or Talk()
        self.clients.append(talk)
        endpoint = TCP4ClientEndpoint(reactor, at.host, at.port, bindAddress=(source, 0))
        return or_reset(connectProtocol(endpoint, talk), talk)

    async def tries(self, at: Address) -> Talk:
        """A client that may be turned away while it is still connecting."""
        try:
            await self.connect(at)
        except ConnectError:
            self.clients[-1].ended = "reset"
        return self.clients[-1]

    def endings(self, kind: type) -> list[str]:
        return [fact.ending for fact in self.facts if isinstance(fact, kind)]

    async def until(self, condition: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Wait for something that no connection tells of."""
        deadline = reactor.seconds() + patience
        while not condition():
            assert reactor.seconds() < deadline, "it did not happen in time"
            await deferLater(reactor, 0.002)

    async def stop(self) -> None:
        for client in self.clients:
            if client.transport is not None and client.ended not in ("closed", "reset"):
                client.resets()
        if hasattr(self, "balancer") and self.balancer.running:
            await self.balancer.stopService()
        await gatherResults([host.port.stopListening() for host in self.hosts if host.port])
        for host in self.hosts:
            for talk in host.talks:
                if talk.ended not in ("closed", "reset"):
                    talk.resets()
        everyone = [t for host in self.hosts for t in host.talks] + self.clients
        for talk in everyone:
            if talk.transport is not None:
                await talk.gone()
        strays = [fact for fact in self.facts if getattr(fact, "what", "") == "astray"]
        assert strays == [], "no channel is ever on another server than its session's"


def or_reset(coming: Deferred[Any], talk: Talk) -> Deferred[Any]:
    """The same; who is reset as soon as he has come may find out while he is still connecting."""

    def found_out(failure: Failure) -> Talk:
        failure.trap(ConnectError)
        if failure.value.osError != errno.ECONNRESET:
            failure.raiseException()
        talk.ended = "reset"
        return talk

    return coming.addErrback(found_out)


def backend(name: str, *addresses: str, **settings: Any) -> Backend:
    """A backend without checks whose servers are named a, b, c …"""
    servers = tuple(ServerRule("abcdefgh"[i], address) for i, address in enumerate(addresses))
    defaults: dict[str, Any] = {
        "check": Check(type="off"),
        "timeout": BackendTimeout(connect=2.0, queue=2.0),
    }
    return Backend(name, settings.pop("servers", servers), **{**defaults, **settings})


LIMITS = Limits(drain=0.0)
