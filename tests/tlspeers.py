"""Who speaks TLS with the code under test, in memory: every byte is handed over by the test."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from tests.fakes import Wire
from twisted_lb.errors import Ended
from twisted_lb.secure import dial_tls, serve_tls
from twisted_lb.terms import TlsFacts
from twisted_lb.tls import ClientContext, ClientHandshake, ServerContext


class TlsPeer:
    """The other side of a wire: a TLS server or client of its own."""

    def __init__(self, wire: Wire, clock: Clock) -> None:
        self.wire = wire
        self.inner = Wire()
        """Its `end` carries what is inside."""
        self.facts: list[TlsFacts | Ended] = []
        self.clear = b""
        """What was said to it before TLS began."""
        self._clock = clock

    def serves(self, context: ServerContext, clear: int = 0) -> TlsPeer:
        """Be the server; the first `clear` bytes that it hears are no TLS."""
        self.clear = self.wire.heard[:clear]
        heard = self.wire.heard[clear:]
        self.wire.transport.clear()
        self.inner.says(heard)
        return self._shakes(serve_tls(self.inner.end, context, 5.0, self._reactor))

    def dials(self, context: ClientContext, name: str) -> TlsPeer:
        """Be the client that asks for this name."""
        return self.shakes(ClientHandshake(context, name))

    def shakes(self, handshake: ClientHandshake) -> TlsPeer:
        """Be the client of this handshake."""
        return self._shakes(dial_tls(self.inner.end, handshake, 5.0, self._reactor))

    @property
    def _reactor(self) -> IReactorTime:
        return self._clock

    def _shakes(self, doing: Coroutine[Any, Any, TlsFacts]) -> TlsPeer:
        shaken: Deferred[TlsFacts] = Deferred.fromCoroutine(doing)
        shaken.addCallbacks(self.facts.append, lambda failure: self.facts.append(failure.value))
        return self.carry()

    def carry(self) -> TlsPeer:
        """Hand over every byte until both are silent."""
        for _ in range(20):
            self._clock.advance(0)
            for one, other in ((self.wire, self.inner), (self.inner, self.wire)):
                if said := one.transport.value():
                    one.transport.clear()
                    other.says(said)
        return self

    @property
    def heard(self) -> bytes:
        """What was said to it inside TLS so far."""
        return bytes(self.inner.end.held)

    def says(self, data: bytes) -> TlsPeer:
        """Say this inside TLS."""
        self.inner.end.write(data)
        return self.carry()
