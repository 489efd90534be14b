"""Telnet's commands inside FTP's control bytes: dropped, left alone, and never a burden."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.wire.telnet import SUBNEGOTIATION_MOST, TelnetFilter


def filtered(*pieces: bytes) -> bytes:
    telnet = TelnetFilter()
    return b"".join(map(telnet.take, pieces))


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        (b"NOOP\r\n", b"NOOP\r\n"),
        (b"\xff\xf4\xff\xf2ABOR\r\n", b"\xff\xf2ABOR\r\n"),  # IP; DM is the reader's
        (b"\xf4\xffABOR", b"\xf4\xffABOR"),  # not IAC IP: Latin-1, then a lone IAC
        (b"\xff\xfb\x01\xff\xfc\x01\xff\xfd\xff\xff\xfe\x01NOOP", b"NOOP"),  # options, one is 255
        (b"\xff\xfa\x18\x00VT100\r\n\xff\xf0NOOP", b"NOOP"),  # SB TERMINAL-TYPE IS … SE
        (b"\xff\xfa\x18a\xff\xffb\xff\xf0NOOP", b"NOOP"),  # IAC IAC inside
        (b"RETR caf\xff\xff", b"RETR caf\xff\xff"),
        (b"RETR \xff\xff\xff\xff\xff\xf4x", b"RETR \xff\xff\xff\xffx"),
        (b"RETR \xffe", b"RETR \xffe"),  # a Latin-1 letter
        (b"\xff\xf1x", b"\xff\xf1x"),  # IAC NOP: left, as servers leave it
        (b"RETR \xff", b"RETR "),  # kept until it is known what follows
    ],
)
def test_commands_of_telnet_are_dropped_and_letters_kept(sent: bytes, left: bytes) -> None:
    """T14, T19, T57."""
    assert filtered(sent) == left
    assert filtered(*(sent[i : i + 1] for i in range(len(sent)))) == left


@given(
    st.lists(
        st.sampled_from([b"\xff", b"\xfa", b"\xf0", b"\xf4", b"\xfd", b"a", b"\r\n"])
        | st.just(b"\xff\xfa" + b"x" * (SUBNEGOTIATION_MOST - 1)),
        max_size=12,
    ).map(b"".join),
    st.lists(st.integers(0, 20_000), max_size=4),
)
def test_segments_do_not_matter(data: bytes, cuts: list[int]) -> None:
    """Attack 9: IAC split anywhere."""
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    assert filtered(*pieces) == filtered(data)


def test_a_subnegotiation_that_does_not_end_spoils_one_line_only() -> None:
    """Attack 9: SB without SE leaves a NUL, for which the line is refused."""
    flood = b"\xff\xfa" + b"\x18" * SUBNEGOTIATION_MOST
    assert filtered(flood + b"x\r\nNOOP\r\n") == b"\0x\r\nNOOP\r\n"
    assert filtered(*(flood[i : i + 1] for i in range(len(flood))), b"x\r\n") == b"\0x\r\n"


def test_the_longest_subnegotiation_is_dropped_whole() -> None:
    inside = b"x" * (SUBNEGOTIATION_MOST - 2)
    for sent, left in (
        (b"\xff\xfa" + inside + b"\xff\xf0NOOP", b"NOOP"),
        (b"\xff\xfa" + inside + b"x\xff\xf0NOOP", b"\0\xf0NOOP"),
    ):
        assert filtered(sent) == left
        assert filtered(*(sent[i : i + 1] for i in range(len(sent)))) == left


def test_a_flood_of_doubled_bytes_comes_through_as_it_is() -> None:
    """Attack 9, small: FF FF; whatever the segments."""
    flood = b"\xff\xff" * 50_000
    assert filtered(flood) == flood
    assert filtered(*(flood[i : i + 777] for i in range(0, len(flood), 777))) == flood


def test_a_flood_of_options_leaves_nothing() -> None:
    """Attack 9, small."""
    assert filtered(b"\xff\xfb\x01" * 50_000) == b""
