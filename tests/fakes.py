"""Fakes that crash on unexpected use: a transport to hold in the hand, and Ends on it."""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from twisted_lb.ends import End, line


class WireTransport(StringTransport):
    """A transport that notes how it was ended: `finish`, `close` or `abort`, in order."""

    def __init__(self, peer: str = "192.0.2.7", host: str = "192.0.2.1") -> None:
        super().__init__(
            hostAddress=IPv4Address("TCP", host, 3000), peerAddress=IPv4Address("TCP", peer, 50000)
        )
        self.endings: list[str] = []

    def getHandle(self) -> object:
        return None

    def loseWriteConnection(self) -> None:
        assert self.producer is None, "a half-close waits for ever while a producer is registered"
        self.endings.append("finish")

    def loseConnection(self) -> None:
        self.endings.append("close")

    def abortConnection(self) -> None:
        self.endings.append("abort")


class Wire:
    """One End and the world behind it."""

    def __init__(self, cap: int = 65_536, **addresses: str) -> None:
        self.transport = WireTransport(**addresses)
        made: list[End] = []
        self.protocol = line(made.append, cap)
        self.protocol.makeConnection(self.transport)
        [self.end] = made

    def says(self, data: bytes) -> None:
        """The peer sends."""
        self.protocol.dataReceived(data)

    def shuts(self) -> None:
        """The peer sends nothing more."""
        self.protocol.readConnectionLost()

    def goes(self, clean: bool = True) -> None:
        """The connection is gone."""
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
