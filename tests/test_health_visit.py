"""One connection to a server under check: what is heard, and how it is left."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from twisted_lb.health.visit import CAP, Failed, Visit

from .visits import SERVER, Wire


class Site:
    """A visit that stands."""

    def __init__(self) -> None:
        self.reactor = MemoryReactorClock()
        self.visit = Visit(self.reactor, 21, "192.0.2.1")  # type: ignore[arg-type]
        self.wire = self.connect(self.visit)

    def connect(self, visit: Visit) -> Wire:
        connecting = Deferred.fromCoroutine(visit.connect())
        wire = Wire(self.reactor)
        wire.protocol = self.reactor.tcpClients[-1][2].buildProtocol(SERVER)
        wire.protocol.makeConnection(wire)
        assert connecting.called
        return wire

    def says(self, data: bytes) -> None:
        self.wire.protocol.dataReceived(data)


def result(coroutine: Coroutine[Deferred[Any], Any, Any]) -> Any:
    """What it returned, if it has; raises what it raised."""
    results: list[Any] = []
    deferred = Deferred.fromCoroutine(coroutine)
    deferred.addCallbacks(results.append, lambda failure: results.append(failure.value))
    if not results:
        return None
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]


def test_an_ipv6_server_is_reached() -> None:
    reactor = MemoryReactorClock()
    visit = Visit(reactor, 21, "2001:db8::1")  # type: ignore[arg-type]
    connecting = Deferred.fromCoroutine(visit.connect())
    assert reactor.tcpClients[0][:2] == ("2001:db8::1", 21)
    connecting.addErrback(lambda failure: None)
    connecting.cancel()


def test_what_came_before_it_was_asked_for_is_heard() -> None:
    site = Site()
    site.says(b"220 ")
    site.says(b"ready")
    assert result(site.visit.more()) == b"220 ready"
    assert result(site.visit.more()) is None, "nothing came since"


def test_lines_are_given_one_at_a_time_however_they_come() -> None:
    site = Site()
    site.says(b"one\ntwo\nthr")
    assert [result(site.visit.line(10)) for _ in range(2)] == [b"one\n", b"two\n"]
    site.wire.loseConnection()
    assert result(site.visit.line(10)) == b"thr", "the last one may lack its end"
    with pytest.raises(Failed, match="it closed the connection"):
        result(site.visit.line(10))


def test_a_line_may_be_as_long_as_its_cap() -> None:
    site = Site()
    site.says(b"123456789\n0123456789\n")
    assert result(site.visit.line(10)) == b"123456789\n"
    with pytest.raises(Failed, match="a line of more than 10 bytes"):
        result(site.visit.line(10))


def test_a_server_that_floods_is_reset_and_what_it_said_is_not_kept() -> None:
    """Attack 22."""
    site = Site()
    for _ in range(3):
        site.says(b"x" * CAP)
    site.reactor.advance(0)
    assert site.wire.closed == "reset"
    assert len(result(site.visit.more())) == CAP
    with pytest.raises(Failed, match="it said more than 65536 bytes"):
        result(site.visit.more())
    assert result(site.visit.finished()) is False


def test_a_server_is_heard_out_until_it_closes() -> None:
    site = Site()
    site.says(b"all of it")
    site.wire.loseConnection()
    assert result(site.visit.finished()) is True


def test_leaving_closes_companions_too() -> None:
    site = Site()
    data = site.visit.beside(40123)
    beside = site.connect(data)
    assert site.reactor.tcpClients[-1][:2] == ("192.0.2.1", 40123)
    result(site.visit.leave(1.0))
    assert (site.wire.closed, beside.closed) == ("closed", "closed")
    assert not site.reactor.getDelayedCalls()


def test_leaving_with_a_farewell_lets_the_server_close_until_the_deadline() -> None:
    site = Site()
    site.visit.farewell = b"QUIT\r\n"
    leaving = Deferred.fromCoroutine(site.visit.leave(2.0))
    assert (site.wire.value(), site.wire.closed) == (b"QUIT\r\n", "")
    site.reactor.pump([2.0, 0.0])
    assert leaving.called and site.wire.closed == "reset"
    assert not site.reactor.getDelayedCalls()


def test_leaving_what_was_never_reached_is_nothing() -> None:
    visit = Visit(MemoryReactorClock(), 21, "192.0.2.1")  # type: ignore[arg-type]
    assert Deferred.fromCoroutine(visit.leave(1.0)).called
