"""A connection as a Twisted protocol sees it: a transport over a leg, told by the loop.

What is written is sent at once where the kernel takes it; the rest waits, and who fills us is
paused. Losses are told in a turn of their own, never within a call. `detach` takes the leg away:
whoever has it then moves the bytes himself.
"""

from __future__ import annotations

import socket
from typing import Any, Final, NamedTuple

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IPushProducer,
    ITCPTransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from .leg import Leg
from .loop import MAY_READ, MAY_WRITE, TO_THE_END, Loop, Watched

READS: Final = 4
"""Reads in one turn; then the others have theirs."""
READ_AT_ONCE: Final = 1 << 16
"""Bytes of one read, and how many may wait to be sent before who fills us is paused."""


class Detached(NamedTuple):
    """What a transport leaves to whoever moves the bytes from now on."""

    leg: Leg
    descriptor: int
    unsent: bytes
    """Was written, and is to be sent yet."""
    readable: bool
    """There may be more to read than was."""
    thorough: bool
    """And a short read may not be the last."""


@implementer(ITCPTransport, IPushProducer)
class SocketTransport:
    """One connection; its protocol is half-closeable."""

    __slots__ = (
        "_broken",
        "_closing",
        "_descriptor",
        "_finishing",
        "_leg",
        "_loop",
        "_owing",
        "_paused",
        "_peer",
        "_producer",
        "_protocol",
        "_readable",
        "_thorough",
        "_unsent",
        "bufferSize",
        "connected",
    )

    def __init__(
        self, loop: Loop, leg: Leg, protocol: Any, peer: IPv4Address | IPv6Address
    ) -> None:
        """`peer` is who is there: of one that has left already the kernel would not know."""
        self._peer = peer
        self.connected = True
        self.bufferSize = READ_AT_ONCE
        self._loop = loop
        self._leg = leg
        self._protocol = protocol
        self._unsent = b""
        self._producer: Any = None
        self._paused = False
        self._readable = False
        """There may be more to read than was."""
        self._thorough = False
        """A short read is not the last."""
        self._broken = False
        """The peer takes nothing more: it has reset the connection, or is gone."""
        self._closing = False
        """What is unsent is sent yet, then the connection is closed."""
        self._owing = False
        """The end of what we say is said, and could not be sent."""
        self._finishing = False
        """What is unsent is sent yet, then nothing more."""
        self._descriptor = -1

    def begin(self, registered: int | None = None) -> None:
        """Tell the protocol that it is connected, and then what comes. `registered`: the loop
        knows this descriptor already."""
        if registered is None:
            self._descriptor = self._loop.watch(self._leg.handle, self)
        else:
            self._descriptor = registered
            self._loop.hand(registered, self)
        try:
            self._protocol.makeConnection(self)
        except BaseException:
            self.vanish()
            raise

    # -- the leg ------------------------------------------------------------------------------

    @property
    def leg(self) -> Leg:
        """What the bytes go over."""
        return self._leg

    @property
    def waits(self) -> bool:
        """Whether something was written and is not sent yet."""
        return bool(self._unsent)

    @property
    def loop(self) -> Loop:
        """Who tells of it."""
        return self._loop

    def detach(self, watched: Watched) -> Detached:
        """Leave the leg to somebody else, who is told of it from now on. The protocol hears nothing
        more."""
        assert self.connected, "a connection that is gone has no leg"
        self.connected = False
        self._producer = None
        self._loop.hand(self._descriptor, watched)
        return Detached(self._leg, self._descriptor, self._unsent, self._readable, self._thorough)

    def lend(self, watched: Watched) -> None:
        """Somebody else is told of the socket, until it `goes_over` another leg."""
        self._loop.hand(self._descriptor, watched)

    def goes_over(self, leg: Leg) -> None:
        """From now on bytes go over this leg, on the same socket."""
        self._leg = leg
        self._loop.hand(self._descriptor, self)
        self._readable = True
        self._loop.soon(self._read)

    def vanish(self) -> None:
        """Close it; the protocol is told by somebody else."""
        if self.connected:
            self._producer = None
            self._end(self._leg.close)

    def sends_rest(self) -> bool:
        """Send what waits; whether nothing is left."""
        if self._unsent:
            self._flush()
        return not self._unsent

    # -- told by the loop ---------------------------------------------------------------------

    def ready(self, events: int) -> None:
        if events & MAY_WRITE and (self._unsent or self._owing):
            self._flush()
        if events & MAY_READ:
            self._readable = True
            if events & TO_THE_END:
                self._thorough = True
            self._read()

    def failed(self, failure: Failure) -> None:
        self.abortConnection()

    def _read(self) -> None:
        for _ in range(READS):
            if not self._may_read():
                return
            self._read_once()
        if self._may_read():
            self._loop.soon(self._read)

    def _may_read(self) -> bool:
        if self._paused and self._thorough and self.connected:
            self._look_for_errors()
        return self._readable and not self._paused and self.connected

    def _read_once(self) -> None:
        try:
            data = self._leg.recv(self.bufferSize)
        except BlockingIOError:
            self._readable = self._thorough = False
            return
        except OSError as why:
            self._lose(ConnectionLost(str(why)))
            return
        if not data:
            self._readable = False
            self._ends()
        else:
            if len(data) < self.bufferSize and not self._thorough:
                self._readable = self._leg.bare is None
            self._protocol.dataReceived(data)

    def _ends(self) -> None:
        if self._broken:
            self._lose(ConnectionLost("the peer takes nothing more"))
        elif not self._closing:
            IHalfCloseableProtocol(self._protocol).readConnectionLost()

    def _look_for_errors(self) -> None:
        """Nobody reads; a connection that is broken is told of all the same."""
        error = self._leg.handle.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error or self._broken:
            self._lose(ConnectionLost(f"errno {error}"))

    # -- sending ------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if not self.connected or self._broken or self._finishing or self._closing or not data:
            return
        if not self._unsent:
            data = data[self._send(data) :]
        if data and not self._broken:
            self._unsent += data
            if self._producer is not None and len(self._unsent) > self.bufferSize:
                self._producer.pauseProducing()

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def _send(self, data: bytes) -> int:
        """How many of these were taken."""
        try:
            return self._leg.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._breaks()
            return 0

    def _breaks(self) -> None:
        """Sending has taken the error from the socket: reading would call it an end in order."""
        self._broken = self._thorough = self._readable = True
        self._unsent = b""
        self._loop.soon(self._read)

    def _flush(self) -> None:
        self._unsent = self._unsent[self._send(self._unsent) :]
        if self._unsent or self._broken:
            return
        if self._producer is not None:
            self._producer.resumeProducing()
        if self._closing:
            self._close()
        elif self._finishing:
            self._finish()

    def _finish(self) -> None:
        try:
            self._leg.finish()
        except BlockingIOError:
            self._owing = True
        except OSError:
            self._breaks()
        else:
            self._owing = False

    def _close(self) -> None:
        self._end(self._leg.close)
        self._loop.soon(lambda: self._told(ConnectionDone()))

    # -- ending -------------------------------------------------------------------------------

    def loseWriteConnection(self) -> None:
        if self.connected and not self._finishing and not self._closing:
            self._finishing = True
            if not self._unsent and not self._broken:
                self._finish()

    def loseConnection(self) -> None:
        if self.connected and not self._closing:
            self._closing = True
            if not self._unsent:
                self._close()

    def abortConnection(self) -> None:
        if self.connected:
            self._end(self._leg.abort)
            self._loop.soon(lambda: self._told(ConnectionAborted()))

    def _lose(self, why: Exception) -> None:
        self._end(self._leg.close)
        self._told(ConnectionDone() if self._closing else why)

    def _end(self, how: Any) -> None:
        self.connected = False
        self._loop.leave(self._descriptor)
        how()

    def _told(self, why: Exception) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        self._protocol.connectionLost(Failure(why))

    # IPushProducer

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        if self._readable and self.connected:
            self._loop.soon(self._read)

    def stopProducing(self) -> None:
        self.loseConnection()

    # IConsumer

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming, "one who pushes"
        assert self._producer is None, "one at a time"
        self._producer = producer
        if not self.connected:
            producer.stopProducing()

    def unregisterProducer(self) -> None:
        self._producer = None

    # ITCPTransport

    def getHandle(self) -> socket.socket:
        return self._leg.handle

    def getPeer(self) -> IPv4Address | IPv6Address:
        return self._peer

    def getHost(self) -> IPv4Address | IPv6Address:
        return address(self._leg.handle.getsockname())

    def getTcpNoDelay(self) -> bool:
        return bool(self._leg.handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        self._leg.handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, enabled)

    def getTcpKeepAlive(self) -> bool:
        return bool(self._leg.handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self._leg.handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)


def address(named: tuple[Any, ...]) -> IPv4Address | IPv6Address:
    """What the kernel says, as Twisted's address."""
    return (IPv6Address if ":" in named[0] else IPv4Address)("TCP", *named)
