"""The access log in words: HAProxy's order for connections, and one line whatever peers say."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twisted_lb.facts import Announced, ConnectionEnded, ServerChanged, TransferEnded
from twisted_lb.terms import Address
from twisted_lb.textline import text_line, word

WALL = 1_800_000_000.123


def test_a_connection_is_told_in_haproxy_s_order() -> None:
    fact = ConnectionEnded(
        "c.2a", "ftp", Address("192.0.2.7", 50_000), "done", 61.2041,
        session="s-1f", role="control", server="farm/a", from_client=812, from_server=4096,
    )  # fmt: skip
    assert text_line(fact, WALL) == (
        "192.0.2.7:50000 [2027-01-15T08:00:00.123Z] ftp farm/a 61.204 812/4096 done control "
        "s-1f c.2a\n"
    )


def test_who_came_nowhere_has_dashes_and_why_at_the_end() -> None:
    fact = ConnectionEnded("", "web", None, "no-route", 0.0, detail="asked for x y")
    assert text_line(fact, WALL).split()[2:] == [
        "web", "-", "0.000", "0/0", "no-route", "-", "-", "-", r"asked\x20for\x20x\x20y",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fact", "told"),
    [
        (
            ServerChanged("farm/a", "down", "connect: refused"),
            r"server-changed server=farm/a state=down reason=connect:\x20refused",
        ),
        (Announced("stopped"), "announced what=stopped detail=-"),
        (
            TransferEnded("s-1", "joe", "farm/a", "RETR", 'a "b"', 10, 0.25, "done", 226),
            "transfer-ended session=s-1 user=joe server=farm/a command=RETR "
            r"path=a\x20\x22b\x22 bytes=10 seconds=0.25 ending=done reply=226 "
            "client_tls=- server_tls=-",
        ),
    ],
)
def test_all_else_is_words_and_what_they_say(fact: object, told: str) -> None:
    assert text_line(fact, WALL) == f"- [2027-01-15T08:00:00.123Z] {told}\n"  # type: ignore[arg-type]


@given(st.text())
def test_a_word_is_one_word_that_any_terminal_may_show(text: str) -> None:
    """Attack 18."""
    told = word(text)
    assert told.isascii() and told.isprintable() and " " not in told and told
    assert text == "" or "\\" not in text or told != text


@given(st.text(), st.text())
@example("\u12345", "\U00012345")
def test_no_two_texts_are_one_word(one: str, other: str) -> None:
    assert (word(one) == word(other)) == (one == other or {one, other} == {"", "-"})
