"""Attack 17: what a token grants its bearer may do, for its sessions and roles, and no more."""

from __future__ import annotations

import attrs
import pytest

from twisted_lb.gateway.grants import Denied, Grant, check
from twisted_lb.gateway.openingline import Opening
from twisted_lb.terms import Address

MINE = "bWluZQ"
GRANT = Grant("joe", "s1", Address("a.example", 21), frozenset({"control"}), 3, MINE)
CONTROL = Opening("control", "s1", "token")


def denied(grant: Grant, opening: Opening, shown: str = MINE, unbound: bool = False) -> str:
    """The word for the log; empty when it is granted."""
    try:
        check(grant, opening, shown, unbound)
    except Denied as why:
        return why.word
    return ""


def test_the_bearer_of_the_key_may_do_what_the_token_says() -> None:
    assert denied(GRANT, CONTROL) == ""


@pytest.mark.parametrize(
    ("session", "word"), [("s1.1", ""), ("s1.2", ""), ("s1.3", "wrong-session")]
)
def test_it_may_have_as_many_sessions_at_once_as_the_token_says(session: str, word: str) -> None:
    assert denied(GRANT, attrs.evolve(CONTROL, session=session)) == word


@pytest.mark.parametrize("session", ["s2", "s1.", "s1.0", "s1.01", "s1.1.1", "s11", "xs1"])
def test_the_session_of_another_token_is_not_its_own(session: str) -> None:
    assert denied(GRANT, attrs.evolve(CONTROL, session=session)) == "wrong-session"


def test_a_role_that_the_token_does_not_name_is_not_granted() -> None:
    assert denied(GRANT, attrs.evolve(CONTROL, role="terminal")) == "wrong-role"


@pytest.mark.parametrize("shown", ["", "eW91cnM", MINE + "A"])
def test_whoever_does_not_show_the_key_is_somebody_else(shown: str) -> None:
    assert denied(GRANT, CONTROL, shown) == "wrong-key"
    assert denied(GRANT, CONTROL, shown, unbound=True) == "wrong-key"


def test_a_token_for_anybody_is_good_only_where_the_operator_says_so() -> None:
    anybodys = attrs.evolve(GRANT, thumbprint="")
    assert denied(anybodys, CONTROL) == "unbound"
    assert denied(anybodys, CONTROL, unbound=True) == ""
