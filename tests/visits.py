"""A server under check, played by the test: it asserts what the probe says, and says what it hears.

Time stands still unless the test advances it; nothing touches a socket.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import (
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    TimeoutError,
)
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from twisted_lb.config.settings import Check
from twisted_lb.health.probes import Prober
from twisted_lb.health.target import Outcome, Target

OURS = IPv4Address("TCP", "192.0.2.9", 50000)
SERVER = IPv4Address("TCP", "192.0.2.1", 21)


class Wire(StringTransport):
    """The server's end of one connection."""

    def __init__(self, reactor: MemoryReactorClock) -> None:
        super().__init__(hostAddress=OURS, peerAddress=SERVER)
        self._reactor = reactor
        self.closed = ""
        """How the probe left: "", "closed" or "reset"."""

    def loseConnection(self) -> None:
        self._end("closed", ConnectionDone())

    def abortConnection(self) -> None:
        self._reactor.callLater(0, self._end, "reset", ConnectionLost())

    def _end(self, how: str, why: Exception) -> None:
        if not self.closed:
            self.closed = how
            self.protocol.connectionLost(Failure(why))


class Server:
    """Plays the server of one probe."""

    def __init__(
        self,
        check: Check,
        *,
        password: str = "",
        hosts: tuple[str, ...] = ("192.0.2.1",),
        **more: Any,
    ) -> None:
        self.reactor = MemoryReactorClock()
        self.prober = Prober(self.reactor)  # type: ignore[arg-type]
        target = Target(check, 21, password=password, **more)
        self.outcome: Outcome | None = None
        self.probe = _started(self.prober(target, hosts))
        self.probe.addCallback(self._found)
        self.wires: list[Wire] = []

    def _found(self, outcome: Outcome) -> None:
        self.outcome = outcome

    # -- what happens on the wire -------------------------------------------------------------

    def accept(self) -> Wire:
        """Take the probe's newest connection."""
        factory = self.reactor.tcpClients[-1][2]
        wire = Wire(self.reactor)
        self.wires.append(wire)
        protocol = factory.buildProtocol(SERVER)
        wire.protocol = protocol
        protocol.makeConnection(wire)
        return wire

    def refuse(self) -> None:
        """Refuse the probe's newest connection."""
        self._fail(ConnectionRefusedError(111, "Connection refused"))

    def ignore(self) -> None:
        """Let the time of the probe's newest connection pass."""
        self.advance(self.reactor.tcpClients[-1][3])
        self._fail(TimeoutError())

    def _fail(self, why: Exception) -> None:
        self.reactor.tcpClients[-1][2].clientConnectionFailed(None, Failure(why))

    def say(self, text: str, wire: int = 0) -> None:
        """Send lines, each without its end."""
        self.send("".join(f"{line}\r\n" for line in text.split("\n")).encode(), wire)

    def send(self, data: bytes, wire: int = 0) -> None:
        self.wires[wire].protocol.dataReceived(data)

    def close(self, wire: int = 0) -> None:
        """Close the server's side in order."""
        self.wires[wire].loseConnection()

    def hears(self, line: str) -> None:
        """Assert that the probe said exactly this line since the last time."""
        heard = self.wires[0].value()
        self.wires[0].clear()
        assert heard == f"{line}\r\n".encode(), heard

    def advance(self, seconds: float) -> None:
        self.reactor.advance(seconds)

    # -- how it must end ----------------------------------------------------------------------

    def verdict(self) -> tuple[bool, str]:
        """The outcome, once it is there; asserts that nothing is left behind."""
        self.reactor.advance(0)
        assert self.outcome is not None, "the probe is not done"
        assert all(wire.closed for wire in self.wires), "a connection was left open"
        assert not self.reactor.getDelayedCalls(), "a delayed call was left"
        return self.outcome.ok, self.outcome.reason


def _started(probe: Coroutine[Deferred[Any], Any, Outcome]) -> Deferred[Outcome]:
    return Deferred.fromCoroutine(probe)
