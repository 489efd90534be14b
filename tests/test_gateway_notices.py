"""The notification channel's lines: read as they are written, and nothing else is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.errors import WireError
from twisted_lb.gateway.notices import (
    LINE_MOST,
    Cancel,
    Closing,
    Failed,
    HostConnected,
    Notice,
    Notices,
    Ping,
    Pong,
    Ready,
    Replies,
    Reply,
    TransferOver,
    write,
)
from twisted_lb.terms import ENDINGS, MORE

NUMBERS = st.integers(1024, 65_535)
WORDS = st.sampled_from(sorted(ENDINGS))
NOTICES = st.one_of(
    st.builds(Ready, NUMBERS),
    st.builds(HostConnected, NUMBERS),
    st.builds(Failed, NUMBERS, WORDS),
    st.builds(TransferOver, NUMBERS, st.integers(0, 10**19 - 1)),
    st.builds(Closing, WORDS),
    st.just(Ping()),
)
REPLIES = st.just(Pong()) | st.builds(Cancel, NUMBERS)


def heard(reader: Notices | Replies, *pieces: bytes) -> list[Any]:
    """Every line that comes of the pieces; the last is WireError when it ends so."""
    lines: list[Any] = []
    for piece in pieces:
        reader.feed(piece)
        try:
            while (line := reader.next()) is not MORE:
                lines.append(line)
        except WireError:
            return [*lines, WireError]
    return lines


@pytest.mark.parametrize(
    ("line", "spelt"),
    [
        (Ready(1024), b"TRANSFER 1024 passive-ready\r\n"),
        (HostConnected(1025), b"TRANSFER 1025 host-connected\r\n"),
        (Failed(1024, "too-slow"), b"TRANSFER 1024 failed too-slow\r\n"),
        (TransferOver(65535, 0), b"TRANSFER 65535 ended 0\r\n"),
        (Closing("server-down"), b"SESSION closing server-down\r\n"),
        (Ping(), b"PING\r\n"),
        (Pong(), b"PONG\r\n"),
        (Cancel(1025), b"CANCEL 1025\r\n"),
    ],
)
def test_each_line_has_one_spelling(line: Notice | Reply, spelt: bytes) -> None:
    reader = Replies() if isinstance(line, Reply) else Notices()
    assert write(line) == spelt
    assert heard(reader, spelt) == [line]


@given(st.lists(NOTICES, max_size=5), st.integers(1, 9))
def test_the_client_reads_what_the_proxy_writes(notices: list[Notice], size: int) -> None:
    data = b"".join(map(write, notices))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert heard(Notices(), *pieces) == notices


@given(st.lists(REPLIES, max_size=5), st.integers(1, 9))
def test_the_proxy_reads_what_the_client_writes(replies: list[Reply], size: int) -> None:
    data = b"".join(map(write, replies))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert heard(Replies(), *pieces) == replies


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"ping",
        b"PING ",
        b" PING",
        b"PING\n",
        b"PING\xff",
        b"PONG",
        b"CANCEL 1024",
        b"TRANSFER 1023 passive-ready",
        b"TRANSFER 65536 passive-ready",
        b"TRANSFER 01024 passive-ready",
        b"TRANSFER 1024",
        b"TRANSFER 1024 ready",
        b"TRANSFER 1024 failed",
        b"TRANSFER 1024 failed nonsense",
        b"TRANSFER 1024 ended",
        b"TRANSFER 1024 ended 01",
        b"TRANSFER 1024 ended -1",
        b"TRANSFER 1024 ended " + b"9" * 20,
        b"TRANSFER " + b"1" * 90 + b" passive-ready",
        "TRANSFER ١٠٢٤ passive-ready".encode(),
        b"SESSION closing nonsense",
        b"SESSION closing",
    ],
)
def test_nothing_else_is_a_notice(line: bytes) -> None:
    assert heard(Notices(), line + b"\r\n") == [WireError]


@pytest.mark.parametrize(
    "line", [b"", b"PING", b"pong", b"CANCEL", b"CANCEL 1", b"CANCEL 99999", b"CANCEL 1024 "]
)
def test_nothing_else_is_a_reply(line: bytes) -> None:
    assert heard(Replies(), line + b"\r\n") == [WireError]


def test_a_line_without_an_end_is_not_waited_for_for_ever() -> None:
    reader = Replies()
    assert heard(reader, b"PONG\r\n" + b"x" * (LINE_MOST - 1)) == [Pong()]
    assert heard(reader, b"x") == [WireError]


@given(st.binary(max_size=160), st.integers(0, 160))
def test_whatever_comes_is_read_alike_however_it_is_cut(data: bytes, at: int) -> None:
    for start in (b"", b"PING\r\nTRANSFER 1024 "):
        whole = start + data
        assert heard(Notices(), whole) == heard(Notices(), whole[:at], whole[at:])
    assert heard(Replies(), data) == heard(Replies(), data[:at], data[at:])
