"""A session is idle when none of its channels moved a byte; a stalled channel has its own time."""

from __future__ import annotations

import attrs
import pytest
from twisted.internet.task import Clock

from twisted_lb.config.settings import Group
from twisted_lb.relay import Idle
from twisted_lb.session import Session


@attrs.define(eq=False)
class Moving:
    """A channel that remembers when it last moved a byte."""

    moved: float = 0.0
    stopped: list[str] = attrs.field(factory=list)
    took: float | None = None
    """When the next look finds that its peer took bytes."""
    looks: int = 0

    def look(self) -> None:
        self.looks += 1
        if self.took is not None:
            self.moved, self.took = self.took, None

    def stop(self, word: str) -> None:
        self.stopped.append(word)


class Watch:
    """Idle on a clock, and whom it ended."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ended: list[tuple[str, str]] = []
        self.idle = Idle(self.clock, lambda session, word: self.ended.append((session.id, word)))
        self.idle.start()

    def session(self, name: str = "s", idle: float | None = 60.0) -> Session:
        return Session(name, Group("g", "pool", idle=idle), 0.0)

    def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)


def test_a_session_of_which_nothing_moves_ends() -> None:
    watch = Watch()
    watch.idle.watch(watch.session(), Moving())
    watch.passes(60)
    assert watch.ended == []
    watch.passes(1)
    assert watch.ended == [("s", "idle")]


def test_any_channel_keeps_the_whole_session_alive() -> None:
    """A control channel is never idle while its data channel works."""
    watch, session = Watch(), Watch().session()
    control, data = Moving(), Moving()
    watch.idle.watch(session, control)
    watch.idle.watch(session, data)
    for _ in range(10):
        watch.passes(50)
        data.moved = watch.clock.seconds()
    assert watch.ended == []
    watch.passes(61)
    assert watch.ended == [("s", "idle")]


def test_what_a_channel_moved_counts_when_it_is_over() -> None:
    watch, session = Watch(), Watch().session()
    data = Moving()
    watch.idle.watch(session, Moving())
    watch.idle.watch(session, data)
    watch.passes(50)
    data.moved = watch.clock.seconds()
    watch.idle.unwatch(session, data)
    watch.passes(60)
    assert watch.ended == []
    watch.passes(1)
    assert watch.ended == [("s", "idle")]


def test_a_session_that_nobody_watches_any_more_is_forgotten() -> None:
    watch, session = Watch(), Watch().session()
    channel = Moving()
    watch.idle.watch(session, channel)
    watch.idle.unwatch(session, channel)
    watch.idle.unwatch(session, channel)
    watch.passes(100)
    assert watch.ended == []


def test_unwatching_another_s_channel_changes_nothing() -> None:
    watch, session = Watch(), Watch().session()
    watch.idle.watch(session, Moving())
    watch.idle.unwatch(session, Moving())
    watch.passes(61)
    assert watch.ended == [("s", "idle")]


def test_a_stalled_channel_is_stopped_and_the_others_go_on() -> None:
    watch, session = Watch(), Watch().session(idle=None)
    stalled, patient = Moving(), Moving()
    watch.idle.watch(session, stalled, stall=30.0)
    watch.idle.watch(session, patient)
    watch.passes(31)
    assert (stalled.stopped, patient.stopped) == (["idle"], [])
    assert watch.ended == []


def test_a_session_without_an_idle_time_may_be_silent_for_days() -> None:
    """Terminals are."""
    watch = Watch()
    watch.idle.watch(watch.session(idle=None), Moving())
    for _ in range(72):
        watch.clock.advance(3600)
    assert watch.ended == []


def test_a_session_that_comes_back_is_not_idle_for_the_time_it_was_away() -> None:
    watch, session = Watch(), Watch().session()
    first = Moving()
    watch.idle.watch(session, first)
    watch.idle.unwatch(session, first)
    watch.passes(500)
    watch.idle.watch(session, Moving(moved=watch.clock.seconds()))
    watch.passes(10)
    assert watch.ended == []


def test_looking_leaves_nothing_behind() -> None:
    watch = Watch()
    watch.idle.stop()
    watch.idle.stop()
    assert not watch.clock.getDelayedCalls()


# -- a peer that takes its time --------------------------------------------------------------------


def test_a_channel_whose_peer_takes_bytes_is_not_stalled() -> None:
    """Nothing comes for minutes while a slow reader lives off what is buffered."""
    watch, session = Watch(), Watch().session(idle=None)
    slow = Moving()
    watch.idle.watch(session, slow, stall=30.0)
    for _ in range(20):
        watch.passes(29)
        slow.took = watch.clock.seconds()
    assert slow.stopped == []
    watch.passes(40)
    assert slow.stopped[0] == "idle"


def test_a_session_whose_peer_takes_bytes_is_not_idle() -> None:
    watch, session = Watch(), Watch().session()
    slow = Moving()
    watch.idle.watch(session, slow)
    for _ in range(10):
        watch.passes(55)
        slow.took = watch.clock.seconds()
    assert watch.ended == []


def test_who_waits_for_long_is_looked_at_seldom() -> None:
    """A hundred thousand sessions are swept each second: nearly all are passed over."""
    watch = Watch()
    patient, endless = Moving(), Moving()
    watch.idle.watch(watch.session(idle=3600.0), patient)
    watch.idle.watch(watch.session("t", idle=None), endless)
    watch.passes(3000)
    assert patient.looks <= 6
    assert endless.looks <= 2


def test_a_sweep_has_an_end_and_everybody_has_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions that came all at once are not looked at all at once: nobody else would be served."""
    monkeypatch.setattr("twisted_lb.relay.idle.LOOKS_MOST", 10)
    watch = Watch()
    crowd = [Moving() for _ in range(30)]
    for number, mover in enumerate(crowd):
        watch.idle.watch(watch.session(str(number)), mover)
    watch.passes(1)
    assert sum(mover.looks for mover in crowd) == 10
    watch.passes(2)
    assert {mover.looks for mover in crowd} == {1}
