"""One connection to a server under check: say something, hear something, leave in order.

Every wait ends when the bytes come, when the connection goes (Failed), or when the deadline of the
whole probe cancels it. What a server may say during one visit is capped.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionDone,
    TimeoutError,
)
from twisted.internet.interfaces import IAddress, IHandshakeListener, ITLSTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ..dial import shortage
from ..ends import address
from ..reactors import Reactor
from ..terms import Address
from ..tls import ClientHandshake, failure

CAP: Final = 65_536
"""Bytes that a server may say in one visit; more is no answer to a check (attack 22)."""

NEVER: Final = 86400.0
"""Seconds that an endpoint may take to connect: the deadline of the whole probe comes before."""


class Failed(Exception):
    """The check failed, for the reason that the text tells."""


class Shortage(Exception):
    """This process has no socket to go there with; it says nothing about the server."""


class Visit:
    """One connection, from connect to close; `stage` names what is being done or waited for.

    `hosts` are the addresses of one name, in the order in which they are tried.
    """

    def __init__(self, reactor: Reactor, port: int, *hosts: str) -> None:
        self.stage = "connect"
        self.heard = 0
        """Bytes that came so far."""
        self.farewell = b""
        """What to say when leaving; the server then closes."""
        self._reactor = reactor
        self._port = port
        self._hosts = hosts
        self._line = _Line(self)
        self._standing = False
        self._secured = False
        self._ended = ""
        self._fresh = bytearray()
        self._waiter: Deferred[None] | None = None
        self._companions: list[Visit] = []

    # -- going there --------------------------------------------------------------------------

    async def connect(self, seconds: float = NEVER) -> None:
        """Connect to the first host that takes it. Raises Failed, Shortage.

        `seconds` are shared as channels share theirs: a host that does not answer leaves the others
        their part. The last one has all that is left, and the deadline of the probe ends it.
        """
        until = self._reactor.seconds() + seconds
        reasons: list[str] = []
        for left in range(len(self._hosts), 0, -1):
            host = self._hosts[-left]
            part = (until - self._reactor.seconds()) / left if left > 1 else NEVER
            try:
                await self._reach(host, part)
            except Failed as why:
                reasons.append(f"{host}: {why}" if len(self._hosts) > 1 else str(why))
            else:
                self._hosts = (host,)
                return
        raise Failed("; ".join(reasons))

    async def _reach(self, host: str, seconds: float) -> None:
        endpoint = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
        to = endpoint(self._reactor, host, self._port, seconds)
        try:
            await to.connect(_Going(self._line))
        except ConnectingCancelledError:
            raise CancelledError() from None
        except TimeoutError:
            raise Failed("no answer in time") from None
        except ConnectError as why:
            said = str(why.args[0] if why.args else why)
            raise (Shortage if shortage(why) else Failed)(said) from None
        self._standing = True

    def beside(self, port: int) -> Visit:
        """A second connection to the same host; it ends with this one at the latest."""
        companion = Visit(self._reactor, port, *self._hosts)
        self._companions.append(companion)
        return companion

    async def secure(self, handshake: ClientHandshake) -> None:
        """Do a TLS handshake. Raises Failed with what was wrong."""
        self._line.transport.startTLS(handshake)
        while not self._secured:
            if self._ended:
                raise Failed(handshake.problem or self._ended)
            await self._event()

    @property
    def ends(self) -> tuple[Address, Address]:
        """Our address and the server's."""
        transport = self._line.transport
        return address(transport.getHost()), address(transport.getPeer())

    # -- talking ------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Say this."""
        self._line.transport.write(data)

    async def more(self) -> bytes:
        """What came since the last time, at least one byte. Raises Failed when nothing will."""
        while not self._fresh:
            if self._ended:
                raise Failed(self._ended)
            await self._event()
        fresh, self._fresh = bytes(self._fresh), bytearray()
        return fresh

    async def line(self, cap: int) -> bytes:
        """One line with its end; without one only when the connection ended there.

        Raises Failed for a line of more than `cap` bytes, and when nothing will come.
        """
        while b"\n" not in self._fresh[:cap]:
            if len(self._fresh) >= cap:
                raise Failed(f"a line of more than {cap} bytes")
            if self._ended and not self._fresh:
                raise Failed(self._ended)
            if self._ended:
                break
            await self._event()
        length = self._fresh.find(b"\n") + 1 or len(self._fresh)
        line = bytes(self._fresh[:length])
        del self._fresh[:length]
        return line

    async def finished(self) -> bool:
        """Hear the server out. False when it said more than the cap instead of closing."""
        while self._standing:
            await self._event()
        return self.heard <= CAP

    # -- leaving ------------------------------------------------------------------------------

    async def leave(self, until: float) -> None:
        """Close in order; what is not closed at this time, or when cancelled, is reset."""
        visits = (*self._companions, self)
        try:
            for visit in visits:
                await visit._close(until)
        except CancelledError:
            for visit in visits:
                await visit._close(0.0)
            raise

    async def _close(self, until: float) -> None:
        if not self._standing:
            return
        transport = self._line.transport
        if self.farewell:
            transport.write(self.farewell)
            self.farewell = b""
        else:
            transport.loseConnection()
        seconds = max(0.0, until - self._reactor.seconds())
        late = self._reactor.callLater(seconds, transport.abortConnection)
        try:
            await self.finished()
        finally:
            if late.active():
                late.cancel()

    # -- told by the line ---------------------------------------------------------------------

    async def _event(self) -> None:
        self._waiter = Deferred()
        await self._waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.called:
            waiter.callback(None)

    def _came(self, data: bytes) -> None:
        self.heard += len(data)
        if self.heard <= CAP:
            self._fresh += data
        elif not self._ended:
            self._ended = f"it said more than {CAP} bytes"
            self._line.transport.abortConnection()
        self._wake()

    def _handshaken(self) -> None:
        self._secured = True
        self._wake()

    def _lost(self, why: str) -> None:
        self._standing = False
        self._ended = self._ended or why
        self._wake()


class _Going(Factory):
    """Twisted's factory of one visit, which says nothing of it in the process' log."""

    noisy = False

    def __init__(self, line: _Line) -> None:
        self._line = line

    # IFactory

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._line


@implementer(IHandshakeListener)
class _Line(Protocol):
    """The Twisted protocol below a Visit."""

    transport: ITLSTransport

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    # IProtocol and IHandshakeListener

    def dataReceived(self, data: bytes) -> None:
        self._visit._came(data)

    def handshakeCompleted(self) -> None:
        self._visit._handshaken()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        closed = reason.check(ConnectionDone) is not None
        orderly = "it closed the connection" if closed else "it reset the connection"
        self._visit._lost(failure(reason.value) or orderly)
