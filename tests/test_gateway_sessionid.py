"""Session ids: a token's own and those beside it, and the name that each shows in its hellos."""

import re

from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.gateway.sessionid import alpn, belongs, session_id, shows_another

SIDS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)


def test_the_sessions_of_a_token_are_numbered_from_the_second_on() -> None:
    assert [session_id("abc", number) for number in range(3)] == ["abc", "abc.1", "abc.2"]


@given(SIDS, st.integers(1, 1000), st.integers(0, 1200))
def test_a_token_is_good_for_as_many_sessions_as_it_says(sid: str, parallel: int, n: int) -> None:
    assert belongs(session_id(sid, n), sid, parallel) == (n < parallel)


@given(SIDS, SIDS, st.integers(0, 9))
def test_it_is_good_for_no_session_of_another(sid: str, other: str, number: int) -> None:
    assert belongs(session_id(other, number), sid, 1000) == (sid == other)


def test_a_session_has_one_spelling() -> None:
    for spelt in ("abc.0", "abc.01", "abc.", "abc.1.1", "abc.x", "abc1", "ab", "", "x.1", ".1"):
        assert not belongs(spelt, "abc", 1000)


def test_the_name_of_a_session_is_a_hash_of_its_id() -> None:
    """Fixed for ever: tunnels and balancers of different versions meet."""
    assert alpn("abc") == "lb-session/ba7816bf8f01cfea414140de5dae2223"
    assert re.fullmatch("lb-session/[0-9a-f]{32}", alpn("abc.1"))
    assert alpn("abc.1") != alpn("abc")


def test_a_hello_shows_its_own_session_or_none() -> None:
    """Nor another one beside it: a balancer takes the first that it understands."""
    own, other = alpn("abc"), alpn("abc.1")
    for names in ((), ("lb-proxy/1",), (own, "lb-proxy/1"), (own, own)):
        assert not shows_another("abc", names)
    for names in (
        (other,),
        (own, other),
        (other, own),
        (own.upper().replace("LB-SESSION", "lb-session"),),
        ("lb-session/",),
    ):
        assert shows_another("abc", names)
