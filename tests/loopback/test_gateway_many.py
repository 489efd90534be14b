"""Many FTP sessions from one address over three security proxies: none of their channels is astray.

On the way one proxy dies and another one drains.
"""

from __future__ import annotations

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults

from tests.loopback.farm import Farm
from tests.loopback.ftp_talks import Visitor
from tests.loopback.gateways import Gateways
from tests.loopback.test_gateway_balanced import astray, balanced, channels, gone, on_proxies
from tests.loopback.test_gateway_ftp import ftp_local
from twisted_lb.gateway.proxy import SecurityProxy
from twisted_lb.gateway.settings import Limits
from twisted_lb.gateway.tunnel import Tunnel

AT_ONCE = 60
LATE = 3
"""Sessions that begin when one proxy is dead and another one drains."""
VERBS = ("EPSV", "PORT", "PASV", "EPRT")
PROXIES = ("127.0.0.5", "127.0.0.6", "127.0.0.7")


@attrs.define(eq=False)
class Trip:
    """One session: how many transfers it had, and whether its proxy took it along."""

    number: int
    visitor: Visitor
    done: int = 0
    lost: bool = False

    async def transfers(self, count: int) -> None:
        """So many uploads, or as many as its proxy lives for."""
        for turn in range(count):
            try:
                await self.upload(VERBS[(self.number + turn) % 4], f"{self.number}-{self.done}")
            except AssertionError:
                assert b"\r\n421 " in self.visitor.heard, self.visitor.heard[-200:]
                self.lost = True
                return
            self.done += 1

    async def upload(self, verb: str, name: str) -> None:
        coming = await self.visitor.announces(verb)
        self.visitor.asks(f"STOR {name}")
        data = await coming
        data.says(name.encode())
        data.closes()
        await self.visitor.replies(1, 226)

    async def leave(self) -> None:
        if not self.lost:
            await self.visitor.does("QUIT", 221)
            await self.visitor.ends("eof")
        self.visitor.closes()


async def together(trips: list[Trip], count: int) -> None:
    """All of them, as many at once as one process can shake hands for in good time: everything
    but the FTP server is in this one."""
    turns = DeferredSemaphore(AT_ONCE)

    def take(trip: Trip) -> Deferred[None]:
        return turns.run(lambda: Deferred.fromCoroutine(trip.transfers(count)))

    await gatherResults([take(trip) for trip in trips])


def dies(proxy: SecurityProxy) -> None:
    """As a crash would: nobody is told a word."""
    for _, port in proxy.listening:
        port.stopListening()
    proxy.listening.clear()
    for visit in proxy.visits:
        visit.cut()


async def begin(gateways: Gateways, tunnel: Tunnel, numbers: range) -> list[Trip]:
    return [Trip(number, await gateways.logs_in(tunnel)) for number in numbers]


@pytest.mark.parametrize(
    ("sessions", "transfers"), [(50, 10), pytest.param(1_000, 20, marks=pytest.mark.soak)]
)
@pytest_twisted.ensureDeferred
async def test_no_channel_goes_astray(
    gateways: Gateways, farm: Farm, sessions: int, transfers: int
) -> None:
    port = on_proxies(gateways, PROXIES, limits=Limits(drain=600.0))
    local = attrs.evolve(ftp_local(farm), maxconn=sessions + LATE)
    tunnel = gateways.tunnel(balanced(gateways, port, proxies=PROXIES), local)
    trips = await begin(gateways, tunnel, range(sessions))
    living = [set(proxy.roles.sessions) for proxy in gateways.proxies]
    assert sorted(map(len, living)) == [(sessions + more) // 3 for more in range(3)]
    await together(trips, transfers // 2)
    assert {trip.done for trip in trips} == {transfers // 2}

    dead, draining, _ = gateways.proxies
    dies(dead)
    gateways.balancer.set_admin(gateways.balancer.server("proxies", "b"), "drain")
    await together(trips, transfers - transfers // 2)
    assert sum(trip.lost for trip in trips) == len(living[0])
    assert {trip.done for trip in trips if not trip.lost} == {transfers}
    assert set(draining.roles.sessions) == living[1]
    brought = channels(gateways).values()
    assert [len(servers) for servers in brought] == [1] * sessions

    late = await begin(gateways, tunnel, range(sessions, sessions + LATE))
    await together(late, 2)
    assert {trip.done for trip in late} == {2}
    assert set(draining.roles.sessions) == living[1]
    for trip in (*trips, *late):
        await trip.leave()
    await gone(gateways)
    assert astray(gateways) == 0
