"""Attack 12: a flood from one network is dropped early, and the others are served meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.loopback import flooder
from tests.loopback.site import Site
from tests.loopback.test_opaque import one_frontend
from tests.loopback.test_slow import HELLO, hellos
from twisted_lb.config.settings import FrontendTimeout, Settings, Startups
from twisted_lb.ends import address
from twisted_lb.facts import ConnectionEnded


@contextmanager
def flood(site: Site, total: int, at_once: int) -> Iterator[None]:
    """Attackers of 127.9.9.0/24 in a process of their own; they go at the end."""
    at = site.balancer.address("in")
    argv = [sys.executable, flooder.__file__, at.host, str(at.port), str(total), str(at_once)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        process.kill()
        process.communicate()


async def served(site: Site, number: int) -> float:
    """Serve a client of another network; how many seconds it took to accept it."""
    began = reactor.seconds()
    client = await site.client("in", source="127.8.8.8")
    client.says(HELLO)
    server = await site.hosts[0].talk(number)
    await server.hears(HELLO)
    ours = address(client.transport.getHost())
    [story] = [each for each in site.balancer.stories if each.peer == ours]
    return story.began - began


def limited(port: int, startups: Startups, opening: float) -> Settings:
    settings = hellos(port)
    timeout = FrontendTimeout(opening=opening)
    frontend = attrs.evolve(settings.frontends[0], startups=startups, timeout=timeout, backlog=4096)
    return attrs.evolve(settings, frontends=(frontend,))


async def flooded(
    site: Site, startups: Startups, total: int, at_once: int, others: int
) -> list[float]:
    """How long each of the others took to be accepted in the middle of a flood."""
    port = site.serve("127.0.0.2")
    site.start(limited(port, startups, 60.0))
    stories, most = site.balancer.stories, 0

    def over() -> bool:
        nonlocal most
        most = max(most, len(stories))
        # A queue that overflows leaves the kernel's clients alone with a connection of their own.
        return len(site.facts) + len(stories) >= 0.95 * total

    with flood(site, total, at_once):
        await site.until(lambda: len(stories) > startups.start)
        took = [await served(site, number) for number in range(1, others + 1)]
        await site.until(over, 60.0)
    assert startups.start < most <= startups.full + others
    await site.until(lambda: len(stories) == others)
    assert set(site.endings(ConnectionEnded)) == {"full", "client-left"}
    return took


@pytest_twisted.ensureDeferred
async def test_a_flood_of_one_network_leaves_room_for_the_others(site: Site) -> None:
    """600 connections of one /24 that say nothing; never more than `full` of them are in."""
    await flooded(site, Startups(20, 50, 60), 600, 150, 20)


@pytest.mark.soak
@pytest_twisted.ensureDeferred
async def test_twenty_thousand_connections_do_not_delay_the_others(site: Site) -> None:
    """p99 of the others below 100 ms while 3,000 sit there and 100 at a time knock without a pause.

    More knocking at once than that measures the kernel's queue of connections, not us.
    """
    took = await flooded(site, Startups(1_000, 30, 3_000), 20_000, 3_100, 500)
    assert sorted(took)[int(len(took) * 0.99)] < 0.1, sorted(took)[-8:]


@pytest_twisted.ensureDeferred
async def test_who_is_joined_is_not_on_the_way_any_more(site: Site) -> None:
    """The limit is on those who show nothing for what they cost, not on a busy site."""
    settings = one_frontend(site.serve("127.0.0.2"), "127.0.0.2")
    frontend = attrs.evolve(settings.frontends[0], startups=Startups(1, 100, 1))
    site.start(attrs.evolve(settings, frontends=(frontend,)))
    for number in range(1, 11):
        client = await site.client("in")
        client.says(b"hello")
        server = await site.hosts[0].talk(number)
        await server.hears(b"hello")
    assert len(site.balancer.stories) == 10


@pytest_twisted.ensureDeferred
async def test_beyond_maxconn_clients_are_closed_at_once_until_one_leaves(site: Site) -> None:
    settings = one_frontend(site.serve("127.0.0.2"), "127.0.0.2")
    frontend = attrs.evolve(settings.frontends[0], maxconn=2)
    site.start(attrs.evolve(settings, frontends=(frontend,)))
    first = await site.client("in")
    await site.client("in")
    await site.until(lambda: len(site.balancer.stories) == 2)
    third = await site.client("in")
    await third.until(lambda talk: bool(talk.ended))
    assert site.endings(ConnectionEnded) == ["full"]
    first.resets()
    await site.until(lambda: len(site.balancer.stories) == 1)
    fourth = await site.client("in")
    fourth.says(b"hello")
    server = await site.hosts[0].talk(3)
    await server.hears(b"hello")
