"""A server's first words, judged."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.splits import settled
from twisted_lb.protocols.ftp.greeting import GREETING_MOST, READY, REFUSED, Greeting
from twisted_lb.terms import MORE

HELLO = b"220-Welcome\r\n120 not yet\r\n220 go\r\n"


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (b"220 hello\r\n", READY),
        (b"220 hello\n", READY),
        (HELLO, READY),
        (b"220 hello", MORE),
        (b"220-hello\r\n", MORE),
        (b"", MORE),
        (b"120 in a minute\r\n", MORE),
        (b"120 in a minute\r\n220 now\r\n", READY),
        (b"120 in a minute\r\n421 or not\r\n", REFUSED),
        (b"421 too many\r\n", REFUSED),
        (b"530 not you\r\n", REFUSED),
        (b"331 what?\r\n", REFUSED),
        (b"SSH-2.0-OpenSSH_9.2\r\n", REFUSED),
        (b"HTTP/1.1 400 Bad Request\r\n", REFUSED),
        (b"x" * 70_000, REFUSED),
        (b"220-" + b"x" * 1000 + b"\r\n" + (b"x" * 1000 + b"\r\n") * 70, REFUSED),
    ],
)
def test_only_a_2xx_is_a_welcome(said: bytes, verdict: object) -> None:
    """T21, attack 22."""
    assert Greeting().take(said) is verdict


def test_the_verdict_falls_with_the_last_line() -> None:
    def parse(data: bytes) -> object:
        return Greeting().take(data)

    assert settled(parse, HELLO + b"220 more\r\n") == (len(HELLO), READY)
    assert settled(parse, b"421 no\r\nx") == (8, REFUSED)


@given(st.lists(st.integers(0, len(HELLO)), max_size=4))
def test_segments_do_not_matter(cuts: list[int]) -> None:
    greeting = Greeting()
    edges = [0, *sorted(cuts), len(HELLO)]
    verdicts = [greeting.take(HELLO[a:b]) for a, b in itertools.pairwise(edges)]
    assert [each for each in verdicts if each is not MORE][:1] == [READY]


def test_a_server_that_said_120_may_be_waited_for() -> None:
    """T21."""
    greeting = Greeting()
    assert greeting.silence() is False
    greeting.take(b"120-soon\r\n")
    assert greeting.silence() is False
    greeting.take(b"120 in 5 minutes\r\n")
    assert greeting.silence() is True


def test_a_greeting_has_an_end() -> None:
    """Attack 22: lines, but no last one."""
    greeting = Greeting()
    line = b"220-" + b"x" * 994 + b"\r\n"
    said = 0
    while greeting.take(line) is MORE:
        said += len(line)
    assert said <= GREETING_MOST
