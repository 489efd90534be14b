"""Seats get their orders one by one; the table of sessions winds one timer and leaves none."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from twisted_lb.claims import Claims, Seat
from twisted_lb.config.settings import Group, RoleRule
from twisted_lb.ends import End
from twisted_lb.errors import Ended
from twisted_lb.facts import Fact, SessionEnded
from twisted_lb.session import Claim, Dial, Drop, Place, Sessions, State, Stop
from twisted_lb.terms import Key, Server

GROUP = Group(
    "g",
    "pool",
    linger=60.0,
    grace=10.0,
    roles={"control": RoleRule(principal=True), "data": RoleRule()},
)


class Table:
    """A table of sessions on a clock of its own."""

    def __init__(self, capacity: int = 100) -> None:
        self.clock = Clock()
        self.facts: list[Fact] = []
        sessions = Sessions(capacity=capacity, secret=b"s", owner="t")
        self.claims = Claims(sessions, self.clock, self.facts.append)
        self.server = Server("pool", "a", "192.0.2.1")

    def seat(self, who: str = "1", role: str = "control", group: Group = GROUP) -> Seat:
        """A seat in the session of this client."""
        return now(self.claims.claim(group, Key("source", who), role))

    def pinned(self, who: str = "1") -> Seat:
        """The first seat of a session that has its server."""
        seat = self.seat(who)
        assert taken(seat) == Claim(seat.channel)
        self.claims.trying(seat, self.server)
        assert self.claims.connected(seat)
        return seat

    @property
    def endings(self) -> list[str]:
        return [fact.ending for fact in self.facts if isinstance(fact, SessionEnded)]


def now(awaitable: Coroutine[Any, Any, Any]) -> Any:
    """The result of what need not wait."""
    results: list[Any] = []
    Deferred.fromCoroutine(awaitable).addBoth(results.append)
    [result] = results
    if hasattr(result, "raiseException"):
        result.raiseException()
    return result


def taken(seat: Seat) -> object:
    """The seat's next order, which is there."""
    orders: list[object] = []
    seat.order().addCallback(orders.append)
    [order] = orders
    return order


def test_the_first_channel_is_told_to_claim_and_the_others_wait_for_its_pin() -> None:
    table = Table()
    first, second = table.seat(), table.seat(role="data")
    assert taken(first) == Claim(first.channel)
    told: list[object] = []
    second.order().addCallback(told.append)
    table.claims.trying(first, table.server)
    assert told == []
    assert table.claims.connected(first)
    assert told == [Dial(second.channel, table.server)]


def test_orders_that_come_before_they_are_asked_for_are_kept_in_turn() -> None:
    table = Table()
    seat = table.pinned()
    late = table.seat(role="data")
    table.claims.end(seat.session, "killed")
    assert taken(late) == Dial(late.channel, table.server)
    assert taken(late) == Stop(late.channel, "killed")


def test_a_refusal_has_its_word() -> None:
    table = Table(capacity=1)
    table.seat()
    with pytest.raises(Ended, match="unkeyed"):
        now(table.claims.claim(GROUP, None, "control"))
    with pytest.raises(Ended, match="table-full"):
        table.seat("2")


def test_a_stop_goes_to_whoever_joined_the_channel() -> None:
    table = Table()
    seat = table.pinned()
    stopped: list[str] = []
    seat.on_stop = stopped.append
    table.claims.end_all("killed")
    assert stopped == ["killed"]
    assert table.endings == ["killed"]


def test_a_drop_interrupts_the_attempt_and_leaves_no_order_behind() -> None:
    """The server that is being asked went down: the claimant tries the next."""
    table = Table()
    seat = table.seat()
    assert taken(seat) == Claim(seat.channel)
    table.claims.trying(seat, table.server)
    attempt: Deferred[End] = Deferred()
    failed = attempt.addErrback(lambda failure: failure.trap(CancelledError))
    seat.attempting(attempt)
    waiting: list[object] = []
    seat.order().addCallback(waiting.append)
    table.claims.unavailable(table.server)
    assert failed.called and seat.interrupted
    assert waiting == []
    assert seat.channel.place is Place.CLAIMING


def test_a_stop_interrupts_the_attempt_and_is_the_next_order() -> None:
    table = Table()
    seat = table.seat()
    assert taken(seat) == Claim(seat.channel)
    table.claims.trying(seat, table.server)
    attempt: Deferred[End] = Deferred()
    attempt.addErrback(lambda failure: failure.trap(CancelledError))
    seat.attempting(attempt)
    table.claims.end(seat.session, "killed")
    assert seat.interrupted
    assert taken(seat) == Stop(seat.channel, "killed")


def test_a_drop_without_an_attempt_is_no_interruption() -> None:
    table = Table()
    seat = table.seat()
    seat.hand(Drop(seat.channel))
    assert not seat.interrupted
    assert taken(seat) == Claim(seat.channel)


def test_an_order_for_a_channel_that_left_meanwhile_is_nobody_s() -> None:
    """The first one that is stopped takes the second along before its own order comes."""
    table = Table()
    first = table.pinned()
    second = table.seat(role="data")
    stopped: list[str] = []
    first.on_stop = lambda word: table.claims.left(second, word)
    second.on_stop = stopped.append
    table.claims.end(first.session, "killed")
    assert stopped == []


def test_leaving_twice_does_no_harm() -> None:
    table = Table()
    seat = table.pinned()
    table.claims.left(seat, "server-closed")
    table.claims.left(seat, "server-closed")
    assert table.endings == ["server-down"]
    assert table.server.connections == table.server.sessions == 0


def test_the_claimant_leaves_and_the_one_who_waited_longest_claims() -> None:
    table = Table()
    first, second, third = table.seat(), table.seat(role="data"), table.seat(role="data")
    table.claims.left(first, "client-left")
    assert taken(second) == Claim(second.channel)
    told: list[object] = []
    third.order().addCallback(told.append)
    assert told == []


def test_an_answer_to_an_attempt_that_no_longer_counts_is_refused() -> None:
    table = Table()
    seat = table.seat()
    table.claims.trying(seat, table.server)
    table.claims.unavailable(table.server)
    assert not table.claims.connected(seat)


def test_no_candidate_ends_the_session_and_stops_all_who_wait() -> None:
    table = Table()
    first, second = table.seat(), table.seat(role="data")
    assert taken(first) == Claim(first.channel)
    table.claims.trying(first, table.server)
    table.claims.refused(first)
    table.claims.exhausted(first)
    for seat in (first, second):
        assert taken(seat) == Stop(seat.channel, "no-server")
    assert table.endings == ["no-server"]


def test_one_timer_serves_all_lingering_sessions_each_in_its_time() -> None:
    table = Table()
    group = Group("h", "pool", linger=60.0)
    for number in (1, 2):
        seat = table.seat(str(number), "any", group)
        table.claims.trying(seat, table.server)
        table.claims.connected(seat)
        table.claims.left(seat, "done")
        table.clock.advance(10)
    [timer] = table.clock.getDelayedCalls()
    assert timer.getTime() == 60.0
    assert [s.state for s in table.claims.sessions] == [State.LINGERING] * 2
    table.clock.advance(40)
    assert table.endings == ["done"]
    [timer] = table.clock.getDelayedCalls()
    assert timer.getTime() == 70.0
    table.clock.advance(10)
    assert table.endings == ["done", "done"]
    assert not table.clock.getDelayedCalls()
    assert {type(fact) for fact in table.facts} == {SessionEnded}
    assert [(f.server, f.seconds, f.channels) for f in table.facts] == [  # type: ignore[union-attr]
        ("pool/a", 60.0, 1),
        ("pool/a", 60.0, 1),
    ]


def test_a_nearer_end_winds_the_timer_back() -> None:
    """The grace of a session that loses its principal is shorter than another's linger."""
    table = Table()
    group = Group("h", "pool", linger=60.0)
    lingering = table.seat("1", "any", group)
    table.claims.trying(lingering, table.server)
    table.claims.connected(lingering)
    table.claims.left(lingering, "done")
    control, data = table.pinned("2"), table.seat("2", "data")
    data.on_stop = lambda word: None
    assert table.claims.connected(data)
    table.claims.left(control, "client-left")
    [timer] = table.clock.getDelayedCalls()
    assert timer.getTime() == 10.0
    stopped: list[str] = []
    data.on_stop = stopped.append
    table.clock.advance(10)
    assert stopped == ["client-left"]


def test_a_session_that_returns_stops_its_timer() -> None:
    table = Table()
    group = Group("h", "pool", linger=60.0)
    seat = table.seat("1", "any", group)
    table.claims.trying(seat, table.server)
    table.claims.connected(seat)
    table.claims.left(seat, "done")
    back = table.seat("1", "any", group)
    assert back.session is seat.session
    assert not table.clock.getDelayedCalls()


def test_a_server_that_dies_ends_its_sessions_and_only_those() -> None:
    table = Table()
    seat = table.pinned("1")
    other = Server("pool", "b", "192.0.2.2")
    elsewhere = table.seat("2")
    table.claims.trying(elsewhere, other)
    table.claims.connected(elsewhere)
    stopped: list[str] = []
    seat.on_stop = elsewhere.on_stop = stopped.append
    table.claims.down(table.server, end=True)
    assert stopped == ["server-down"]
    table.claims.evict(other, "drained")
    assert stopped == ["server-down", "drained"]
    assert table.endings == ["server-down", "drained"]


def test_stopping_leaves_no_timer() -> None:
    table = Table()
    table.claims.stop()
    seat = table.seat("1", "any", Group("h", "pool", linger=60.0))
    table.claims.trying(seat, table.server)
    table.claims.connected(seat)
    table.claims.left(seat, "done")
    assert table.clock.getDelayedCalls()
    table.claims.stop()
    table.claims.stop()
    assert not table.clock.getDelayedCalls()


def test_a_channel_that_its_session_announced_has_a_seat_in_it() -> None:
    table = Table()
    seat = table.pinned()
    data = table.claims.join(seat.session, "data")
    assert taken(data) == Dial(data.channel, table.server)
    table.claims.end(seat.session, "killed")
    with pytest.raises(Ended, match="killed"):
        table.claims.join(seat.session, "data")
