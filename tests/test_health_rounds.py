"""Work that is done again and again, and stops when it is told to."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from twisted_lb.health.rounds import AFTER_FAILURE, Rounds

from .conftest import Errors


class Work:
    """Notes when its turns begin; each takes until the test ends it."""

    def __init__(self, clock: Clock, period: float) -> None:
        self.clock = clock
        self.period = period
        self.begun: list[float] = []
        self.pending: Deferred[None] | None = None
        self.slow = False

    async def __call__(self) -> float:
        self.begun.append(self.clock.seconds())
        if self.slow:
            self.pending = Deferred()
            await self.pending
        return self.period


@pytest.fixture
def clock() -> Clock:
    return Clock()


def started(clock: Clock, work: Any, delay: float = 0.0) -> Rounds:
    rounds = Rounds(clock)
    rounds.add(work, delay)
    rounds.startService()
    return rounds


def test_the_first_turn_comes_after_its_delay_and_the_next_ones_each_period(clock: Clock) -> None:
    work = Work(clock, 10.0)
    started(clock, work, 3.0)
    clock.pump([1.0] * 25)
    assert work.begun == [3.0, 13.0, 23.0]


def test_the_period_is_from_start_to_start(clock: Clock) -> None:
    work = Work(clock, 10.0)
    work.slow = True
    started(clock, work)
    clock.advance(0)
    clock.advance(4)
    assert work.pending is not None
    work.pending.callback(None)
    clock.advance(6)
    assert work.begun == [0.0, 10.0]


def test_a_turn_never_begins_before_the_last_one_ended(clock: Clock) -> None:
    work = Work(clock, 1.0)
    work.slow = True
    started(clock, work)
    clock.pump([0, 5, 5, 5])
    assert work.begun == [0.0]
    assert work.pending is not None
    work.pending.callback(None)
    clock.advance(0.05)
    assert work.begun == [0.0, 15.05]


def test_stopping_cancels_the_turn_under_way_and_leaves_nothing(clock: Clock) -> None:
    work = Work(clock, 1.0)
    work.slow = True
    idle = Work(clock, 1.0)
    rounds = Rounds(clock)
    rounds.add(work, 0.0)
    rounds.add(idle, 99.0)
    rounds.startService()
    clock.advance(0)
    stopped: list[object] = []
    rounds.stopService().addCallback(stopped.append)
    assert len(stopped) == 1 and clock.getDelayedCalls() == [] and idle.begun == []


def test_stopping_waits_for_a_turn_that_cleans_up(clock: Clock) -> None:
    cleaned: Deferred[None] = Deferred()

    async def untidy() -> float:
        try:
            await Deferred()
        finally:
            await cleaned
        return 1.0

    rounds = started(clock, untidy)
    clock.advance(0)
    stopped: list[object] = []
    rounds.stopService().addCallback(stopped.append)
    assert not stopped
    cleaned.callback(None)
    assert len(stopped) == 1


def test_a_turn_that_fails_to_clean_up_does_not_hold_up_the_stop(
    clock: Clock, clean_reactor: Errors
) -> None:
    async def broken() -> float:
        try:
            await Deferred()
        finally:
            raise RuntimeError("a bug")

    rounds = started(clock, broken)
    clock.advance(0)
    stopped: list[object] = []
    rounds.stopService().addCallback(stopped.append)
    assert len(stopped) == 1 and clock.getDelayedCalls() == []
    assert len(clean_reactor.seen) == 1
    clean_reactor.seen.clear()


def test_it_can_be_started_again(clock: Clock) -> None:
    work = Work(clock, 1.0)
    rounds = started(clock, work)
    clock.advance(0)
    rounds.stopService()
    rounds.startService()
    clock.advance(0)
    assert work.begun == [0.0, 0.0]


def test_a_turn_that_raises_is_logged_and_the_round_goes_on(
    clock: Clock, clean_reactor: Errors
) -> None:
    turns: list[float] = []

    async def broken() -> float:
        turns.append(clock.seconds())
        raise RuntimeError("a bug")

    rounds = started(clock, broken)
    clock.pump([0, AFTER_FAILURE])
    rounds.stopService()
    assert turns == [0.0, AFTER_FAILURE]
    assert ["a bug" in traceback for traceback in clean_reactor.seen] == [True, True]
    clean_reactor.seen.clear()
