"""`startups` is read as sshd's MaxStartups, and written back as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.config.settings import Startups
from twisted_lb.config.startups import STARTUPS
from twisted_lb.config.values import Refused


def test_three_numbers_are_the_curve() -> None:
    assert STARTUPS.read("10:30:100") == Startups(10, 30, 100)


@pytest.mark.parametrize(
    "raw", [10, "10", "10:30", "a:b:c", "10:30:100:", "-1:30:100", "10 :30:100", "１:30:100", None]
)
def test_anything_else_is_refused(raw: object) -> None:
    with pytest.raises(Refused):
        STARTUPS.read(raw)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("0:30:100", "the first number is not from 1 to the last one"),
        ("101:30:100", "the first number is not from 1 to the last one"),
        ("10:0:100", "not a percentage from 1 to 100"),
        ("10:101:100", "not a percentage from 1 to 100"),
    ],
)
def test_a_curve_that_does_not_rise_is_refused_with_its_reason(raw: str, why: str) -> None:
    with pytest.raises(Refused) as refused:
        STARTUPS.read(raw)
    assert why in STARTUPS.explain(raw, refused.value.why)


@given(st.integers(1, 9_999_999), st.integers(1, 100), st.integers(0, 1000))
def test_what_is_shown_is_read_again(start: int, rate: int, more: int) -> None:
    startups = Startups(start, rate, min(start + more, 9_999_999))
    assert STARTUPS.read(STARTUPS.show(startups)) == startups
