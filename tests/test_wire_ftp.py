"""FTP's lines: commands from clients, replies from servers, whatever the segments."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.errors import WireError
from twisted_lb.terms import MORE
from twisted_lb.wire.ftp import (
    COMMAND_MOST,
    REPLY_LINE_MOST,
    Command,
    CommandReader,
    Fault,
    ReplyLine,
    ReplyReader,
)


def commands(pieces: Iterable[bytes], bare_lf: bool = True) -> list[Command | Fault]:
    reader = CommandReader(bare_lf)
    read = []
    for piece in pieces:
        reader.feed(piece)
        while (item := reader.next()) is not MORE:
            read.append(item)
    return read


def replies(pieces: Iterable[bytes]) -> list[ReplyLine | type[WireError]]:
    reader = ReplyReader()
    read: list[ReplyLine | type[WireError]] = []
    for piece in pieces:
        reader.feed(piece)
        try:
            while (line := reader.next()) is not MORE:
                read.append(line)
        except WireError:
            return [*read, WireError]
    return read


def cut(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(each, len(data)) for each in at), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


CUTS = st.lists(st.integers(0, 20_000), max_size=5)
TEXTS = st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b"\xff", b" ", b"NOOP", b"\xc3\xa9", b"\t"])


# -- commands ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "verb", "argument"),
    [
        (b"RETR a file", b"RETR", b"a file"),
        (b"retr  two blanks", b"RETR", b" two blanks"),
        (b"QUIT", b"QUIT", b""),
        (b"PORT\t1,2,3,4,5,6", b"PORT", b"1,2,3,4,5,6"),  # a server may split at a tab
        (b"RETR \xe9\xff\xff", b"RETR", b"\xe9\xff\xff"),
        (b" NOOP", b"", b"NOOP"),
        (b"", b"", b""),
        (b"   ", b"", b"  "),
    ],
)
def test_a_command_is_its_verb_and_the_rest(line: bytes, verb: bytes, argument: bytes) -> None:
    """T19, T57."""
    (command,) = commands([line + b"\r\n"])
    assert isinstance(command, Command)
    assert (command.verb, command.argument, command.line) == (verb, argument, line)


def test_a_password_is_not_in_a_traceback() -> None:
    """T94, attack 18."""
    assert "secret" not in repr(commands([b"PASS secret\r\n"]))


def test_many_commands_in_one_segment() -> None:
    """T20."""
    verbs = [item.verb for item in commands([b"PORT 1\r\nLIST\r\nNO"]) if item is not Fault]
    assert verbs == [b"PORT", b"LIST"]


def test_a_bare_line_feed_ends_a_line_by_option() -> None:
    """T19."""
    assert commands([b"NOOP\nQUIT\r\n"]) == [Command(b"NOOP", b"NOOP"), Command(b"QUIT", b"QUIT")]
    assert commands([b"NOOP\nQUIT\r\n"], bare_lf=False) == [
        Fault.FORBIDDEN,
        Command(b"QUIT", b"QUIT"),
    ]


@pytest.mark.parametrize("bad", [b"RETR a\0b", b"RETR a\rDELE b", b"\0", b"RETR a\r"])
def test_nul_and_bare_cr_make_no_command(bad: bytes) -> None:
    """Attack 8."""
    assert commands([bad + b"\r\nNOOP\r\n"]) == [Fault.FORBIDDEN, Command(b"NOOP", b"NOOP")]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_line_that_is_too_long_is_told_once_and_skipped(end: bytes) -> None:
    """T19, attack 8: and the next line is a line again."""
    fits = b"RETR " + b"a" * (COMMAND_MOST - 5)
    assert commands([fits + end]) == [Command(b"RETR", fits)]
    for extra in (1, 2, 3, 50_000):
        data = fits + b"a" * extra + end + b"NOOP\r\n"
        assert commands([data]) == [Fault.TOO_LONG, Command(b"NOOP", b"NOOP")]
        pieces = [data[i : i + 999] for i in range(0, len(data), 999)]
        assert commands(pieces) == [Fault.TOO_LONG, Command(b"NOOP", b"NOOP")]


def test_a_line_without_end_holds_no_more_than_the_cap() -> None:
    """Attacks 8, 25."""
    reader = CommandReader()
    faults = 0
    for _ in range(100):
        reader.feed(b"x" * 4096)
        faults += reader.next() is Fault.TOO_LONG
        assert reader.held <= COMMAND_MOST + 1
    assert faults == 1


def test_what_is_not_asked_for_stays_bytes() -> None:
    """Attack 25: a flood of empty lines is not a flood of objects."""
    reader = CommandReader()
    reader.feed(b"\n" * 60_000)
    assert reader.next() == Command(b"", b"")
    assert reader.held == 59_999


@given(
    st.lists(TEXTS | st.just(b"a" * (COMMAND_MOST - 1)), max_size=12).map(b"".join),
    CUTS,
    st.booleans(),
)
def test_commands_are_the_same_for_every_split(data: bytes, at: list[int], bare_lf: bool) -> None:
    assert commands(cut(data, at), bare_lf) == commands([data], bare_lf)


# -- replies -----------------------------------------------------------------------------------


def test_a_reply_of_one_line() -> None:
    assert replies([b"220 hello\r\n"]) == [ReplyLine(220, b"220 hello", True, True)]
    assert replies([b"220\r\n"]) == [ReplyLine(220, b"220", True, True)]
    assert replies([b"220 hello\n"]) == [ReplyLine(220, b"220 hello", True, True)]


def test_a_reply_of_many_lines_ends_with_its_code_and_a_blank() -> None:
    """T17: lines within may begin with anything else; T53: `250-` of MLST."""
    text = b"211-Begin\r\n226 no end\r\n211\r\n211x\r\n211-x\r\n 211 y\r\n\r\n211 End\r\n"
    lines = replies([text])
    assert [line.code for line in lines if isinstance(line, ReplyLine)] == [211] * 8
    assert lines[0] == ReplyLine(211, b"211-Begin", True, False)
    assert lines[-1] == ReplyLine(211, b"211 End", False, True)
    assert {(each.opens, each.final) for each in lines[1:-1]} == {(False, False)}  # type: ignore[union-attr]


def test_the_reader_tells_whether_a_reply_is_open() -> None:
    reader = ReplyReader()
    reader.feed(b"211-Begin\r\nmiddle\r\n211 End\r\n")
    inside = []
    while reader.next() is not MORE:
        inside.append(reader.inside)
    assert inside == [211, 211, 0]


def test_a_line_that_belongs_to_no_reply_has_no_code() -> None:
    assert replies([b"hello\r\n22 x\r\n2200\r\n"]) == [
        ReplyLine(0, b"hello", False, False),
        ReplyLine(0, b"22 x", False, False),
        ReplyLine(0, b"2200", False, False),
    ]


def test_a_last_line_without_end_counts_when_no_more_comes() -> None:
    """T83."""
    reader = ReplyReader()
    reader.feed(b"421 bye")
    assert reader.next() is MORE
    reader.finish()
    assert reader.next() == ReplyLine(421, b"421 bye", True, True)
    reader.finish()
    assert reader.next() is MORE
    reader.feed(b"421 x\n")
    reader.finish()
    assert reader.next() == ReplyLine(421, b"421 x", True, True)
    assert reader.held == 0


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b""])
def test_a_reply_line_without_end_is_no_servers(end: bytes) -> None:
    """Attack 22: a gigabyte without a line end."""
    fits = b"220 " + b"a" * (REPLY_LINE_MOST - 4)
    assert replies([fits + b"\r\n"]) == [ReplyLine(220, fits, True, True)]
    too_long = fits + b"aa" + end
    assert replies([too_long]) == [WireError]
    assert replies(too_long[i : i + 1000] for i in range(0, len(too_long), 1000)) == [WireError]


@given(
    st.lists(
        st.sampled_from([b"220", b"211", b"-", b" ", b"\r\n", b"\n", b"\r", b"x", b"\xff\xff"])
        | st.just(b"a" * (REPLY_LINE_MOST - 2)),
        max_size=12,
    ).map(b"".join),
    st.lists(st.integers(0, 140_000), max_size=5),
)
def test_replies_are_the_same_for_every_split(data: bytes, at: list[int]) -> None:
    """T17, T80."""
    assert replies(cut(data, at)) == replies([data])


def test_what_is_left_of_a_synch_before_a_verb_is_dropped() -> None:
    """T14: Interrupt Process and IAC sent as urgent data, each by itself, then ABOR."""
    assert commands([b"\xf4", b"\xff", b"abor\r\n"]) == [Command(b"ABOR", b"abor")]


@pytest.mark.parametrize(
    ("sent", "line", "synch"),
    [
        (b"\xff\xf4\xff\xf2ABOR", b"ABOR", True),
        (b"\xff\xf2ABOR", b"ABOR", True),
        (b"\xff\xf4ABOR", b"ABOR", False),
        (b"\xf2ABOR", b"ABOR", False),  # a letter
        (b"RETR a\xff\xf2b", b"RETR ab", False),
        (b"RETR \xff\xff\xf2\xff\xf2", b"RETR \xff\xff\xf2", False),  # doubled, a letter, a mark
        ("RETR caf\u00e9".encode(), "RETR caf\u00e9".encode(), False),
    ],
)
def test_a_synch_before_a_command_is_told_and_taken_off(
    sent: bytes, line: bytes, synch: bool
) -> None:
    """T14, for every split."""
    verb = line[:4]
    for at in range(len(sent)):
        assert commands(cut(sent + b"\r\nNOOP\r\n", [at])) == [
            Command(verb, line, synch),
            Command(b"NOOP", b"NOOP"),
        ]
