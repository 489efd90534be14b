"""Sessions by what several users may show: an address, a network, the address that a proxy tells.
They are one session, in any order of its channels, on one server; and it is told as what it is."""

from __future__ import annotations

import ipaddress
from itertools import permutations

import attrs
import pytest
import pytest_twisted

from tests.hellos import alpn, hello
from tests.loopback.site import Site, Talk
from tests.loopback.test_group import ROLES, serve_roles, three_roles
from twisted_lb.config.settings import FrontendTls, Prefix, ProxyIn, Settings
from twisted_lb.facts import SessionEnded
from twisted_lb.observe import Counters
from twisted_lb.terms import Address
from twisted_lb.wire.proxyheader import encode_v2

SERVERS = 3
TRUSTED = ProxyIn("required", (ipaddress.ip_network("127.0.0.9"),))


@attrs.frozen
class Way:
    """How users come: two of one key, and one of another. `told`: by a proxy."""

    alike: tuple[str, str]
    other: str
    key: str = "source"
    told: bool = False
    prefix: Prefix = attrs.field(factory=Prefix)


WAYS = {
    "address": Way(("127.0.1.1", "127.0.1.1"), "127.0.1.2"),
    "network": Way(("127.0.1.1", "127.0.1.77"), "127.0.2.1", prefix=Prefix(ipv4=24)),
    "told by a proxy": Way(("203.0.113.1", "203.0.113.1"), "203.0.113.2", told=True),
    "only if a proxy tells": Way(("203.0.113.1", "203.0.113.1"), "203.0.113.2", "proxy", True),
}


def passed_through(ports: dict[str, int], way: Way) -> Settings:
    """A frontend for each role; of the ClientHello nothing is a key."""
    settings = three_roles(ports, key=(way.key,), source_prefix=way.prefix)
    fronts = (
        attrs.evolve(front, tls=FrontendTls("pass"), proxy=TRUSTED if way.told else ProxyIn())
        for front in settings.frontends
    )
    return attrs.evolve(settings, frontends=tuple(fronts))


async def come(site: Site, order: tuple[str, ...], user: str, at: str, way: Way) -> list[Talk]:
    """A user opens three channels in this order."""
    channels = []
    for role in order:
        channel = await site.client(role, source="127.0.0.9" if way.told else at)
        if way.told:
            channel.says(encode_v2(Address(at, 4711), Address("203.0.113.9", 443), []))
        channel.says(hello(alpn(user.encode(), b"h2")) + b"data")
        channels.append(channel)
    return channels


def reached(site: Site, user: str) -> set[str]:
    """The servers that got a channel of this user's."""
    return {host.host for host in site.hosts for talk in host.talks if user.encode() in talk.heard}


def heard(site: Site) -> list[int]:
    """How many channels each role's port has got."""
    counts = [sum(bool(talk.heard) for talk in host.talks) for host in site.hosts]
    return [sum(counts[at : at + SERVERS]) for at in range(0, len(counts), SERVERS)]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("order", list(permutations(ROLES)), ids="-".join)
@pytest_twisted.ensureDeferred
async def test_two_users_of_one_address_share_a_session_and_it_is_reported(
    site: Site, order: tuple[str, ...], way: Way
) -> None:
    """A third is apart."""
    site.start(passed_through(serve_roles(site), way))
    users = dict(zip(("joe", "ann", "eve"), (*way.alike, way.other), strict=True))
    channels = [one for user, at in users.items() for one in await come(site, order, user, at, way)]
    await site.until(lambda: heard(site) == [3, 3, 3])
    [shared] = reached(site, "joe")
    assert reached(site, "ann") == {shared}
    assert len(reached(site, "eve") - {shared}) == 1
    for channel in channels:
        channel.resets()
    await site.until(lambda: len(site.endings(SessionEnded)) == 2)
    told = [fact for fact in site.facts if isinstance(fact, SessionEnded)]
    assert sorted((fact.key, fact.channels) for fact in told) == [(way.key, 3), (way.key, 6)]
    counters = Counters()
    for fact in told:
        counters(fact)
    counts = counters.snapshot()
    assert counts["keys"]["ftp"] == {way.key: 2}
    assert counts["channels_of_one_session"]["ftp"] == 6
