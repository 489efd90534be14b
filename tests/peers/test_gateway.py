"""Ordinary clients through tunnel, balancer and two security proxies, to a real server."""

from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread

from tests.loopback.gateways import Gateways
from tests.loopback.test_gateway_balanced import astray, balanced, channels, gone, two_proxies
from tests.peers.cells import Cell, Target, Visit
from tests.peers.measure import measure
from tests.peers.servers import PASSWORD, Server, Site, running
from twisted_lb.gateway.settings import Local
from twisted_lb.gateway.tunnel import Tunnel
from twisted_lb.terms import Address

pytestmark = pytest.mark.peers

LARGE = random.Random(3).randbytes(20_000_000)
HOST = "127.0.0.2"


@pytest.fixture(scope="module")
def vsftpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("vsftpd")
    home.chmod(0o755)
    home.parent.chmod(0o755)
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    with running("vsftpd", Site("a", HOST, port, home / "server"), LARGE) as server:
        yield server


@pytest_twisted.async_yield_fixture()
async def gateways(tmp_path: Path) -> AsyncIterator[Gateways]:
    site = Gateways(tmp_path)
    yield site
    await site.stop()


def a_chain(gateways: Gateways, vsftpd: Server) -> Tunnel:
    host = Address(HOST, vsftpd.site.port)
    front = balanced(gateways, two_proxies(gateways))
    return gateways.tunnel(front, Local("ftp", (Address("127.0.0.1", 0),), host, "ftp"))


def a_visit(tunnel: Tunnel, vsftpd: Server, place: Path, *cell: str) -> Visit:
    at = tunnel.address("ftp")
    target = Target(at.host, at.port, vsftpd.user, PASSWORD)
    return Visit(Cell(*cell), target, place, LARGE)


SESSIONS = [
    (client, mode)
    for client in ("curl", "lftp", "ftplib")
    for mode in ("PASV", "EPSV", "PORT", "EPRT")
    if (client, mode) != ("lftp", "EPRT")  # which it says in IPv6 only
]


@pytest.mark.parametrize(("client", "mode"), SESSIONS)
@pytest_twisted.ensureDeferred
async def test_two_sessions_at_once_have_all_their_channels(
    gateways: Gateways, vsftpd: Server, tmp_path: Path, client: str, mode: str
) -> None:
    """20 MB up and 20 MB down, each with equal hashes, on two proxies."""
    tunnel = a_chain(gateways, vsftpd)
    homes = {"a": vsftpd.site.home}
    visits = [
        a_visit(tunnel, vsftpd, tmp_path / f"{client}-{mode}-{operation}", client, mode, operation)
        for operation in ("upload", "download")
    ]
    measured = [deferToThread(measure, visit, homes) for visit in visits]
    assert await gatherResults(measured) == ["", ""]
    await gone(gateways)
    assert astray(gateways) == 0
    servers = list(channels(gateways).values())
    assert [len(each) for each in servers] == [1, 1]
    assert len(set.union(*servers)) == 2
    await gateways.until(lambda: not any(len(proxy.visits) for proxy in gateways.proxies))
