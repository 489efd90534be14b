"""PROXY version 1: the strict line, judged as early as its bytes allow (attack 16)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.errors import WireError
from twisted_lb.terms import MORE, Address
from twisted_lb.wire.proxyline import MAX, parse_line

from .splits import settled, verdict

LINE4 = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"
ENDS4 = (Address("192.0.2.1", 56324), Address("198.51.100.2", 443))


@pytest.mark.parametrize(
    ("line", "ends"),
    [
        (LINE4, ENDS4),
        (
            b"PROXY TCP6 2001:DB8::1 2001:db8:0:0:0:0:0:2 0 65535\r\n",
            (Address("2001:db8::1", 0), Address("2001:db8::2", 65535)),
        ),
        (
            b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c633:6402 56324 443\r\n",
            ENDS4,
        ),
        (b"PROXY UNKNOWN\r\n", ()),
        (b"PROXY UNKNOWN anything \xff\x00\n goes\r\n", ()),
        (b"PROXY UNKNOWN ".ljust(MAX - 2, b"f") + b"\r\n", ()),
    ],
)
def test_a_right_line_is_read_at_its_last_byte(line: bytes, ends: object) -> None:
    """And not a byte of what follows: a second header is payload."""
    assert settled(parse_line, line + LINE4) == (len(line), (ends, len(line)))


@pytest.mark.parametrize(
    ("line", "at"),
    [
        # The byte at which no line can come of it any more, counted from 1.
        (b"GET / HTTP/1.1\r\n", 1),
        (b"\xff", 1),
        (b"proxy TCP4", 1),
        (b"PROXX", 5),
        (b"PROXY  TCP4", 7),
        (b"PROXY TCP5", 10),
        (b"PROXY UDP4", 8),
        (b"PROXY\r\n", 6),
        (b"PROXY UNKNOWNS\r\n", 14),
        (b"PROXY UNKNOWN\rx", 15),
        (b"PROXY UNKNOWN".ljust(MAX + 1, b" "), MAX - 1),
        (LINE4[:-2] + b"\n", len(LINE4) - 1),
        (LINE4[:-2] + b" \r\n", len(LINE4) - 1),
        (LINE4[:-1] + b"\r", len(LINE4)),
        (b"PROXY TCP4  192.0.2.1", 12),
        (b"PROXY TCP4 192.0.2.01 ", 22),
        (b"PROXY TCP4 192.0.2.256 ", 23),
        (b"PROXY TCP4 192.0.2 ", 19),
        (b"PROXY TCP4 2001:db8::1 ", 23),
        (b"PROXY TCP4 host", 12),
        (b"PROXY TCP4 \xd9\xa1", 12),
        (b"PROXY TCP6 192.0.2.1 ", 21),
        (b"PROXY TCP6 fe80::1%eth0", 19),
        (b"PROXY TCP6 1::2::3 ", 19),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 056 443", 38),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 65536 443", 40),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 123456 443", 41),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 -1 443", 35),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 1 a\r\n", 38),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n", 36),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 1 \r\n", 37),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n", 38),
    ],
)
def test_a_wrong_line_is_refused_at_its_first_wrong_byte(line: bytes, at: int) -> None:
    assert settled(parse_line, line) == (at, WireError)


def test_a_line_of_107_bytes_is_the_longest() -> None:
    line = b"PROXY UNKNOWN ".ljust(MAX - 2, b" ")
    assert verdict(parse_line, line + b"\r") is MORE
    assert verdict(parse_line, line + b"\r\n") == ((), MAX)
    assert verdict(parse_line, line + b" \r\n") is WireError


@given(
    st.integers(0, len(LINE4)),
    st.integers(0, 3),
    st.binary(max_size=4),
)
def test_a_mutated_line_has_one_verdict_for_every_split(at: int, cut: int, put: bytes) -> None:
    settled(parse_line, LINE4[:at] + put + LINE4[at + cut :] + b"payload")
