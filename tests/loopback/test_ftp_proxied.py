"""FTP behind a proxy that speaks PROXY: who the client is, and who may bring its data (T91)."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftp_talks import Data, Served, Visitor, announcement
from twisted_lb.config.settings import FrontendTimeout, ProxyIn
from twisted_lb.facts import AttackSeen, TransferEnded
from twisted_lb.terms import Address
from twisted_lb.wire.proxyheader import SIGNATURE, encode_v1, encode_v2

SERVER = "127.0.0.2"
PROXY, OTHER_PROXY = "127.0.0.9", "127.0.0.10"
TRUSTED = (ipaddress.ip_network("127.0.0.8/30"),)
CLIENT, NEIGHBOUR = Address("127.0.1.1", 4711), Address("127.0.1.2", 4711)
DIALLED = Address("203.0.113.1", 21)
SIXTH, DIALLED_SIXTH = Address("::1", 4711), Address("2001:db8::21", 21)


def header(client: Address, dialled: Address = DIALLED) -> bytes:
    return encode_v2(client, dialled, [], crc=True)


class Behind:
    """A client that a proxy has brought, and that has logged in."""

    def __init__(self, site: FtpSite) -> None:
        self.site = site
        self.visitor: Visitor
        self.server: Served

    async def comes(self, introduction: bytes, source: str = PROXY) -> None:
        at = self.site.balancer.address("ftp")
        before = {talk for host in self.site.hosts for talk in host.talks}
        self.visitor = await self.site.connect(at, source, Visitor(self.site))
        self.visitor.says(introduction)
        await self.visitor.login()
        served = {talk for host in self.site.hosts for talk in host.talks} - before
        [self.server] = served  # type: ignore[assignment]

    async def invited(self) -> Address:
        """Where its data listener stands, as the proxy knows it."""
        reply = await self.visitor.does("EPSV", 229)
        port = re.search(rb"\|\|\|(\d+)\|", reply)
        assert port
        return Address("127.0.0.1", int(port[1]))

    def brings(self, to: Address, introduction: bytes, source: str = PROXY) -> Deferred[Any]:
        """A data connection."""
        coming: Deferred[Any] = self.site.connect(to, source, Data())
        coming.addCallback(lambda data: [data.says(introduction), data][1])
        return coming

    async def downloads(self, near: Any) -> None:
        """A file arrives at this end."""
        self.visitor.asks("RETR a")
        await self.server.asked("RETR a")
        self.server.says(b"150 Here\r\n")
        far = await self.server.data()
        far.says(b"a file")
        far.closes()
        await near.ends("closed")
        assert near.heard == b"a file"
        self.server.says(b"226 Done\r\n")
        await self.visitor.replies(150, 226)


@pytest.fixture
def behind(ftp_site: FtpSite) -> Behind:
    return Behind(ftp_site)


def start(site: FtpSite, bare: bool = False, **rules: Any) -> None:
    proxy = ProxyIn("required", TRUSTED, bare)
    timeout = FrontendTimeout(proxy=0.3)
    frontend = {"proxy": proxy, "timeout": timeout}
    site.start(ftp(site.serve_ftp(SERVER), SERVER, frontend=frontend, **rules))


def attacks(site: FtpSite) -> list[str]:
    return [fact.kind for fact in site.of(AttackSeen)]


@pytest.mark.parametrize(
    ("introduction", "rules", "named"),
    [
        (header(CLIENT), {}, "203,0,113,1"),
        (encode_v1(CLIENT, DIALLED), {}, "203,0,113,1"),
        (header(CLIENT), {"advertise": {"127.0.1.0/24": "192.0.2.7"}}, "192,0,2,7"),
        (header(CLIENT), {"advertise": {"127.0.0.0/24": "192.0.2.7"}}, "203,0,113,1"),
        (SIGNATURE + b"\x20\x00\x00\x00", {}, "127,0,0,1"),
    ],
    ids=["v2", "v1", "advertised", "advertised-to-others", "local"],
)
@pytest_twisted.ensureDeferred
async def test_227_names_the_address_that_the_client_has_dialled(
    behind: Behind, introduction: bytes, rules: dict[str, Any], named: str
) -> None:
    start(behind.site, **rules)
    await behind.comes(introduction)
    assert b"(%s," % named.encode() in await behind.visitor.does("PASV", 227)


@pytest.mark.parametrize("source", [PROXY, OTHER_PROXY])
@pytest_twisted.ensureDeferred
async def test_the_proxy_brings_data_with_a_header_of_the_same_client(
    behind: Behind, source: str
) -> None:
    """Any of its machines may."""
    start(behind.site)
    await behind.comes(header(CLIENT))
    near = await behind.brings(await behind.invited(), header(CLIENT), source)
    await behind.downloads(near)
    assert behind.site.endings(TransferEnded) == ["done"]


@pytest_twisted.ensureDeferred
async def test_another_client_of_the_proxy_does_not_get_the_data(behind: Behind) -> None:
    """T48."""
    start(behind.site)
    await behind.comes(header(CLIENT))
    to = await behind.invited()
    thief = await behind.brings(to, header(NEIGHBOUR))
    await thief.gone()
    [seen] = behind.site.of(AttackSeen)
    assert (seen.kind, seen.peer) == ("data-theft", NEIGHBOUR)
    await behind.downloads(await behind.brings(to, header(CLIENT)))


@pytest.mark.parametrize(
    "said",
    [b"", b"bytes of a file", header(CLIENT)[:9]],
    ids=["nothing", "no-header", "half"],
)
@pytest_twisted.ensureDeferred
async def test_without_a_header_the_proxy_s_connection_is_closed_in_time(
    behind: Behind, said: bytes
) -> None:
    start(behind.site)
    await behind.comes(header(CLIENT))
    to = await behind.invited()
    bare = await behind.brings(to, said)
    await bare.gone()
    assert attacks(behind.site) == ["proxy-spoof"]
    await behind.downloads(await behind.brings(to, header(CLIENT)))


@pytest_twisted.ensureDeferred
async def test_a_check_of_the_proxy_s_on_a_data_port_is_no_attack(behind: Behind) -> None:
    start(behind.site)
    await behind.comes(header(CLIENT))
    to = await behind.invited()
    check = await behind.brings(to, b"")
    check.closes()
    await check.gone()
    checked = await behind.brings(to, SIGNATURE + b"\x20\x00\x00\x00")
    await checked.gone()
    assert "proxy-spoof" not in attacks(behind.site)
    await behind.downloads(await behind.brings(to, header(CLIENT)))


@pytest_twisted.ensureDeferred
async def test_by_option_the_same_proxy_may_bring_it_bare(behind: Behind) -> None:
    start(behind.site, bare=True)
    await behind.comes(header(CLIENT))
    to = await behind.invited()
    other = await behind.brings(to, b"", OTHER_PROXY)
    await behind.downloads(await behind.brings(to, b""))
    await other.gone()
    assert other.heard == b""


@pytest_twisted.ensureDeferred
async def test_a_client_may_pass_the_proxy_by_with_its_data(behind: Behind) -> None:
    """T46, T48: from its own address, and from no other."""
    start(behind.site)
    await behind.comes(header(CLIENT))
    to = await behind.invited()
    thief = await behind.brings(to, b"", NEIGHBOUR.host)
    await thief.gone()
    assert attacks(behind.site) == ["data-theft"]
    await behind.downloads(await behind.brings(to, b"", CLIENT.host))


@pytest_twisted.ensureDeferred
async def test_port_names_the_client_behind_the_proxy_and_nobody_else(behind: Behind) -> None:
    """T46."""
    start(behind.site)
    await behind.comes(header(CLIENT))
    for other in (PROXY, "127.0.0.1", DIALLED.host, NEIGHBOUR.host):
        await behind.visitor.does(announcement("PORT", Address(other, 5_000)).decode(), 501)
    host = behind.site.listens(CLIENT.host)
    await behind.visitor.does(announcement("PORT", host.address).decode(), 200)
    behind.visitor.asks("RETR a")
    await behind.server.asked("RETR a")
    behind.server.says(b"150 Here\r\n")
    far = await behind.server.data()
    near = await host.talk()
    far.says(b"a file")
    far.closes()
    await near.gone()
    assert near.heard == b"a file"


class TestIPv6BehindIPv4:
    """The client's control connection reaches the proxy in IPv6, and us in IPv4."""

    @pytest_twisted.ensureDeferred
    async def test_pasv_is_refused_and_epsv_works_through_the_proxy(self, behind: Behind) -> None:
        start(behind.site)
        await behind.comes(header(SIXTH, DIALLED_SIXTH))
        assert await behind.visitor.does("PASV", 522) == (
            b"522 Network protocol not supported, use (2)."
        )
        to = await behind.invited()
        await behind.downloads(await behind.brings(to, header(SIXTH, DIALLED_SIXTH)))

    @pytest_twisted.ensureDeferred
    async def test_eprt_reaches_it_where_we_have_its_family(self, behind: Behind) -> None:
        start(behind.site)
        await behind.comes(header(SIXTH, DIALLED_SIXTH))
        host = behind.site.listens(SIXTH.host)
        await behind.visitor.does(announcement("EPRT", host.address).decode(), 200)
        behind.visitor.asks("RETR a")
        await behind.server.asked("RETR a")
        behind.server.says(b"150 Here\r\n")
        far = await behind.server.data()
        near = await host.talk()
        far.says(b"a file")
        far.closes()
        await near.gone()
        assert near.heard == b"a file"

    @pytest_twisted.ensureDeferred
    async def test_eprt_where_nobody_is_reached_is_425(self, behind: Behind) -> None:
        start(behind.site, data_timeout=0.5)
        await behind.comes(header(SIXTH, DIALLED_SIXTH))
        host = behind.site.listens(SIXTH.host)
        host.shuts()
        await behind.visitor.does(announcement("EPRT", host.address).decode(), 200)
        behind.visitor.asks("RETR a")
        await behind.server.asked("RETR a")
        behind.server.says(b"150 Here\r\n")
        far = await behind.server.data()
        await far.gone()
        behind.server.says(b"226 Done\r\n")
        await behind.visitor.replies(150, 425)
