"""A server that drains has its time, and no longer."""

from __future__ import annotations

from twisted.internet.task import Clock

from twisted_lb.drains import Drains
from twisted_lb.terms import Server

A, B = Server("pool", "a", "10.0.0.1"), Server("pool", "b", "10.0.0.2")


class Draining:
    """Deadlines on a clock, and who was evicted."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.evicted: list[Server] = []
        self.drains = Drains(self.clock, self.evicted.append)


def test_a_server_is_evicted_when_its_time_is_over() -> None:
    draining = Draining()
    draining.drains.begin(A, 60.0)
    draining.clock.advance(59.9)
    assert draining.evicted == []
    draining.clock.advance(0.1)
    assert draining.evicted == [A]


def test_without_a_deadline_nobody_is_evicted() -> None:
    draining = Draining()
    draining.drains.begin(A, None)
    assert not draining.clock.getDelayedCalls()


def test_saying_it_twice_gives_no_more_time() -> None:
    draining = Draining()
    draining.drains.begin(A, 60.0)
    draining.clock.advance(30.0)
    draining.drains.begin(A, 60.0)
    draining.clock.advance(30.0)
    assert draining.evicted == [A]


def test_a_server_that_is_ready_again_is_let_be_and_the_others_are_not() -> None:
    draining = Draining()
    for server in (A, B):
        draining.drains.begin(server, 60.0)
    draining.drains.forget(A)
    draining.drains.forget(A)
    draining.clock.advance(60.0)
    assert draining.evicted == [B]


def test_a_stop_leaves_no_timer() -> None:
    draining = Draining()
    draining.drains.begin(A, 60.0)
    draining.drains.stop()
    assert not draining.clock.getDelayedCalls()
