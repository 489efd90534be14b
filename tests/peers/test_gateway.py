"""Ordinary clients through tunnel, balancer and two security proxies, to a real server.

The balancer passes TLS through and knows sessions by the ALPN name, or ends TLS and knows them by
the opening line or by the client's certificate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread

from tests.loopback.gateways import Gateways, new_key
from tests.loopback.test_gateway_balanced import (
    astray,
    balanced,
    channels,
    ended_at_the_balancer,
    gone,
    two_proxies,
)
from tests.peers.cells import Cell, Target, Visit
from tests.peers.measure import measure
from tests.peers.servers import PASSWORD, Server
from tests.peers.whole_session import LARGE, TRANSFERS, whole_session
from twisted_lb.facts import ConnectionEnded
from twisted_lb.gateway.settings import Local
from twisted_lb.gateway.tunnel import Tunnel
from twisted_lb.terms import Address

pytestmark = pytest.mark.peers


@pytest_twisted.async_yield_fixture()
async def gateways(tmp_path: Path) -> AsyncIterator[Gateways]:
    site = Gateways(tmp_path)
    yield site
    await site.stop()


def two_users(gateways: Gateways, vsftpd: Server, key: str = "alpn") -> tuple[Tunnel, Tunnel]:
    """The tunnel of each, with a balancer that knows sessions by this: they share one, unless the
    certificates of tunnels are what tells them apart."""
    if key == "alpn":
        front = balanced(gateways, two_proxies(gateways))
    else:
        front = ended_at_the_balancer(gateways, key)
    host = Address(vsftpd.site.host, vsftpd.site.port)
    local = Local("ftp", (Address("127.0.0.1", 0),), host, "ftp")
    tunnel = gateways.tunnel(front, local)
    if key != "certificate":
        return tunnel, tunnel
    return tunnel, gateways.tunnel(front, local, key=new_key())


def a_visit(tunnel: Tunnel, vsftpd: Server, place: Path, *cell: str) -> Visit:
    at = tunnel.address("ftp")
    target = Target(at.host, at.port, vsftpd.user, PASSWORD)
    return Visit(Cell(*cell), target, place, LARGE)


async def on_two_proxies(gateways: Gateways) -> None:
    """Each session had all its channels on one proxy, and they were not on the same."""
    await gone(gateways)
    await gateways.until(lambda: not any(len(proxy.visits) for proxy in gateways.proxies))
    assert astray(gateways) == 0
    servers = list(channels(gateways).values())
    assert [len(each) for each in servers] == [1, 1]
    assert len(set.union(*servers)) == 2


@pytest.mark.parametrize("mode", ["PASV", "EPSV", "PORT", "EPRT"])
@pytest_twisted.ensureDeferred
async def test_two_sessions_at_once_have_all_their_channels(
    gateways: Gateways, vsftpd: Server, tmp_path: Path, mode: str
) -> None:
    """20 MB up in one, 20 MB down in the other, each with equal hashes."""
    visits = [
        a_visit(tunnel, vsftpd, tmp_path / f"ftplib-{mode}-{operation}", "ftplib", mode, operation)
        for tunnel, operation in zip(
            two_users(gateways, vsftpd), ("upload", "download"), strict=True
        )
    ]
    homes = {"a": vsftpd.site.home}
    measured = [deferToThread(measure, visit, homes) for visit in visits]
    assert await gatherResults(measured) == ["", ""]
    await on_two_proxies(gateways)


SESSIONS = [
    (client, mode)
    for client in ("curl", "lftp")
    for mode in ("PASV", "EPSV", "PORT", "EPRT")
    if (client, mode) != ("lftp", "EPRT")  # which it says in IPv6 only
]
ALWAYS = {
    "alpn": SESSIONS,
    "opening": [("curl", "EPSV"), ("lftp", "PORT")],
    "certificate": [("curl", "PORT"), ("lftp", "PASV")],
}
"""What a balancer knows sessions by → what is not for the soak only."""


@pytest.mark.parametrize(
    ("key", "client", "mode"),
    [
        pytest.param(key, *each, marks=() if each in always else pytest.mark.soak)
        for key, always in ALWAYS.items()
        for each in SESSIONS
    ],
)
@pytest_twisted.ensureDeferred
async def test_two_users_whole_sessions_at_once(
    gateways: Gateways, vsftpd: Server, tmp_path: Path, key: str, client: str, mode: str
) -> None:
    """Each has 20 MB up and down, then 50 transfers of 4 KiB, all on one control channel."""
    visits = [
        a_visit(tunnel, vsftpd, tmp_path / f"{key}-{client}-{mode}-{user}", client, mode, "whole")
        for user, tunnel in enumerate(two_users(gateways, vsftpd, key))
    ]
    home = vsftpd.site.home
    spent = [deferToThread(whole_session, visit, home) for visit in visits]
    assert await gatherResults(spent) == ["", ""]
    await on_two_proxies(gateways)
    ended = [fact for fact in gateways.facts if isinstance(fact, ConnectionEnded)]
    roles = Counter(fact.role for fact in ended if fact.frontend == "main")
    assert roles == {"control": 2, "notification": 2, "data": 2 * TRANSFERS}
