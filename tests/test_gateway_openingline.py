"""Opening lines and answers: one verdict however the network cuts them, as early as it can fall."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.errors import WireError
from twisted_lb.gateway import openingline
from twisted_lb.gateway.openingline import (
    ANSWER_MOST,
    LINE_MOST,
    ROLES,
    Answer,
    Opening,
    read,
    read_answer,
)
from twisted_lb.terms import MORE

from .splits import settled

ANSWERS = [value for value in vars(openingline).values() if isinstance(value, Answer)]


@pytest.mark.parametrize(
    ("line", "opening"),
    [
        (b"LBP/1 terminal abc a.b.c\r\n", Opening("terminal", "abc", "a.b.c")),
        (b"LBP/1 control abc.7 a.b.c\r\n", Opening("control", "abc.7", "a.b.c")),
        (b"LBP/1 notification abc s3cr-_t\r\n", Opening("notification", "abc", "s3cr-_t")),
        (b"LBP/1 data abc s transfer=1024\r\n", Opening("data", "abc", "s", 1024)),
        (b"LBP/1 data abc s transfer=65535\r\n", Opening("data", "abc", "s", 65535)),
        (b"LBP/1 control abc t later=x other=\r\n", Opening("control", "abc", "t")),
        (b"LBP/1 data a s later=1 transfer=2000 z=2\r\n", Opening("data", "a", "s", 2000)),
    ],
)
def test_a_line_is_read_at_its_last_byte(line: bytes, opening: Opening) -> None:
    """And not a byte of what follows: that belongs to the host."""
    assert settled(read, line + b"USER ann\r\n") == (len(line), (opening, len(line)))


@pytest.mark.parametrize(
    ("line", "at"),
    [
        # The byte at which no line can come of it any more, counted from 1.
        (b"GET / HTTP/1.1\r\n", 1),
        (b"\x16\x03\x01", 1),
        (b"SSH-2.0-x\r\n", 1),
        (b"LBP/2 control abc t\r\n", 5),
        (b"LBP/1\r\n", 6),
        (b"LBP/1 control abc t\n", 20),
        (b"LBP/1 control abc t\r\r\n", 21),
        (b"LBP/1 control abc \xfft\r\n", 19),
        (b"LBP/1 control abc \x00t\r\n", 19),
        (b"LBP/1 control abc t\tx\r\n", 20),
        (b"LBP/1 control abc ".ljust(LINE_MOST + 9, b"t"), LINE_MOST),
        (b"LBP/1 control abc ".ljust(LINE_MOST - 1, b"t") + b"\r\n", LINE_MOST),
    ],
)
def test_what_cannot_become_a_line_is_refused_at_once(line: bytes, at: int) -> None:
    assert settled(read, line) == (at, WireError)


@pytest.mark.parametrize(
    "line",
    [
        b"LBP/1 ",
        b"LBP/1 control abc",
        b"LBP/1 control abc ",
        b"LBP/1  control abc t",
        b"LBP/1 control abc t ",
        b"LBP/1 Control abc t",
        b"LBP/1 any abc t",
        b"LBP/1 control ab/c t",
        b"LBP/1 control " + b"a" * 129 + b" t",
        b"LBP/1 control abc t=",
        b"LBP/1 control abc t transfer",
        b"LBP/1 control abc t Transfer=2000",
        b"LBP/1 control abc t x=1  y=2",
        b"LBP/1 control abc t transfer=2000",
        b"LBP/1 terminal abc t transfer=2000",
        b"LBP/1 notification abc t transfer=2000",
        b"LBP/1 data abc t",
        b"LBP/1 data abc t transfer=",
        b"LBP/1 data abc t transfer=1023",
        b"LBP/1 data abc t transfer=65536",
        b"LBP/1 data abc t transfer=02000",
        b"LBP/1 data abc t transfer=-2000",
        b"LBP/1 data abc t transfer=2000 transfer=2000",
        b"LBP/1 data abc t transfer=2000 transfer=2002",
    ],
)
def test_a_line_of_another_form_is_refused_at_its_end(line: bytes) -> None:
    assert settled(read, line + b"\r\n") == (len(line) + 2, WireError)


def test_the_longest_line_is_read() -> None:
    line = b"LBP/1 control abc ".ljust(LINE_MOST - 2, b"t") + b"\r\n"
    assert settled(read, line)[0] == LINE_MOST


OPENINGS = st.builds(
    Opening,
    st.sampled_from([role for role in ROLES if role != "data"]),
    st.from_regex(r"[A-Za-z0-9._-]{1,128}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9._-]{1,90}", fullmatch=True),
) | st.builds(
    Opening,
    st.just("data"),
    st.from_regex(r"[A-Za-z0-9._-]{1,128}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9._-]{1,90}", fullmatch=True),
    st.integers(1024, 65_535),
)


@given(OPENINGS, st.binary(max_size=20))
def test_what_is_written_is_read(opening: Opening, after: bytes) -> None:
    line = bytes(opening)
    assert settled(read, line + after) == (len(line), (opening, len(line)))


@given(OPENINGS.map(bytes), st.data())
def test_a_damaged_line_has_one_verdict(line: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(line) - 1))
    damaged = line[:at] + data.draw(st.binary(max_size=3)) + line[at + 1 :]
    settled(read, damaged)


@given(st.binary(max_size=200))
def test_whatever_comes_has_one_verdict(data: bytes) -> None:
    settled(read, data)
    settled(read, b"LBP/1 " + data)
    settled(read_answer, data)


def test_a_credential_is_not_shown() -> None:
    assert "s3cret" not in repr(Opening("control", "abc", "s3cret"))


# -- answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_every_answer_is_read_as_it_is_written(answer: Answer) -> None:
    line = bytes(answer)
    assert settled(read_answer, line + b"220 host\r\n") == (len(line), (answer, len(line)))


def test_each_answer_has_its_code() -> None:
    """The table of docs/protocols/security-proxy.md."""
    assert {answer.code: answer.text for answer in ANSWERS} == {
        200: "welcome",
        400: "malformed",
        401: "token",
        403: "destination",
        404: "session",
        409: "role",
        429: "limit",
        502: "host",
        503: "closing",
        504: "host-timeout",
    }


def test_control_is_told_the_secret_of_its_session() -> None:
    assert Answer(200, "join=abc-_9").join == "abc-_9"
    assert Answer(200, "welcome").join == ""


@pytest.mark.parametrize(
    ("line", "at"),
    [
        (b"200\r\n", 5),
        (b"600 what\r\n", 10),
        (b"100 what\r\n", 10),
        (b"2000 what\r\n", 11),
        (b"HTTP/1.1 200 OK\r\n", 17),
        (b"200 ok\n", 7),
        (b"200 \x1b[2J\r\n", 5),
        (b"200 ".ljust(ANSWER_MOST, b"x"), ANSWER_MOST),
    ],
)
def test_what_is_no_answer_is_refused(line: bytes, at: int) -> None:
    assert settled(read_answer, line) == (at, WireError)


def test_half_an_answer_is_waited_for() -> None:
    assert read_answer(b"200 welc") is MORE
    assert read_answer(b"200 welcome\r") is MORE
