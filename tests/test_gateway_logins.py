"""Logins at the token server: what is tried, what is counted, how much is under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from passlib.context import CryptContext  # type: ignore[import-untyped]
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock

from twisted_lb.config.settings import LoginRules
from twisted_lb.gateway.logins import CHECKS_MOST, CHECKS_OF_ONE, Logins, Passwords
from twisted_lb.gateway.tokenrequest import NotGiven
from twisted_lb.gateway.users import Users

from .conftest import Errors

ANN = CryptContext(["bcrypt"], bcrypt__rounds=4).hash("anns")
USERS = Users(f"ann:{ANN}\n".encode(), "users")
RULES = LoginRules(per_address=5, per_user=3, within=60.0)
FREE = LoginRules(per_address=None, per_user=None)
HOST: Final = "192.0.2.1"


class Threads:
    """Stands for the threads: a check is under way until the test says what it found."""

    def __init__(self, rules: LoginRules = FREE) -> None:
        self.found: list[Deferred[bool]] = []
        self.logins = Logins(Passwords(USERS, self._aside), rules, Clock().seconds)

    def _aside(self, check: Callable[[], bool]) -> Deferred[bool]:
        self.found.append(Deferred())
        return self.found[-1]

    def ask(self, host: str = HOST) -> Deferred[bool]:
        return self.logins.check(host, "ann", "?")

    def refused(self, host: str = HOST) -> str:
        with pytest.raises(NotGiven) as caught:
            self.ask(host)
        return caught.value.word


def test_a_login_is_right_or_wrong() -> None:
    passwords = Passwords(USERS, lambda check: succeed(check()))
    logins, results = Logins(passwords, RULES, Clock().seconds), list[bool]()
    for user, password in (("ann", "anns"), ("ann", "x"), ("bob", "anns")):
        logins.check(HOST, user, password).addCallback(results.append)
    assert results == [True, False, False]


def test_what_a_check_found_counts_though_nobody_waits_any_more() -> None:
    threads = Threads(RULES)
    for _ in range(3):
        waiting = threads.ask()
        waiting.cancel()
        waiting.addErrback(lambda failure: failure.trap(CancelledError))
        threads.found[-1].callback(False)
    assert threads.refused() == "limit"


def test_a_right_password_is_no_failure() -> None:
    threads = Threads(RULES)
    for _ in range(4):
        threads.ask()
        threads.found[-1].callback(True)
    threads.ask()


def test_so_many_passwords_are_checked_at_once_and_no_more() -> None:
    """Of one address, and of all; one nobody waits for counts until its thread is done."""
    threads = Threads()
    for _ in range(CHECKS_OF_ONE):
        waiting = threads.ask()
        waiting.cancel()
        waiting.addErrback(lambda failure: failure.trap(CancelledError))
    assert threads.refused() == "busy"
    threads.found[0].callback(False)
    for number in range(1, CHECKS_MOST - CHECKS_OF_ONE + 2):
        threads.ask(f"192.0.2.{number}")
    assert threads.refused("198.51.100.1") == "busy"
    threads.found[-1].callback(True)
    threads.ask("198.51.100.1")


def test_an_ipv6_client_has_no_more_checks_for_its_many_addresses() -> None:
    threads = Threads()
    for number in range(CHECKS_OF_ONE):
        threads.ask(f"2001:db8::{number}")
    assert threads.refused("2001:db8::ffff") == "busy"
    threads.ask("2001:db8:1::1")


def test_addresses_are_forgotten_when_their_checks_are_done() -> None:
    threads = Threads()
    for number in range(10):
        threads.ask(f"192.0.2.{number}")
        threads.found[-1].callback(True)
    assert not threads.logins._checking


def test_a_check_that_fails_is_no_failed_login(clean_reactor: Errors) -> None:
    """It fails whoever waits; when nobody does it is told in the log."""
    threads = Threads(LoginRules(per_address=1, per_user=1))
    heard = threads.ask().addErrback(lambda failure: failure.trap(RuntimeError))
    threads.found[-1].errback(RuntimeError("broken"))
    assert heard.result is RuntimeError
    left = threads.ask()
    left.cancel()
    left.addErrback(lambda failure: failure.trap(CancelledError))
    threads.found[-1].errback(RuntimeError("broken"))
    assert "broken" in clean_reactor.seen.pop()
