"""Turns an End that carries ciphertext into one that carries what is inside: TLS over any End; and
back, where a client leaves TLS.

On a socket of ours OpenSSL reads and writes the socket; on anything else memory is between.

In: an End, a context, a deadline. Out: the same End, plaintext from here on, and what the handshake
showed. What the End holds already is the peer's first flight and goes into the handshake.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from .ends import End, clean
from .errors import Ended, WireError
from .facility import logger
from .sockets import SocketTransport
from .terms import MORE, Ending, TlsFacts
from .tls import (
    ClientHandshake,
    CutOff,
    Sealed,
    ServerContext,
    ServerHandshake,
    Untrusted,
    failure,
)
from .wire.tlsrecord import first_record

log = logger(__name__)

Shaking = ClientHandshake | ServerHandshake


async def serve_tls(
    end: End,
    context: ServerContext,
    seconds: float,
    clock: IReactorTime,
    tolerant: bool = False,
) -> TlsFacts:
    """Be the TLS server of this End. Raises Ended: tls-failed, client-left, too-slow.

    `tolerant`: an end without close_notify is taken for one in order.
    """
    handshake = ServerHandshake(context)
    await _shaken(end, handshake, tolerant, clock).addTimeout(seconds, clock, _late)
    return _stands(end, handshake)


async def dial_tls(
    end: End,
    handshake: ClientHandshake,
    seconds: float,
    clock: IReactorTime,
    tolerant: bool = False,
) -> TlsFacts:
    """Be the TLS client of this End, whose server must show a certificate of the name asked for.

    Raises Ended: tls-failed, identity-mismatch, server-closed, too-slow. Whoever calls sends
    nothing before this is done: the name is known to be right only then.
    """
    try:
        await _shaken(end, handshake, tolerant, clock).addTimeout(seconds, clock, _late)
        handshake.verify()
    except Untrusted as why:
        raise Ended("identity-mismatch", str(why)) from None
    except Ended as why:
        if why.word == "tls-failed" and handshake.problem:
            raise Ended("tls-failed", handshake.problem) from None
        raise
    return _stands(end, handshake)


def leave_tls(end: End) -> None:
    """Say close_notify to a client, and go on with it in the clear (RFC 4217 section 12.3).

    It says its own, or nothing at all, as curl does, and then the next line.
    """
    handshake = end.handshake
    assert isinstance(handshake, ServerHandshake), "only a client that is in TLS leaves it"
    if isinstance(end.transport, SocketTransport):
        _leave_on_socket(end, end.transport)
        return
    end.unwrap(_Parting(end, handshake))


def _leave_on_socket(end: End, transport: SocketTransport) -> None:
    assert isinstance(transport.leg, Sealed), "it is in TLS"
    try:
        if transport.waits:
            raise BlockingIOError("what was said under TLS is not sent yet")
        parted = transport.leg.parted()
    except OSError:
        end.abort()  # who does not take a line is not waited for
        return
    end.unfed()
    transport.goes_over(parted)


def _stands(end: End, handshake: Shaking) -> TlsFacts:
    end.handshake = handshake
    end.tls = handshake.facts()
    return end.tls


def _late(result: object, seconds: float) -> object:
    raise Ended("too-slow", f"no TLS handshake within {seconds:g} s")


def _shaken(end: End, handshake: Shaking, tolerant: bool, clock: IReactorTime) -> Deferred[None]:
    """Put TLS between the End and its transport; fires when the handshake is done, or Ended."""
    if isinstance(end.transport, SocketTransport):
        return _OnSocket(end, end.transport, handshake, tolerant).begin()
    inside = _Inside(end, handshake, tolerant)
    client = isinstance(handshake, ClientHandshake)
    factory = TLSMemoryBIOFactory(handshake, client, Factory.forProtocol(lambda: inside), clock)
    end.wrap(factory.protocol(factory, inside))
    return inside.shaken


def _who_left(handshake: Shaking) -> Ending:
    return "server-closed" if isinstance(handshake, ClientHandshake) else "client-left"


class _OnSocket:
    """A handshake that is told of its socket in the transport's place."""

    def __init__(
        self, end: End, transport: SocketTransport, handshake: Shaking, tolerant: bool
    ) -> None:
        self._shaken: Deferred[None] = Deferred()
        self._end = end
        self._transport = transport
        self._handshake = handshake
        self._tolerant = tolerant
        self._tls = handshake.on(transport.getHandle())

    def begin(self) -> Deferred[None]:
        """Say what there is to say; fires when it is done, or Ended."""
        heard = bytes(self._end.held)
        self._end.consume(len(heard))
        self._transport.lend(self)
        answer, wrong = self._tls.begin(heard)
        self._transport.write(answer)
        if wrong is not None:
            self._fails(wrong)
        else:
            self._step()
        return self._shaken

    # -- told by the loop ---------------------------------------------------------------------

    def ready(self, events: int) -> None:
        if self._transport.sends_rest():
            self._step()

    def failed(self, told: Failure) -> None:
        self._fails(told.value or AssertionError("a failure without a reason"))

    def _step(self) -> None:
        try:
            done = not self._transport.waits and self._tls.step()
        except Exception as why:  # OpenSSL's, which only tls knows
            self._fails(why)
            return
        if done:
            self._transport.goes_over(self._tls.leg(self._handshake.ended, self._tolerant))
            if not self._shaken.called:
                self._shaken.callback(None)

    def _fails(self, why: BaseException) -> None:
        """The waiting path is told first: it knows the word, the loss alone would not."""
        said = failure(why)
        if said is None and not isinstance(why, CutOff):
            log.failure("a TLS handshake failed")
        self._transport.vanish()
        self._end.lost = True
        if not self._shaken.called:
            left = _who_left(self._handshake)
            self._shaken.errback(Ended("tls-failed", said) if said else Ended(left))
        self._end._lost(False)


@implementer(IHandshakeListener)
class _Inside(Protocol):
    """The Twisted protocol between TLS and an End."""

    def __init__(self, end: End, handshake: Shaking, tolerant: bool) -> None:
        self.shaken: Deferred[None] = Deferred()
        self._end = end
        self._handshake = handshake
        self._tolerant = tolerant
        self._left = _who_left(handshake)

    # IHandshakeListener

    def handshakeCompleted(self) -> None:
        if not self.shaken.called:
            self.shaken.callback(None)

    # IProtocol

    def dataReceived(self, data: bytes) -> None:
        self._end._data(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The waiting path is told first: it knows the word, the loss alone would not."""
        self._end.lost = True
        if not self.shaken.called:
            why = failure(reason.value)
            self.shaken.errback(Ended("tls-failed", why) if why else Ended(self._left))
        elif self._end.tls is not None:
            self._handshake.ended()
        self._end._lost(clean(reason) or (self._tolerant and self._end.shut))


class _Parting:
    """Between our close_notify and what comes in the clear: records of TLS, the last of them the
    client's own close_notify."""

    def __init__(self, end: End, handshake: ServerHandshake) -> None:
        self._end = end
        self._handshake = handshake
        self._held = bytearray()

    # Told

    def dataReceived(self, data: bytes) -> None:
        self._held += data
        try:
            over = self._read()
        except WireError:
            self._end.abort()
            return
        if over:
            self._end.bared()
            if self._held:
                self._end._data(bytes(self._held))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end._lost(clean(reason))

    def _read(self) -> bool:
        """Hand over what is said under TLS; whether nothing more will be. Raises WireError."""
        while (record := first_record(self._held)) is not MORE:
            if not record:
                return True
            del self._held[: len(record)]
            said = self._handshake.parting(record)
            if said is None:
                return True
            if said:
                self._end._data(said)
        return False
