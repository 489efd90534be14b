"""What the demo takes for together: what the proxies told, against what the clients did."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from twisted_lb.demo.gateway import Logs, row, sums, terminals_at, together
from twisted_lb.demo.visits import Visit
from twisted_lb.facts import Announced, ConnectionEnded, TokenAsked
from twisted_lb.terms import Address

WHOLE = {"control": 1, "data": 9, "notification": 1}


def ftp(**changed: Any) -> Visit:
    return Visit(1, "FTP passive", 50_000, Counter(control=1, data=9), **changed)


def at(a: dict[str, int], b: dict[str, int]) -> dict[str, Counter[str]]:
    """What the proxies saw."""
    return {"a": Counter(a), "b": Counter(b)}


def test_a_session_is_together_when_one_proxy_saw_all_its_channels() -> None:
    assert together(ftp(), at(WHOLE, {}))
    assert together(ftp(), at({}, WHOLE))
    assert together(Visit(4, "terminal", 1, Counter(terminal=1)), at({}, {"terminal": 1}))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({"control": 1, "data": 9}, {"notification": 1}),
        ({"control": 1, "data": 8, "notification": 1}, {"data": 1}),
        ({"control": 1, "data": 8, "notification": 1}, {}),
        ({"control": 1, "data": 9}, {}),
        ({**WHOLE, "data": 10}, {}),
        (WHOLE, {"data": 1}),
        ({}, {}),
    ],
)
def test_any_channel_elsewhere_missing_or_too_many_is_astray(
    a: dict[str, int], b: dict[str, int]
) -> None:
    assert not together(ftp(), at(a, b))


def test_a_damaged_or_broken_visit_is_not_fine() -> None:
    assert not together(ftp(damaged=1), at(WHOLE, {}))
    assert not together(ftp(broken="lost"), at(WHOLE, {}))
    assert row(ftp(broken="lost"), at(WHOLE, {}))[-1] == "✗ lost"


def test_a_row_tells_what_each_proxy_saw() -> None:
    saw = at({"control": 1}, {"notification": 1})
    assert row(ftp(), saw) == ("1", "FTP passive", "1 control", "1 notification", "✗ ASTRAY")


def test_terminals_are_counted_at_their_proxies() -> None:
    visits = [ftp(), *[Visit(n, "terminal", n, Counter(terminal=1)) for n in (4, 5)]]
    seen = [at(WHOLE, {}), at({"terminal": 1}, {}), at({"terminal": 1}, {})]
    assert terminals_at(visits, seen) == [2, 0]


def test_what_is_wrong_has_a_cross_below_the_table() -> None:
    fine = sums([2, 2], 0, 2)
    wrong = sums([4, 0], 3, 0)
    assert [line[0] for line in fine + wrong] == ["✓"] * 3 + ["✗"] * 3
    assert wrong[0].endswith("4 and 0")
    assert wrong[1].endswith(": 3")


def ended(session: str, role: str, port: int = 1) -> ConnectionEnded:
    client = Address("127.0.0.1", port)
    return ConnectionEnded("c", "front", client, "done", 0.1, session, role)


def test_logs_lead_from_a_client_to_the_channels_of_its_session() -> None:
    """The tunnel tells which session a client has, the proxies which channels that had."""
    logs = Logs()
    logs.of("tunnel")(ended("s1.1", "control", 50_000))
    logs.of("a")(ended("s1.1", "control", 7))
    logs.of("b")(ended("s1.1", "data", 8))
    logs.of("b")(ended("s1", "data", 50_000))
    logs.of("b")(Announced("listening"))
    assert logs.session(50_000) == "s1.1"
    assert logs.channels("s1.1") == at({"control": 1}, {"data": 1})


def test_a_client_that_the_tunnel_never_told_of_has_no_channels() -> None:
    """Checks, too, are connections of no session."""
    logs = Logs()
    logs.of("a")(ended("", ""))
    assert logs.session(50_000) == ""
    assert logs.channels("") == at({}, {})


def test_only_tokens_that_were_given_count() -> None:
    logs = Logs()
    for answer in ("given", "login", "given"):
        logs.of("token server")(TokenAsked(None, "demo", "host:1", answer, 0.1))
    assert logs.tokens == 2
