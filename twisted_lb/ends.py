"""One side of a connection as a value that stages hand on: addresses, held bytes, a way to write.

Accept and dial make Ends; while nobody receives, an End holds what comes up to its cap, then stops
reading. `give` hands the held bytes to a receiver, once and first, then everything as it comes.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import Any, Final
from typing import Protocol as Shape

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from .terms import Address, TlsFacts

KEEPALIVE_PROBES = 4
"""Unanswered keepalive probes after which the peer is gone."""
KEEPALIVE_EVERY = 10
"""Seconds between them."""
KEEPALIVE_MOST = 32_767
"""Seconds of silence that Linux takes for TCP_KEEPIDLE at most: nine hours."""


_NO_REASON: Final[frozenset[str]] = frozenset()
"""Why reading goes on. Python makes each empty one anew, of 216 bytes."""
_BYTES_ACKED = slice(120, 128)
"""Where tcpi_bytes_acked stands in the tcp_info of Linux (4.1 and later): linux/tcp.h."""


class Transport(Shape):
    """What Ends ask of a Twisted transport: Transport, IConsumer, IPushProducer in one."""

    bufferSize: int

    def write(self, data: bytes) -> None: ...
    def loseConnection(self) -> None: ...
    def loseWriteConnection(self) -> None: ...
    def abortConnection(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...
    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def getPeer(self) -> IAddress: ...
    def getHost(self) -> IAddress: ...
    def getHandle(self) -> object: ...


class Told(Shape):
    """What is told in an End's place, and tells the End."""

    def dataReceived(self, data: bytes) -> None: ...
    def connectionLost(self, reason: Failure) -> None: ...


class Layer(Transport, Told, Shape):
    """A transport that is itself the protocol of one below it."""

    def makeConnection(self, transport: Transport) -> None: ...


class Handshake(Shape):
    """How an End came to be TLS: what further connections of its peer are held against."""

    def facts(self) -> TlsFacts: ...
    def ended(self) -> None: ...


class Receiver(Shape):
    """Who an End hands its bytes to."""

    def data(self, data: bytes) -> None:
        """Bytes came."""

    def eof(self) -> None:
        """The peer sends nothing more; it may still read."""

    def lost(self, clean: bool) -> None:
        """The connection is gone; `clean`: closed in order, not reset. The last call."""


class End:
    """One side of a connection. Whoever received it last is responsible for ending it."""

    __slots__ = (
        "_fed",
        "_line",
        "_paused",
        "_receiver",
        "_waiter",
        "cap",
        "eof",
        "handshake",
        "held",
        "local",
        "lost",
        "on_lost",
        "peer",
        "shut",
        "tls",
        "transport",
    )

    def __init__(self, transport: Transport, line: _Line, cap: int) -> None:
        self.transport = transport
        self.peer = address(transport.getPeer())
        """Who is there; what a trusted PROXY header says, once it was read."""
        self.local = address(transport.getHost())
        self.cap = cap
        self.held = bytearray()
        self.eof = False
        self.lost = False
        self.on_lost: Callable[[], None] | None = None
        """Told when the connection goes while nobody receives; not when it has said something that
        is held and then closed in order: that is for whoever is given it."""
        self.tls: TlsFacts | None = None
        """What the last handshake showed; None while there was none."""
        self.handshake: Handshake | None = None
        """That handshake."""
        self.shut = False
        """Whether the peer has closed in order below TLS, which somebody in the middle could do."""
        self._fed = False
        self._line = line
        self._receiver: Receiver | None = None
        self._waiter: Deferred[None] | None = None
        self._paused = _NO_REASON
        """Why reading has stopped."""

    # -- holding ------------------------------------------------------------------------------

    def more(self) -> Deferred[None]:
        """Fires when more bytes were held, or none will come: look at `held`, `eof`, `lost`."""
        self._waiter = Deferred()
        if self.eof or self.lost:
            self._waiter.callback(None)
        return self._waiter

    def consume(self, count: int) -> None:
        """Forget the first held bytes: they were meant for us."""
        del self.held[:count]
        self.resume("cap")

    def give(self, receiver: Receiver) -> None:
        """Hand everything over: what is held first, then what comes. Once an owner."""
        self._receiver = receiver
        held, self.held = bytes(self.held), bytearray()
        self.resume("cap")
        if held:
            receiver.data(held)
        if self.eof and not self.lost:
            receiver.eof()
        if self.lost:
            receiver.lost(self.eof)

    def take_back(self) -> None:
        """Nobody receives any more, or feeds us; what comes is held, and another owner may be given
        it. Whatever reading waited for is no reason now."""
        self.unfed()
        self._receiver = None
        for why in self._paused:
            self.resume(why)

    @property
    def tls_version(self) -> str:
        """As `TLSv1.3`; empty in the clear."""
        return self.tls.version if self.tls is not None else ""

    @property
    def taken(self) -> int:
        """Bytes that the peer has acknowledged, under TLS those on the wire; 0 where no kernel
        counts them, and once it is gone."""
        return 0 if self.lost else taken_from(self._line.transport.getHandle())

    # -- writing and ending -------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send; buffered by the transport."""
        self.transport.write(data)

    def fed_by(self, producer: object) -> None:
        """While our buffer is full, this push producer is paused: back-pressure.

        It is not stopped when we are gone: it may be another transport, with bytes yet to send.
        """
        if self.lost:  # a transport that is gone has no buffer, and stops who would fill it
            return
        self._fed = True
        self.transport.registerProducer(_Spared(producer), True)

    def finish(self) -> None:
        """Send what is buffered, then nothing more; reading goes on.

        Under TLS this is a close_notify, which the peer answers by closing (RFC 8446 section 6.1).
        """
        self.unfed()
        if self._line.layer is not None:
            self.transport.loseConnection()
        elif not self.lost:  # a reactor refuses to watch a descriptor that is closed
            self.transport.loseWriteConnection()

    def close(self) -> None:
        """Send what is buffered, then close. After `finish`, the loss may be told within."""
        self.unfed()
        self.transport.loseConnection()

    def abort(self) -> None:
        """Close now, with a reset."""
        if not self.lost:  # TLS that is gone has nothing to reset
            self.transport.abortConnection()

    def unfed(self) -> None:
        # A transport with a producer waits for it for ever, instead of closing.
        if self._fed:
            self._fed = False
            self.transport.unregisterProducer()

    # -- TLS ----------------------------------------------------------------------------------

    def wrap(self, layer: Layer) -> None:
        """Put a layer of TLS between us and the transport; what is held goes through it."""
        held, self.held = bytes(self.held), bytearray()
        self.resume("cap")
        below, self.transport = self.transport, layer
        self._line.layer = layer
        layer.makeConnection(below)
        if held:
            layer.dataReceived(held)

    def unwrap(self, parting: Told) -> None:
        """Say close_notify and go on in the clear; `parting` hears what the peer says until it is
        `bared`. Whoever feeds us does so no more."""
        self.unfed()
        self.transport.loseConnection()  # of the layer: it waits for the peer's close_notify
        self.transport, self._line.layer = self._line.transport, parting

    def bared(self) -> None:
        """What comes is in the clear."""
        self._line.layer = None

    # -- reading ------------------------------------------------------------------------------

    def pause(self, why: str) -> None:
        """Stop reading until every reason to pause is gone."""
        if not self._paused and not self.lost:
            self.transport.pauseProducing()
        self._paused |= {why}

    def read_on(self) -> None:
        """Read on, though whom it fed had stopped it: that one is gone."""
        if not self._paused and not self.lost:
            self.transport.resumeProducing()

    def resume(self, why: str) -> None:
        """This reason to pause is gone."""
        if why in self._paused:
            self._paused = self._paused - {why} or _NO_REASON
            if not self._paused and not self.lost:
                self.transport.resumeProducing()

    def read_at_once(self, most: int) -> None:
        """Read so many bytes at once, and hold so many before who fills us is paused."""
        self._line.transport.bufferSize = most

    # -- told by the line ---------------------------------------------------------------------

    def _data(self, data: bytes) -> None:
        if self._receiver is not None:
            self._receiver.data(data)
            return
        self.held += data
        if len(self.held) >= self.cap:
            self.pause("cap")
        self._wake()

    def _eof(self) -> None:
        self.eof = True
        if self._receiver is not None:
            self._receiver.eof()
        self._wake()

    def _lost(self, clean: bool) -> None:
        self.lost = True
        self.eof = self.eof or clean
        if self._receiver is not None:
            self._receiver.lost(clean)
        elif self.on_lost is not None and not (clean and self.held):
            self.on_lost()  # else it has spoken and closed, as TLS must do both ways at once
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.called:
            waiter.callback(None)


@implementer(IPushProducer)
class _Spared:
    """A producer, as a transport sees it that may not stop it."""

    __slots__ = ("_producer",)

    def __init__(self, producer: Any) -> None:
        self._producer = producer

    # IPushProducer

    def pauseProducing(self) -> None:
        self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """Whoever receives from the End is told that it is gone."""


@implementer(IHalfCloseableProtocol)
class _Line(Protocol):
    """The Twisted protocol below an End."""

    end: End
    layer: Told | None = None
    """TLS, from its start to its end."""
    transport: Transport  # type: ignore[assignment]  # Twisted says ITransport, which is less

    def __init__(self, made: Callable[[End], None], cap: int) -> None:
        self._made = made
        self._cap = cap

    # IProtocol and IHalfCloseableProtocol

    def connectionMade(self) -> None:
        self.end = End(self.transport, self, self._cap)
        self._made(self.end)

    def dataReceived(self, data: bytes) -> None:
        (self.end._data if self.layer is None else self.layer.dataReceived)(data)

    def readConnectionLost(self) -> None:
        if self.layer is None:
            self.end._eof()
        else:
            self.end.shut = True
            self.transport.loseConnection()  # TLS cannot be half closed from below

    def writeConnectionLost(self) -> None:
        """Our own half-close is done; nothing follows from it."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.layer is None:
            self.end._lost(clean(reason))
        else:
            self.end.shut = self.end.shut or clean(reason)
            self.layer.connectionLost(reason)


def clean(reason: Failure) -> bool:
    """Whether a connection that is gone was closed in order, not reset or cut off."""
    return reason.check(ConnectionDone) is not None


def taken_from(handle: object) -> int:
    """Bytes that the peer of this transport's handle has acknowledged."""
    if not isinstance(handle, socket.socket) or handle.family == socket.AF_UNIX:
        return 0
    if handle.fileno() < 0:  # closed, and nobody was told yet
        return 0
    info = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.stop)
    return int.from_bytes(info[_BYTES_ACKED], sys.byteorder)


def line(made: Callable[[End], None], cap: int) -> Protocol:
    """A Twisted protocol that calls `made` with its End when the connection stands."""
    return _Line(made, cap)


def address(given: IAddress) -> Address:
    """Twisted's address as ours; an IPv4 address in IPv6 clothes is an IPv4 address."""
    host = getattr(given, "host", "")
    if host.startswith("::ffff:") and "." in host:
        host = host[7:]
    return Address(host, getattr(given, "port", 0))


@attrs.frozen
class Tuning:
    """Socket options of an End."""

    keepalive: float | None = 60.0
    user_timeout: float | None = None

    def apply(self, end: End) -> None:
        """Set them; a transport that is not a TCP socket is left alone."""
        handle = end.transport.getHandle()
        if not isinstance(handle, socket.socket) or handle.family == socket.AF_UNIX:
            return
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Urgent data stays in line with the rest, or the kernel drops it.
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        if self.keepalive is not None:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            silence = min(max(1, int(self.keepalive)), KEEPALIVE_MOST)
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, silence)
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_EVERY)
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
        if self.user_timeout is not None:
            milliseconds = max(1, int(self.user_timeout * 1000))
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


DEFAULT_TUNING = Tuning()
