"""An FTP session of the tunnel: what the proxy notifies, and the data channels that follow."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.conftest import Errors
from tests.fakes import Wire
from twisted_lb.ends import End
from twisted_lb.errors import Ended
from twisted_lb.gateway.frontend import FrontEnd
from twisted_lb.gateway.openingline import WELCOME, Answer, Opening
from twisted_lb.gateway.tunnelsession import FLUSH, TunnelSession
from twisted_lb.terms import Address


class Front:
    """A front-end whose answers the test gives."""

    def __init__(self) -> None:
        self.reactor = Clock()
        self.asked: list[tuple[Opening, Deferred[tuple[End, Answer]]]] = []

    def open(self, opening: Opening) -> Deferred[tuple[End, Answer]]:
        self.asked.append((opening, Deferred()))
        return self.asked[-1][1]

    def answers(self) -> Wire:
        """The channel that was asked for last stands: the wire to the proxy."""
        wire = Wire()
        self.asked[-1][1].callback((wire.end, WELCOME))
        return wire


class Session:
    """A session with its notification channel."""

    def __init__(self) -> None:
        self.front = Front()
        self.clock = self.front.reactor
        self.told: list[str] = []
        self.session = TunnelSession(
            "s1",
            "secret",
            cast(FrontEnd, self.front),
            75.0,
            lambda word: self.told.append(f"lost {word}"),
            lambda: self.told.append("gone"),
        )
        self.wire = Wire()
        self.session.start(self.wire.end)

    def notifies(self, line: str) -> None:
        self.wire.says(f"{line}\r\n".encode())

    def listens(self) -> tuple[Address, list[Any]]:
        """The machine waits for the server: the number, and what comes."""
        came: list[Any] = []
        address, leg = self.session.listen(30.0)
        leg.come.addCallbacks(came.append, lambda failure: came.append(failure.value))
        self.leg = leg
        return address, came

    def over(self) -> None:
        """It leaves nothing behind."""
        self.session.finish("done")
        self.wire.goes()
        assert not self.clock.getDelayedCalls()


def test_a_passive_channel_is_opened_with_its_number_and_the_secret() -> None:
    session, came = Session(), list[End]()
    session.session.dial(Address("127.0.0.1", 1024), 30.0).addCallback(came.append)
    assert session.front.asked[0][0] == Opening("data", "s1", "secret", 1024)
    wire = session.front.answers()
    assert came == [wire.end]
    session.over()


def test_a_channel_that_is_not_answered_in_time_fails() -> None:
    session, failed = Session(), list[Any]()
    dialling = session.session.dial(Address("127.0.0.1", 1024), 30.0)
    dialling.addErrback(lambda failure: failed.append(failure.value.word))
    session.clock.advance(30.0)
    assert failed == ["too-slow"]
    session.over()


def test_an_active_channel_is_opened_when_the_host_is_there() -> None:
    session = Session()
    address, came = session.listens()
    assert address == Address("127.0.0.1", 1025)
    session.notifies("TRANSFER 1025 host-connected")
    assert session.front.asked[0][0] == Opening("data", "s1", "secret", 1025)
    wire = session.front.answers()
    assert came == [wire.end]
    session.over()


def test_one_that_was_given_up_meanwhile_is_closed() -> None:
    session = Session()
    session.listens()
    session.notifies("TRANSFER 1025 host-connected")
    session.leg.come.cancel()
    wire = session.front.answers()
    assert wire.endings == ["abort"]
    session.over()


@pytest.mark.parametrize("waits", [True, False])
def test_one_that_the_proxy_refuses_fails(waits: bool) -> None:
    session = Session()
    _, came = session.listens()
    session.notifies("TRANSFER 1025 host-connected")
    if not waits:
        session.leg.come.cancel()
        came.clear()
    session.front.asked[0][1].errback(Ended("no-route", "unknown"))
    assert [why.word for why in came] == ["no-route"] * waits
    session.over()


def test_a_mistake_of_ours_is_logged_and_fails_the_channel(clean_reactor: Errors) -> None:
    session = Session()
    _, came = session.listens()
    session.notifies("TRANSFER 1025 host-connected")
    session.front.asked[0][1].errback(ZeroDivisionError())
    assert [why.word for why in came] == ["internal-error"]
    assert "ZeroDivisionError" in clean_reactor.seen.pop()
    session.over()


def test_a_host_that_nobody_waits_for_is_declined() -> None:
    session = Session()
    session.notifies("TRANSFER 1027 host-connected")
    assert session.wire.heard == b"CANCEL 1027\r\n"
    assert session.front.asked == []
    session.over()


def test_a_transfer_that_the_proxy_gives_up_fails() -> None:
    session = Session()
    _, came = session.listens()
    session.notifies("TRANSFER 1025 failed too-slow")
    session.notifies("TRANSFER 1025 failed too-slow")
    assert [why.word for why in came] == ["too-slow"]
    session.over()


def test_what_needs_no_answer_gets_none() -> None:
    session = Session()
    session.notifies("TRANSFER 1024 passive-ready")
    session.notifies("TRANSFER 1024 ended 7")
    assert session.wire.heard == b""
    session.notifies("PING")
    assert session.wire.heard == b"PONG\r\n"
    session.over()


def test_a_proxy_that_says_nothing_is_gone() -> None:
    session = Session()
    session.clock.advance(70.0)
    session.notifies("PING")
    session.clock.advance(70.0)
    assert session.wire.endings == []
    session.clock.advance(5.0)
    assert session.wire.endings == ["abort"]
    session.wire.goes(clean=False)
    assert session.told == ["gone", "lost too-slow"]
    session.session.finish("too-slow")
    assert not session.clock.getDelayedCalls()


def test_the_session_ends_with_the_word_that_the_proxy_gave() -> None:
    session = Session()
    session.notifies("SESSION closing drained")
    session.wire.shuts()
    assert session.wire.endings == ["close"]
    session.wire.goes()
    assert session.told == ["gone", "lost drained"]


def test_what_is_no_notice_ends_the_session() -> None:
    session = Session()
    session.notifies("HELLO")
    assert session.wire.endings == ["abort"]
    session.wire.goes(clean=False)
    assert session.told == ["gone", "lost wire-error"]


def test_at_the_end_what_is_being_opened_is_given_up_and_the_proxy_may_close_first() -> None:
    session = Session()
    session.listens()
    session.notifies("TRANSFER 1025 host-connected")
    session.session.finish("done")
    assert session.front.asked[0][1].called
    assert session.wire.endings == ["close"]
    session.notifies("PING")
    assert session.wire.heard == b""
    session.clock.advance(FLUSH)
    assert session.wire.endings == ["close", "abort"]
    session.wire.goes(clean=False)
    assert session.told == ["gone"]


def test_a_leg_that_is_over_needs_nothing_more() -> None:
    session = Session()
    session.session.parted(Wire().end, "done", 1, 2)
    assert session.wire.heard == b""
    session.over()
