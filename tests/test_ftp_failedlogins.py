"""Passwords that are wrong are counted by address and by user, whichever server is asked (T49)."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from tests.ftptalk import circumstances
from tests.script import play
from twisted_lb.config.settings import LoginRules
from twisted_lb.protocols.ftp import failedlogins
from twisted_lb.protocols.ftp.control import FtpControl
from twisted_lb.protocols.ftp.failedlogins import MOST, FailedLogins

HOME, ELSEWHERE = "192.0.2.9", "198.51.100.9"


def limits(**rules: Any) -> FailedLogins:
    return FailedLogins(LoginRules(**{"per_address": 3, "per_user": 3, "within": 60.0} | rules))


def tries(table: FailedLogins, address: str, user: str, now: float = 0.0, most: int = 10) -> int:
    """How many wrong passwords in a row are let through."""
    for count in range(most):
        if table.refuses(address, user, now):
            return count
        table.failed(address, user, now)
    return most


def test_an_address_has_its_failures_whoever_it_claims_to_be() -> None:
    table = limits()
    assert [tries(table, HOME, user, most=1) for user in "abcd"] == [1, 1, 1, 0]
    assert not table.refuses(ELSEWHERE, "d", 0.0)


def test_a_user_has_his_failures_from_wherever_they_come() -> None:
    """T49, T50: of a name that nobody has, too."""
    table = limits()
    assert [tries(table, f"192.0.2.{n}", "joe", most=1) for n in range(4)] == [1, 1, 1, 0]
    assert not table.refuses("192.0.2.4", "ann", 0.0)


def test_an_ipv6_client_cannot_move_on_within_its_network() -> None:
    table = limits(per_user=None)
    assert [tries(table, f"2001:db8::{n}", "joe", most=1) for n in range(4)] == [1, 1, 1, 0]
    assert not table.refuses("2001:db8:0:1::1", "joe", 0.0)


def test_an_allowance_grows_back_evenly() -> None:
    table = limits()
    assert tries(table, HOME, "joe") == 3
    assert tries(table, HOME, "joe", now=19.0) == 0
    assert tries(table, HOME, "joe", now=20.0) == 1
    assert tries(table, HOME, "joe", now=10_000.0) == 3


def test_many_tries_at_once_are_waited_for_afterwards() -> None:
    """Two hundred users who log in at one moment are no attack; as many failures are."""
    table = limits()
    for _ in range(200):
        table.failed(HOME, "joe", 0.0)
    assert tries(table, HOME, "joe", now=79.0) == 0
    assert tries(table, HOME, "joe", now=80.0) == 1


@pytest.mark.parametrize("limit", ["per_address", "per_user"])
def test_either_limit_may_be_off(limit: str) -> None:
    table = limits(**{limit: None})
    assert tries(table, HOME, "joe") == 3
    if limit == "per_address":
        assert all(tries(table, HOME, f"user{n}", most=1) for n in range(20))
    else:
        assert all(tries(table, f"192.0.2.{n}", "joe", most=1) for n in range(20, 40))


def test_the_table_forgets_who_failed_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack 21: forged names fill no memory."""
    monkeypatch.setattr(failedlogins, "MOST", 2)
    table = limits(per_address=None, per_user=1)
    for user in ("a", "b", "c"):
        table.failed(HOME, user, 0.0)
    assert [table.refuses(HOME, user, 0.0) for user in ("a", "b", "c")] == [False, True, True]


# -- on the control connection ---------------------------------------------------------------------

WRONG = """
    C: USER joe             -> S: USER joe
    S: 331 Password?        -> C: 331 Password?
    C: PASS guess           -> S: PASS guess
    S: 530 No.              -> C: 530 No.
"""
REFUSED = """
    C: USER joe             -> S: USER joe
    S: 331 Password?        -> C: 331 Password?
    C: PASS guess           -> tell attack password-guessing
                            -> C: 530 Login incorrect.
"""


def conversation(table: FailedLogins) -> FtpControl:
    machine = FtpControl(attrs.evolve(circumstances(), tries=table.tries(HOME)))
    play(machine, "S: 220 hello  -> C: 220 hello")
    return machine


def test_who_has_guessed_too_often_is_refused_without_a_server_being_asked() -> None:
    """T49: on a new connection, and so on another server, as well."""
    table = limits()
    for _ in range(3):
        play(conversation(table), WRONG)
    again = conversation(table)
    play(again, REFUSED)
    play(again, "C: NOOP  -> S: NOOP")


def test_a_right_password_costs_nothing() -> None:
    table = limits(per_address=1)
    for code in (230, 332):
        play(
            conversation(table),
            f"""
            C: USER joe             -> S: USER joe
            S: 331 Password?        -> C: 331 Password?
            C: PASS secret          -> S: PASS secret
            S: {code} Good.         -> C: {code} Good.
            """,
        )
    play(conversation(table), WRONG)
    play(conversation(table), REFUSED)


def test_who_logged_in_from_an_address_is_not_locked_out_by_guesses_from_elsewhere() -> None:
    """T49: nobody can lock out a user whose name he knows."""
    table = limits(per_user=1, per_address=3)
    table.succeeded("192.0.2.9", "joe")
    for _ in range(5):
        table.failed("198.51.100.66", "joe", 0.0)
    assert table.refuses("198.51.100.66", "joe", 0.0)
    assert table.refuses("192.0.2.10", "joe", 0.0)
    assert not table.refuses("192.0.2.9", "joe", 0.0)
    for _ in range(3):
        table.failed("192.0.2.9", "joe", 0.0)
    assert table.refuses("192.0.2.9", "joe", 0.0)


def test_hosts_with_users_of_their_own_are_counted_apart() -> None:
    """T49: who locks out a name at one of them has done so there only."""
    table = limits(per_address=None, per_user=1)
    here, there = table.tries("mallory", "a:21"), table.tries("ann", "b:21")
    here.failed("joe", 0.0)
    assert here.refuses("joe", 0.0)
    assert table.tries("ann", "a:21").refuses("joe", 0.0)
    assert not there.refuses("joe", 0.0)


def test_people_of_one_address_are_told_apart_by_what_else_they_are_known_by() -> None:
    """T49: that somebody has logged in lets nobody else go on guessing."""
    table = limits(per_address=None, per_user=1)
    ann, mallory = table.tries("ann", "a:21"), table.tries("mallory", "a:21")
    ann.succeeded("joe")
    mallory.failed("joe", 0.0)
    assert mallory.refuses("joe", 0.0)
    assert not ann.refuses("joe", 0.0)


def test_so_many_places_are_known_and_no_more() -> None:
    """Attack 21."""
    table = limits(per_user=1)
    table.failed("198.51.100.66", "joe", 0.0)
    table.succeeded("192.0.2.9", "joe")
    for number in range(MOST):
        table.succeeded("192.0.2.10", f"user{number}")
    assert table.refuses("192.0.2.9", "joe", 0.0)
    assert len(table._known) == MOST


def test_what_is_kept_of_a_name_says_nothing_without_the_secret() -> None:
    tables = [FailedLogins(LoginRules(), secret) for secret in (b"one", b"other")]
    for table in tables:
        table.failed("192.0.2.9", "joe", 0.0)
    kept = [set(table._users._used) for table in tables]
    assert not kept[0] & kept[1]


def test_only_a_wrong_password_is_a_guess() -> None:
    """A server whose users' store is down says 451 to everybody; nobody is locked out by that."""
    table = limits(per_user=1)
    for code in (451, 503, 421):
        machine = conversation(table)
        play(
            machine,
            f"""
            C: USER joe             -> S: USER joe
            S: 331 Password?        -> C: 331 Password?
            C: PASS secret          -> S: PASS secret
            S: {code} Later.        -> C: {code} Later.
            """,
        )
    play(conversation(table), WRONG)
    play(conversation(table), REFUSED)
