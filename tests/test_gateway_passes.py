"""The tunnel's own tokens: how many sessions one is good for, and until when."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from twisted_lb.gateway.passes import MARGIN, Unusable, read_pass


def token(**claims: Any) -> str:
    """A token that says this, signed by nobody."""
    body = json.dumps({"sid": "s1", "exp": 1000, **claims}).encode()
    return f"e30.{urlsafe_b64encode(body).rstrip(b'=').decode()}.c2ln"


def test_a_pass_has_a_place_for_each_parallel_session() -> None:
    one = read_pass(token(par=3))
    tickets = [one.take() for _ in range(4)]
    assert [ticket and ticket.session for ticket in tickets] == ["s1", "s1.1", "s1.2", None]
    assert one.used
    assert tickets[1] is not None
    one.give_back(tickets[1])
    again = one.take()
    assert again is not None
    assert again.session == "s1.1"


def test_a_token_that_says_nothing_of_it_is_for_one_session() -> None:
    one = read_pass(token())
    assert one.take() is not None
    assert one.take() is None


def test_a_token_is_not_shown_in_its_last_moments() -> None:
    one = read_pass(f"  {token()}\n")
    assert one.fresh(1000 - MARGIN - 1)
    assert not one.fresh(1000 - MARGIN)
    assert not one.used


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no token"),
        ("a.b", "no token"),
        ("é.b.c", "no token"),
        (f"e30.{'A' * 7000}.c", "no token"),
        ("a.b.c", "cannot be read"),
        ("e30.WzFd.c", "says nothing"),
        (token(sid=7), "names no session"),
        (token(sid=""), "names no session"),
        (token(exp="soon"), "names no end"),
        (token(exp=True), "names no end"),
        (token(par=0), "no count"),
        (token(par=True), "no count"),
    ],
)
def test_what_is_no_token_is_told(text: str, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        read_pass(text)


@given(some.text())
def test_no_text_breaks_the_reading(text: str) -> None:
    with pytest.raises(Unusable):
        read_pass(text)
