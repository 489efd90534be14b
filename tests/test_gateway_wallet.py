"""Tokens are asked for when they are needed, kept while they are good, and never shared."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from tests.test_gateway_passes import token
from twisted_lb.errors import Ended
from twisted_lb.gateway.passes import Unusable
from twisted_lb.gateway.wallet import Wallet


class Purse:
    """A wallet whose source the test plays."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[Deferred[str]] = []
        self.wallet = Wallet(self._ask, lambda: self.now)

    def _ask(self) -> Deferred[str]:
        self.asked.append(Deferred())
        return self.asked[-1]

    def takes(self) -> list[Any]:
        """What taking a ticket comes to: a ticket, or the words of a refusal."""
        got: list[Any] = []
        taking = Deferred.fromCoroutine(self.wallet.take())
        taking.addCallbacks(got.append, lambda failure: got.append(failure.value))
        return got


def test_one_token_serves_as_many_sessions_as_it_says() -> None:
    purse = Purse()
    first = purse.takes()
    purse.asked[0].callback(token(par=2))
    second, third = purse.takes(), purse.takes()
    assert [first[0].session, second[0].session] == ["s1", "s1.1"]
    assert third == []
    purse.asked[1].callback(token(sid="s2"))
    assert third[0].session == "s2"
    for ticket in (third[0], first[0]):
        purse.wallet.give_back(ticket)
    assert purse.takes()[0].session == "s1"


def test_whoever_comes_back_gets_a_session_of_the_same_token() -> None:
    purse = Purse()
    got = purse.takes()
    purse.asked[0].callback(token())
    purse.wallet.give_back(got[0])
    purse.wallet.give_back(got[0])
    assert purse.takes()[0].session == "s1"
    assert len(purse.asked) == 1


def test_a_token_near_its_end_is_replaced() -> None:
    purse = Purse()
    got = purse.takes()
    purse.asked[0].callback(token(par=8))
    purse.now = 990.0
    assert purse.takes() == []
    assert len(purse.asked) == 2
    purse.wallet.give_back(got[0])
    purse.asked[1].callback(token(sid="s2", exp=2000))


def test_two_who_come_at_once_ask_once() -> None:
    purse = Purse()
    first, second = purse.takes(), purse.takes()
    assert len(purse.asked) == 1
    purse.asked[0].callback(token(par=2))
    assert [first[0].session, second[0].session] == ["s1", "s1.1"]


def refusal(answer: str | Exception, now: float = 0.0) -> tuple[str, str]:
    purse = Purse()
    purse.now = now
    got = purse.takes()
    if isinstance(answer, str):
        purse.asked[0].callback(answer)
    else:
        purse.asked[0].errback(answer)
    assert isinstance(got[0], Ended)
    return got[0].word, got[0].detail


def test_the_user_is_told_why_there_is_no_token() -> None:
    assert refusal(Unusable("the file is gone")) == ("no-route", "no token: the file is gone")
    assert refusal("nonsense") == ("no-route", "no token: what was given is no token")
    assert refusal(token(), 999.0) == ("no-route", "no token: the one at hand has expired")


def test_a_source_that_gives_the_same_token_again_has_no_more() -> None:
    """A token in a file is for as many sessions as it says."""
    purse = Purse()
    purse.takes()
    purse.asked[0].callback(token())
    got = purse.takes()
    purse.asked[1].callback(token())
    assert (got[0].word, got[0].detail) == (
        "key-full",
        "no token: every session of the one at hand is in use",
    )


def test_a_failure_leaves_the_wallet_usable() -> None:
    purse = Purse()
    purse.takes()
    purse.asked[0].errback(Unusable("not yet"))
    got = purse.takes()
    purse.asked[1].callback(token())
    assert got[0].session == "s1"


def test_a_token_that_a_proxy_does_not_take_is_not_shown_again() -> None:
    """Its issuer may have lost our trust, or our clock may be wrong."""
    purse = Purse()
    got = purse.takes()
    purse.asked[0].callback(token(par=8))
    purse.wallet.forget(got[0])
    purse.wallet.give_back(got[0])
    assert purse.takes() == []
    purse.asked[1].callback(token(sid="s2"))
