"""Attack 11, slowloris: each connection has a total deadline of its own, whatever trickles in."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import LoopingCall

from tests.hellos import hello, server_names
from tests.loopback.site import LIMITS, Site, Talk, backend
from tests.loopback.test_opaque import one_frontend
from twisted_lb.config.settings import (
    Frontend,
    FrontendTimeout,
    FrontendTls,
    Group,
    ProxyIn,
    RoleRule,
    Settings,
    SniRoute,
)
from twisted_lb.facts import ConnectionEnded
from twisted_lb.terms import Address
from twisted_lb.wire.proxyheader import encode_v1

DEADLINE = 0.4
HELLO = hello(server_names(b"known.example"))
HEADER = encode_v1(Address("192.0.2.7", 50_000), Address("192.0.2.1", 443))
TRUSTED = ProxyIn("required", (ipaddress.ip_network("127.0.0.0/8"),))


def guarded(port: int, **rules: Any) -> Settings:
    """A frontend that must be shown something before it dials."""
    timeout = FrontendTimeout(opening=DEADLINE, proxy=DEADLINE)
    frontend = Frontend("in", listen=(Address("127.0.0.1", 0),), timeout=timeout, **rules)
    group = Group("in", "back", ("connection",), linger=0.0, roles={"any": RoleRule(False, port)})
    return Settings((frontend,), {"in": group}, {"back": backend("back", "127.0.0.2")}, LIMITS)


def hellos(port: int) -> Settings:
    routes = (SniRoute("in", ("known.example",)),)
    return guarded(port, tls=FrontendTls("pass"), routes=routes, startups=None)


def headers(port: int) -> Settings:
    return guarded(port, group="in", proxy=TRUSTED)


class Trickle:
    """Attackers that send a byte each at every turn; notes when each of them was closed."""

    def __init__(self, words: bytes, every: float) -> None:
        self.talks: dict[Talk, float] = {}
        self.sent: dict[Talk, int] = {}
        self.lived: list[float] = []
        self._words = words
        self._every = every
        self._turn = LoopingCall(self._say)

    def add(self, talk: Talk) -> None:
        self.talks[talk], self.sent[talk] = reactor.seconds(), 0
        talk.gone().addCallback(self._gone)
        if not self._turn.running:
            self._turn.start(self._every)

    def _say(self) -> None:
        for talk in self.talks:
            talk.says(self._words[self.sent[talk] : self.sent[talk] + 1])
            self.sent[talk] += 1

    def _gone(self, talk: Talk) -> None:
        self.lived.append(reactor.seconds() - self.talks.pop(talk))
        if not self.talks:
            self._turn.stop()


async def slow(site: Site, settings: Settings, words: bytes, count: int, every: float) -> Trickle:
    """So many attackers; returns when all of them were closed."""
    site.start(settings)
    attack = Trickle(words, every)
    for _ in range(count):
        attack.add(await site.client("in"))
    await site.until(lambda: not attack.talks)
    assert site.endings(ConnectionEnded) == ["too-slow"] * count
    assert site.hosts[0].talks == []
    assert site.balancer.stories == set()
    return attack


@pytest.mark.parametrize(
    ("settings", "words"), [(hellos, HELLO), (headers, HEADER)], ids=["hello", "proxy-header"]
)
@pytest_twisted.ensureDeferred
async def test_a_trickle_of_bytes_renews_no_deadline(
    site: Site, settings: Any, words: bytes
) -> None:
    """Ten bytes come within the deadline: an idle timer would never have run out."""
    port = site.serve("127.0.0.2")
    attack = await slow(site, settings(port), words, 50, DEADLINE / 10)
    assert min(attack.sent.values()) >= 4
    assert all(DEADLINE * 0.9 < lived < DEADLINE * 3 for lived in attack.lived)


@pytest.mark.soak
@pytest_twisted.ensureDeferred
async def test_five_thousand_slow_clients_are_each_closed_in_time(site: Site) -> None:
    port = site.serve("127.0.0.2")
    attack = await slow(site, hellos(port), HELLO, 5_000, 0.2)
    assert max(attack.lived) < DEADLINE + 5


@pytest_twisted.ensureDeferred
async def test_a_slow_client_takes_nothing_from_the_others(site: Site) -> None:
    port = site.serve("127.0.0.2")
    site.start(hellos(port))
    attack = Trickle(HELLO, DEADLINE / 10)
    for _ in range(20):
        attack.add(await site.client("in"))
    client = await site.client("in")
    client.says(HELLO)
    server = await site.hosts[0].talk()
    await server.hears(HELLO)
    await site.until(lambda: not attack.talks)
    server.says(b"still here")
    await client.hears(b"still here")


@pytest_twisted.ensureDeferred
async def test_a_session_of_which_nothing_moves_ends_at_its_idle_time(site: Site) -> None:
    port = site.serve("127.0.0.2")
    site.start(one_frontend(port, "127.0.0.2", idle=0.5))
    client = await site.client("in")
    await site.hosts[0].talk()
    await client.ends("reset")
    await site.until(lambda: site.endings(ConnectionEnded) == ["idle"])
