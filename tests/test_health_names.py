"""Server names are looked up again and again, and a bad answer moves nobody (attack 24)."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IResolutionReceiver
from twisted.internet.task import Clock

from twisted_lb.facts import Fact, ServerChanged
from twisted_lb.health.names import DEADLINE, FLOOR, MOST, Names, addresses_of
from twisted_lb.terms import Server


class Dns(Clock):
    """A reactor of which the test answers each lookup."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, float]] = []
        self.receivers: list[IResolutionReceiver] = []
        self.nameResolver = self

    def resolveHostName(self, receiver: IResolutionReceiver, host: str) -> None:
        self.asked.append((host, self.seconds()))
        self.receivers.append(receiver)
        receiver.resolutionBegan(self)

    def answer(self, *hosts: str) -> None:
        """Answer the oldest open lookup; without a host, as NXDOMAIN does."""
        receiver = self.receivers.pop(0)
        for host in hosts:
            kind = IPv6Address if ":" in host else IPv4Address
            receiver.addressResolved(kind("TCP", host, 0))
        receiver.resolutionComplete()


class Site:
    """One server by name, looked up every 30 s."""

    def __init__(self, host: str = "ftp.example", period: float = 30.0) -> None:
        self.dns = Dns()
        self.server = Server("pool", "a", host)
        self.facts: list[Fact] = []
        self.names = Names(self.dns, [(self.server, period)], self.facts.append)  # type: ignore[arg-type]
        self.names.startService()
        self.dns.advance(0)

    def next(self, *hosts: str) -> tuple[str, ...]:
        """The next lookup's answer, and the addresses then known."""
        self.dns.advance(30.0)
        self.dns.answer(*hosts)
        return self.server.addresses


def told(site: Site) -> list[tuple[str, str]]:
    facts, site.facts[:] = list(site.facts), []
    assert all(isinstance(fact, ServerChanged) and fact.server == "pool/a" for fact in facts)
    return [(fact.state, fact.reason) for fact in facts if isinstance(fact, ServerChanged)]


def test_the_first_answer_is_taken_and_told() -> None:
    site = Site()
    assert addresses_of(site.server) == ()
    site.dns.answer("10.0.0.1", "10.0.0.2")
    assert site.server.addresses == ("10.0.0.1", "10.0.0.2")
    assert addresses_of(site.server)[0] == "10.0.0.1"
    assert told(site) == [("resolved", "ftp.example: 10.0.0.1, 10.0.0.2, was unknown")]


def test_a_server_that_moved_is_found_at_the_next_lookup() -> None:
    site = Site()
    site.dns.answer("10.0.0.1")
    told(site)
    assert site.next("10.0.0.9") == ("10.0.0.9",)
    assert told(site) == [("resolved", "ftp.example: 10.0.0.9, was 10.0.0.1")]
    assert [when for _, when in site.dns.asked] == [0.0, 30.0]


def test_an_empty_answer_keeps_the_last_good_one_and_is_told_once() -> None:
    site = Site()
    site.dns.answer("10.0.0.1")
    told(site)
    assert site.next() == ("10.0.0.1",)
    assert site.next() == ("10.0.0.1",)
    assert told(site) == [("unresolved", "ftp.example: kept 10.0.0.1")]
    site.next("10.0.0.1")
    assert told(site) == [("resolved", "ftp.example: as before")]


def test_the_same_addresses_in_another_order_move_nobody() -> None:
    site = Site()
    site.dns.answer("10.0.0.1", "10.0.0.2")
    told(site)
    assert site.next("10.0.0.2", "10.0.0.1") == ("10.0.0.1", "10.0.0.2")
    assert told(site) == []


def test_a_lookup_that_never_returns_is_given_up_and_tried_again() -> None:
    site = Site()
    site.dns.answer("10.0.0.1")
    site.dns.advance(30.0)
    site.dns.advance(DEADLINE)
    assert site.server.addresses == ("10.0.0.1",)
    site.dns.advance(1.0)
    assert len(site.dns.asked) == 3
    site.dns.answer("10.66.66.66")
    assert site.server.addresses == ("10.0.0.1",), "an answer after the deadline is not heard"
    site.dns.answer("10.0.0.2")
    assert site.server.addresses == ("10.0.0.2",)


def test_a_name_without_any_answer_is_asked_for_every_second() -> None:
    site = Site()
    site.dns.answer()
    site.dns.advance(FLOOR)
    site.dns.answer()
    assert [when for _, when in site.dns.asked] == [0.0, FLOOR]
    assert told(site) == [("unresolved", "ftp.example: none known")]


def test_no_configuration_asks_more_often_than_every_second() -> None:
    site = Site(period=0.0)
    for _ in range(3):
        site.dns.answer("10.0.0.1")
        site.dns.advance(FLOOR)
    assert [when for _, when in site.dns.asked] == [0.0, 1.0, 2.0, 3.0]


def test_addresses_that_cannot_be_a_servers_are_left_out() -> None:
    site = Site()
    site.dns.receivers[0].addressResolved(UNIXAddress("/tmp/trap"))
    site.dns.answer("0.0.0.0", "224.0.0.1", "::", "ff02::1", "2001:db8::1", "10.0.0.1")
    assert site.server.addresses == ("2001:db8::1", "10.0.0.1")


def test_an_answer_of_thousands_is_cut() -> None:
    site = Site()
    site.dns.answer(*(f"10.1.{n // 250}.{n % 250 + 1}" for n in range(5000)))
    assert len(site.server.addresses) == MOST


@pytest.mark.parametrize("host", ["10.0.0.1", "2001:db8::1"])
def test_an_address_is_never_looked_up(host: str) -> None:
    site = Site(host)
    site.dns.advance(3600)
    assert site.dns.asked == []
    assert addresses_of(site.server) == (host,)


def test_stopping_leaves_nothing() -> None:
    site = Site()
    stopped: list[object] = []
    site.names.stopService().addCallback(stopped.append)
    assert len(stopped) == 1 and not site.dns.getDelayedCalls()
    site.dns.answer("10.0.0.1")
    assert site.server.addresses == (), "nobody listens any more"
