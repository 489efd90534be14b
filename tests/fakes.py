"""Fakes that crash on unexpected use: a transport to hold in the hand, Ends on it, and a reactor
whose network is played by the test."""

from __future__ import annotations

import errno
from itertools import count
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import (
    CannotListenError,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
)
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from twisted_lb.ends import End, line


def tcp(host: str, port: int) -> IAddress:
    """Twisted's address of either family."""
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, port)


class WireTransport(StringTransport):
    """A transport that notes how it was ended: `finish`, `close` or `abort`, in order."""

    bufferSize = 65_536  # as Twisted's transports come

    def __init__(self, peer: str = "192.0.2.7", host: str = "192.0.2.1") -> None:
        super().__init__(hostAddress=tcp(host, 3000), peerAddress=tcp(peer, 50000))
        self.endings: list[str] = []
        self.gone = False

    def getHandle(self) -> object:
        return None

    def loseWriteConnection(self) -> None:
        assert not self.gone, "a reactor refuses the descriptor of a connection that is gone"
        assert self.producer is None, "a half-close waits for ever while a producer is registered"
        self.endings.append("finish")

    def loseConnection(self) -> None:
        self.endings.append("close")

    def abortConnection(self) -> None:
        self.endings.append("abort")


class Wire:
    """One End and the world behind it; `protocol` is one that somebody built for it, if any."""

    def __init__(
        self, cap: int = 65_536, protocol: Protocol | None = None, **addresses: str
    ) -> None:
        self.transport = WireTransport(**addresses)
        made: list[End] = []
        self.protocol = protocol or line(made.append, cap)
        self.protocol.makeConnection(self.transport)
        self.end: End = made[0] if made else self.protocol.end

    def says(self, data: bytes) -> None:
        """The peer sends, and is read."""
        assert self.transport.producerState == "producing", "nobody reads this"
        self.protocol.dataReceived(data)

    def shuts(self) -> None:
        """The peer sends nothing more."""
        self.protocol.readConnectionLost()

    def goes(self, clean: bool = True) -> None:
        """The connection is gone."""
        self.transport.gone = True
        why = ConnectionDone() if clean else ConnectionLost()
        self.protocol.connectionLost(Failure(why))

    @property
    def heard(self) -> bytes:
        """What the peer was sent so far."""
        return self.transport.value()

    @property
    def endings(self) -> list[str]:
        """How our side was ended."""
        return self.transport.endings


class Ears:
    """A receiver that writes down what it is given."""

    def __init__(self) -> None:
        self.log: list[object] = []

    def data(self, data: bytes) -> None:
        self.log.append(data)

    def eof(self) -> None:
        self.log.append("eof")

    def lost(self, clean: bool) -> None:
        self.log.append("lost" if clean else "reset")


class Dialled:
    """One connection that the code under test opens; the test plays the other side."""

    def __init__(
        self, world: World, host: str, port: int, factory: Any, timeout: float, bind: Any
    ) -> None:
        self.host, self.port, self.timeout = host, port, timeout
        self.source = bind[0] if bind else ""
        self._world = world
        self._given_up = False
        self._factory = factory

    @property
    def given_up(self) -> bool:
        """Whether it is given up once this turn of the reactor is over."""
        self._world.advance(0)
        return self._given_up

    def answers(self) -> Wire:
        """It is taken: the wire between."""
        assert not self._given_up, "nobody waits for this answer"
        protocol = self._factory.buildProtocol(tcp(self.host, self.port))
        return Wire(protocol=protocol, peer=self.host, host=self.source or "192.0.2.1")

    def refuses(self, why: Exception | None = None) -> None:
        """It is not taken."""
        why = why or ConnectionRefusedError(111, "Connection refused")
        self._factory.clientConnectionFailed(self, Failure(why))

    # IConnector

    def disconnect(self) -> None:
        self._given_up = True


class Listening:
    """One listener of the code under test."""

    def __init__(self, world: World, host: str, port: int, factory: Any, backlog: int) -> None:
        self.host, self.port, self.factory, self.backlog = host, port, factory, backlog
        self._world = world
        self.accepts = True
        self.single = False

    @property
    def open(self) -> bool:
        return self in self._world.listeners

    def comes(self, peer: str, from_port: int = 50_000) -> Wire | None:
        """Somebody connects; None when turned away."""
        assert self.accepts, "this one waits in the kernel's queue"
        protocol = self.factory.buildProtocol(tcp(peer, from_port))
        if protocol is None:
            return None
        return Wire(protocol=protocol, peer=peer, host=self.host or "192.0.2.1")

    # IListeningPort

    def getHost(self) -> IAddress:
        return tcp(self.host or "0.0.0.0", self.port)

    def stopListening(self) -> None:
        self._world.listeners.remove(self)

    def see_others(self) -> None:
        pass

    def one_by_one(self) -> None:
        self.single = True

    def stopReading(self) -> None:
        self.accepts = False

    def startReading(self) -> None:
        self.accepts = True


class World(MemoryReactorClock):
    """A reactor whose network is played by the test: who is dialled, who comes, which ports are
    taken by others."""

    def __init__(self) -> None:
        super().__init__()
        self.dialled: list[Dialled] = []
        self.listeners: list[Listening] = []
        self.taken: set[int] = set()
        self._ephemeral = count(30_000)

    def connectTCP(
        self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None
    ) -> Dialled:
        self.dialled.append(Dialled(self, host, port, factory, timeout, bindAddress))
        return self.dialled[-1]

    def listenTCP(
        self, port: int, factory: Any, backlog: int = 50, interface: str = ""
    ) -> Listening:
        ours = {(each.host, each.port) for each in self.listeners}
        if port in self.taken or (interface, port) in ours:
            why = OSError(errno.EADDRINUSE, "Address already in use")
            raise CannotListenError(interface, port, why)
        port = port or next(self._ephemeral)
        self.listeners.append(Listening(self, interface, port, factory, backlog))
        return self.listeners[-1]
