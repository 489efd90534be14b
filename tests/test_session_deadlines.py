"""When sessions are due: always the next one, and never more memory than sessions that wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.sessiontable import OPAQUE
from twisted_lb.session import Session
from twisted_lb.session.deadlines import SLACK, Deadlines


def sessions(count: int) -> list[Session]:
    return [Session(str(number), OPAQUE, 0.0) for number in range(count)]


def drain(deadlines: Deadlines, now: float) -> list[Session]:
    due = []
    while (session := deadlines.pop(now)) is not None:
        due.append(session)
    return due


@given(st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 5)), max_size=200))
def test_whoever_is_due_comes_in_order_and_once(steps: list[tuple[int, int | None]]) -> None:
    deadlines, all_ = Deadlines(), sessions(10)
    for which, due in steps:
        if due is None:
            deadlines.clear(all_[which])
        else:
            deadlines.set(all_[which], float(due))
    dues = {session: session.due for session in all_ if session.due is not None}
    assert deadlines.next() == min(dues.values(), default=None)
    early = drain(deadlines, 2.0)
    assert set(early) == {session for session, due in dues.items() if due <= 2}
    late = drain(deadlines, 9.0)
    assert {*early, *late} == dues.keys()
    assert [dues[session] for session in early + late] == sorted(dues.values())
    assert (deadlines.next(), len(deadlines)) == (None, 0)
    assert all(session.due is None for session in all_)


def test_one_that_lingers_and_returns_for_ever_costs_no_more_than_one() -> None:
    """A client may open and close a connection thousands of times within one linger."""
    deadlines, (session,) = Deadlines(), sessions(1)
    for number in range(10_000):
        deadlines.set(session, 60.0 + number / 1000)
        deadlines.clear(session)
        assert len(deadlines) <= 2 + SLACK


def test_a_clock_that_stands_still_makes_no_difference() -> None:
    deadlines, (session,) = Deadlines(), sessions(1)
    for _ in range(1000):
        deadlines.set(session, 60.0)
    assert len(deadlines) <= 2 + SLACK
    assert drain(deadlines, 60.0) == [session]


def test_sweeping_is_rare_when_many_wait() -> None:
    """As many outdated entries are kept as there are sessions that wait, and SLACK more."""
    deadlines, all_ = Deadlines(), sessions(1000)
    for turn in range(5):
        for session in all_:
            deadlines.set(session, 60.0 + turn)
        assert 1000 <= len(deadlines) <= 2 * 1000 + SLACK
    assert set(drain(deadlines, 64.0)) == set(all_)


def test_sweeping_keeps_the_deadline_that_counts() -> None:
    """A linger of an hour was followed by a grace of ten seconds, or by nothing."""
    deadlines, all_ = Deadlines(), sessions(3 * SLACK)
    for number, session in enumerate(all_):
        deadlines.set(session, 3600.0)
        if number % 2:
            deadlines.set(session, 10.0)
        else:
            deadlines.clear(session)
    deadlines.set(all_[0], 3600.0)
    assert len(deadlines) < 2 * len(all_)
    assert set(drain(deadlines, 10.0)) == set(all_[1::2])
    assert drain(deadlines, 3600.0) == [all_[0]]
