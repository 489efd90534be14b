"""When a server's standing flips, and how soon it is asked again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.config.settings import Check
from twisted_lb.health.thresholds import Change, Judge

CHECK = Check(rise=2, fall=3, interval=10.0, fast_interval=1.0)


def saw(judge: Judge, *verdicts: bool) -> list[Change | None]:
    return [judge.saw(ok, f"verdict {n}") for n, ok in enumerate(verdicts)]


def test_a_server_goes_down_after_fall_failures_in_a_row() -> None:
    judge = Judge(CHECK)
    assert saw(judge, False, False, False) == [None, None, Change(False, "verdict 2")]
    assert not judge.up


def test_one_success_in_between_starts_the_row_again() -> None:
    assert not any(saw(Judge(CHECK), False, False, True, False, False))


def test_a_server_comes_up_after_rise_successes_in_a_row() -> None:
    judge = Judge(CHECK, up=False)
    assert saw(judge, True, False, True, True) == [None, None, None, Change(True, "verdict 3")]
    assert judge.up


def test_what_is_known_already_is_no_change() -> None:
    assert not any(saw(Judge(CHECK), True, True, True))
    assert not any(saw(Judge(CHECK, up=False), False, False, False, False))


def test_checks_follow_faster_while_a_change_is_under_way() -> None:
    judge = Judge(CHECK)
    intervals = []
    for ok in (True, False, True, False, False, False, False, True, True):
        judge.saw(ok, "")
        intervals.append(judge.interval())
    assert intervals == [10.0, 1.0, 10.0, 1.0, 1.0, 10.0, 10.0, 1.0, 10.0]


@given(st.integers(1, 4), st.integers(1, 4), st.lists(st.booleans(), max_size=40))
def test_every_flip_has_its_full_row_behind_it(rise: int, fall: int, story: list[bool]) -> None:
    judge = Judge(Check(rise=rise, fall=fall))
    for n, ok in enumerate(story):
        change = judge.saw(ok, "")
        if change is not None:
            row = story[max(0, n + 1 - (rise if ok else fall)) : n + 1]
            assert change.up is ok and row == [ok] * (rise if ok else fall)
