"""Passwords that are wrong, over all servers of a frontend together."""

from __future__ import annotations

import pytest_twisted
from twisted.internet.task import LoopingCall

from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftp_talks import ANSWERS, Served, Visitor
from twisted_lb.config.settings import FrontendTimeout, LoginRules
from twisted_lb.facts import AttackSeen, ConnectionEnded

SERVERS = ("127.0.0.2", "127.0.0.3")


class Strict(Served):
    """Knows no password but one."""

    def _take(self, line: bytes) -> None:
        right = line == b"PASS right"
        self.answers[b"PASS"] = ANSWERS[b"PASS"] if right else b"530 Not this one"
        super()._take(line)


async def tries(site: FtpSite, user: str, password: str, source: str) -> bytes:
    """The answer to a password, on a connection of its own."""
    visitor: Visitor = await site.visit(source)
    await visitor.replies(220)
    await visitor.does(f"USER {user}", 331)
    visitor.asks(f"PASS {password}")
    return await visitor.reply()


@pytest_twisted.ensureDeferred
async def test_an_attacker_has_not_a_limit_a_server_but_one_for_all(ftp_site: FtpSite) -> None:
    """T49, T50."""
    port = ftp_site.serve_each(dict.fromkeys(SERVERS, Strict))
    rules = LoginRules(per_address=None, per_user=4, within=3600.0)
    ftp_site.start(ftp(port, *SERVERS, failed_logins=rules, backend={"balance": "round-robin"}))
    sources = [f"127.0.1.{number}" for number in range(1, 7)]
    heard = [await tries(ftp_site, "joe", "wrong", source) for source in sources]
    asked = [talk.heard.count(b"PASS") for host in ftp_site.hosts for talk in host.talks]
    assert (sum(asked), len(asked)) == (4, 6)
    assert heard == [b"530 Not this one"] * 4 + [b"530 Login incorrect."] * 2
    assert [fact.kind for fact in ftp_site.of(AttackSeen)] == ["password-guessing"] * 2
    assert (await tries(ftp_site, "joe", "right", "127.0.1.9"))[:3] == b"530"
    assert (await tries(ftp_site, "ann", "right", "127.0.1.1"))[:3] == b"230"


@pytest_twisted.ensureDeferred
async def test_an_address_that_guesses_names_is_stopped_as_well(ftp_site: FtpSite) -> None:
    """T49: and nobody from elsewhere."""
    port = ftp_site.serve_each(dict.fromkeys(SERVERS, Strict))
    rules = LoginRules(per_address=3, per_user=None, within=3600.0)
    ftp_site.start(ftp(port, *SERVERS, failed_logins=rules))
    heard = [await tries(ftp_site, f"user{n}", "wrong", "127.0.1.1") for n in range(4)]
    assert heard == [b"530 Not this one"] * 3 + [b"530 Login incorrect."]
    assert (await tries(ftp_site, "joe", "right", "127.0.1.2"))[:3] == b"230"


@pytest_twisted.ensureDeferred
async def test_clients_that_never_log_in_go_in_time_whatever_they_say(ftp_site: FtpSite) -> None:
    """Attack 11: silent, with half a line a turn, and with whole commands; others are not held up.

    A deadline of a second: an idle timer would never have run out.
    """
    port = ftp_site.serve_ftp(*SERVERS)
    hurried = {"timeout": FrontendTimeout(login=1.0), "startups": None}
    ftp_site.start(ftp(port, *SERVERS, frontend=hurried))
    slow = [await ftp_site.visit() for _ in range(60)]
    words = (b"", b"U", b"NOOP\r\n")

    def trickle() -> None:
        for number, visitor in enumerate(slow):
            if not visitor.ended and (said := words[number % 3]):
                visitor.says(said)

    trickling = LoopingCall(trickle)
    trickling.start(0.1)
    try:
        visitor = await ftp_site.visit()
        await visitor.login()
        await ftp_site.until(lambda: len(ftp_site.of(ConnectionEnded)) == 60)
    finally:
        trickling.stop()
    assert {fact.ending for fact in ftp_site.of(ConnectionEnded)} == {"too-slow"}
    assert all(1.0 <= fact.seconds < 5.0 for fact in ftp_site.of(ConnectionEnded))
    for each in slow:
        await each.until(lambda talk: b"421 Nobody logged in in time" in talk.heard)
    await visitor.does("NOOP", 200)
