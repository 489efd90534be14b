"""Attack 14: out of descriptors. No busy loop, no crash, and it serves again when some are free."""

from __future__ import annotations

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import deferLater

from tests.loopback.process import Balancing, balancing
from tests.loopback.site import Site, Talk
from tests.loopback.streams import stands_still
from twisted_lb.terms import Address

SPARE = 20
"""Descriptors that the balancer has left: ten connections."""


async def served(site: Site, at: Balancing) -> bool:
    """Whether a client reaches a server now."""
    client = await site.tries(Address("127.0.0.1", at.port))
    if not client.ended:
        client.says(b"hello")
    await site.until(lambda: bool(client.ended) or client.heard == b"welcome")
    return not client.ended


class Welcoming(Talk):
    """A server that answers."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.says(b"welcome")


@pytest_twisted.ensureDeferred
async def test_without_descriptors_clients_are_closed_and_nothing_spins(site: Site) -> None:
    port = site.serve("127.0.0.2", protocol=Welcoming)
    with balancing("127.0.0.2", port, "--spare", str(SPARE)) as balancer:
        at = Address("127.0.0.1", balancer.port)
        for _ in range(3 * SPARE):
            await site.tries(at)
        waiting = site.clients
        await site.until(lambda: sum(1 for each in waiting if each.ended) >= 2 * SPARE)
        await stands_still(lambda: balancer.descriptors)
        in_use = balancer.descriptors
        before = balancer.cpu()
        await deferLater(reactor, 0.5)
        assert balancer.cpu() - before < 0.25
        assert balancer.descriptors == in_use
        assert await served(site, balancer) is False
        for client in waiting:
            if client.ended not in ("closed", "reset"):
                client.resets()
        await site.until(lambda: balancer.descriptors < in_use - SPARE // 2)
        for _ in range(3):
            assert await served(site, balancer) is True


@pytest_twisted.ensureDeferred
async def test_who_was_in_before_is_served_on_while_others_are_turned_away(site: Site) -> None:
    port = site.serve("127.0.0.2", protocol=Welcoming)
    with balancing("127.0.0.2", port, "--spare", str(SPARE)) as balancer:
        at = Address("127.0.0.1", balancer.port)
        first = await site.connect(at)
        first.says(b"hello")
        await first.hears(b"welcome")
        for _ in range(2 * SPARE):
            await site.tries(at)
        await site.until(lambda: sum(1 for each in site.clients if each.ended) >= SPARE)
        first.says(b"still there?")
        await first.hears(b"welcomewelcome")
        words = set(balancer.ended())
        assert words <= {"full"}


@pytest_twisted.ensureDeferred
async def test_the_last_descriptors_are_kept_from_clients(site: Site) -> None:
    """Refused up front: a client that could not be served is not accepted, and no server is asked
    for it."""
    port = site.serve("127.0.0.2", protocol=Welcoming)
    with balancing("127.0.0.2", port, "--limit", "64") as balancer:
        at = Address("127.0.0.1", balancer.port)
        for _ in range(64):
            await site.tries(at)
        await site.until(lambda: sum(1 for each in site.clients if each.ended) >= 35)
        await stands_still(lambda: balancer.descriptors)
        assert balancer.descriptors <= 64 - 4
        assert set(balancer.ended()) == {"full"}
        joined = [client for client in site.clients if not client.ended]
        for client in joined:
            client.says(b"hello")
            await client.hears(b"welcome")
        assert len(joined) >= 15
