"""Durations and sizes are written with a unit, and a number without one is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.configs import explained, refusal
from twisted_lb.config.units import duration, size

DURATION = duration(0.001)
SIZE = size(1, 1 << 30)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("300ms", 0.3),
        ("60s", 60.0),
        ("15m", 900.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("1.5h", 5400.0),
        ("1h30m", 5400.0),
        ("1 h 30 m", 5400.0),
        ("0.001s", 0.001),
    ],
)
def test_a_duration_is_read_in_seconds(written: str, seconds: float) -> None:
    assert DURATION.read(written) == seconds


def test_a_bare_number_is_told_to_take_a_unit() -> None:
    assert refusal(DURATION, 60) == (
        'wants a duration, as "60s"; 60 has no unit: add one of d, h, m, s, ms'
    )


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("60", "60 has no unit: add one of d, h, m, s, ms"),
        ("s", 'got "s"'),
        ("-5s", '"-5s" is negative'),
        ("5 fortnights", 'there is no unit "fortnights", but d, h, m, s, ms'),
        ("0s", '"0s" is not between 1ms and 3650d'),
        ("9999999999d", '"9999999999d" is not between 1ms and 3650d'),
        (True, "got true"),
        ("٣s", 'got "٣s"'),
    ],
)
def test_what_is_no_duration_is_refused(raw: object, why: str) -> None:
    assert refusal(DURATION, raw).endswith(f"; {why}")


@given(st.floats(0.001, 3650 * 86400))
def test_a_duration_is_written_so_that_it_reads_the_same(seconds: float) -> None:
    assert DURATION.read(DURATION.show(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.0, "0s"), (0.5, "500ms"), (90.0, "90s"), (86400.0, "1d"), (0.00012, "0.00012s")],
)
def test_a_duration_is_written_in_the_largest_unit_that_fits(seconds: float, written: str) -> None:
    assert duration().show(seconds) == written


@pytest.mark.parametrize(
    ("written", "amount"), [("64KiB", 65536), ("64kB", 64000), ("1MiB", 1 << 20), ("7B", 7)]
)
def test_a_size_is_read_in_bytes(written: str, amount: int) -> None:
    assert SIZE.read(written) == amount


def test_a_size_outside_its_bounds_is_refused() -> None:
    assert refusal(size(1024, 2048), "3KiB").endswith('"3KiB" is not between 1KiB and 2KiB')


def test_a_size_without_a_unit_is_refused() -> None:
    assert refusal(SIZE, 65536).endswith("65536 has no unit: add one of B, kB, KiB, MB, MiB")


@given(st.integers(1, 1 << 30))
def test_a_size_is_written_so_that_it_reads_the_same(amount: int) -> None:
    assert SIZE.read(SIZE.show(amount)) == amount


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.dates()))
def test_no_value_breaks_a_reader(raw: object) -> None:
    for kind in (DURATION, SIZE):
        assert explained(kind, raw)[:6] in ("", "wants ")
