"""Attack 16 on sockets: who may say who the client is, and when."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.loopback.ftp_site import ftp
from tests.loopback.site import Site
from tests.loopback.test_slow import DEADLINE, guarded
from twisted_lb.config.settings import FrontendTimeout, ProxyIn, Settings
from twisted_lb.facts import AttackSeen, ConnectionEnded
from twisted_lb.terms import Address
from twisted_lb.wire.proxyheader import SIGNATURE, encode_v1, encode_v2

FRONT = Address("203.0.113.9", 4711)
REACHED = Address("203.0.113.1", 21)
HEADERS = {"v1": encode_v1(FRONT, REACHED), "v2": encode_v2(FRONT, REACHED, [], crc=True)}
PROXY = ProxyIn("required", (ipaddress.ip_network("127.0.0.9/32"),))


def behind(port: int, **rules: Any) -> Settings:
    """A frontend behind a proxy at 127.0.0.9."""
    return guarded(port, group="in", proxy=PROXY, **rules)


def held(site: Site) -> list[bytes]:
    """What is held of the clients on their way."""
    return [bytes(story.client.held) for story in site.balancer.stories if not story.server]


@pytest_twisted.ensureDeferred
async def test_a_header_from_somebody_else_is_not_even_read(site: Site) -> None:
    site.start(behind(site.serve("127.0.0.2")))
    client = await site.client("in", source="127.0.0.10")
    client.says(HEADERS["v1"])
    await client.until(lambda talk: bool(talk.ended))
    assert site.endings(ConnectionEnded) == ["refused-source"]
    assert site.hosts[0].talks == []


@pytest_twisted.ensureDeferred
async def test_a_trusted_proxy_that_says_nothing_is_closed_in_time(site: Site) -> None:
    site.start(behind(site.serve("127.0.0.2")))
    began = reactor.seconds()
    client = await site.client("in", source="127.0.0.9")
    await client.gone()
    assert reactor.seconds() - began < DEADLINE + 2
    assert site.endings(ConnectionEnded) == ["too-slow"]


@pytest.mark.parametrize("version", HEADERS)
@pytest_twisted.ensureDeferred
async def test_a_header_is_taken_at_every_split(site: Site, version: str) -> None:
    """Two segments, cut anywhere; a second header is payload."""
    site.start(behind(site.serve("127.0.0.2")))
    header, payload = HEADERS[version], HEADERS["v1"] + b"hello"
    for number, cut in enumerate(range(1, len(header)), 1):
        client = await site.client("in", source="127.0.0.9")
        client.transport.setTcpNoDelay(True)
        client.says(header[:cut])
        await site.until(lambda cut=cut: header[:cut] in held(site))
        client.says(header[cut:] + payload)
        server = await site.hosts[0].talk(number)
        await server.hears(payload)
    assert {str(story.peer) for story in site.balancer.stories} == {str(FRONT)}


@pytest.mark.parametrize(
    "spoof",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        SIGNATURE + b"\x21\x11\xff\xff" + b"x" * 200,
        HEADERS["v2"][:-1] + b"\xff",
        SIGNATURE + b"\x21\x21\x00\x0c" + b"\x00" * 12,
        SIGNATURE + b"\x21\x11\x00\x0e" + b"\x00" * 12 + b"\x04\x00",
    ],
    ids=["no-header", "length-65535", "bad-crc32c", "family-and-length", "truncated-tlv"],
)
@pytest_twisted.ensureDeferred
async def test_what_is_no_header_is_closed_at_once_and_counted(site: Site, spoof: bytes) -> None:
    site.start(behind(site.serve("127.0.0.2")))
    client = await site.client("in", source="127.0.0.9")
    client.says(spoof)
    await client.gone()
    assert site.endings(ConnectionEnded) == ["wire-error"]
    assert [fact.kind for fact in site.facts if isinstance(fact, AttackSeen)] == ["proxy-spoof"]
    assert client.heard == b""
    assert site.hosts[0].talks == []


@pytest_twisted.ensureDeferred
async def test_no_banner_is_sent_before_the_header(site: Site) -> None:
    """An FTP server speaks first, but not before we know to whom."""
    port = site.serve("127.0.0.2")
    timeout = FrontendTimeout(proxy=DEADLINE, opening=DEADLINE)
    site.start(ftp(port, "127.0.0.2", frontend={"proxy": PROXY, "timeout": timeout}))
    silent = await site.client("ftp", source="127.0.0.9")
    client = await site.client("ftp", source="127.0.0.9")
    client.says(HEADERS["v1"])
    server = await site.hosts[0].talk()
    server.says(b"220 hello\r\n")
    await client.hears(b"220 hello\r\n")
    await silent.ends("eof")
    assert b"220" not in silent.heard
    assert len(site.hosts[0].talks) == 1


@pytest_twisted.ensureDeferred
async def test_a_health_check_of_the_proxy_counts_as_itself(site: Site) -> None:
    """v2 LOCAL."""
    site.start(behind(site.serve("127.0.0.2")))
    client = await site.client("in", source="127.0.0.9")
    client.says(SIGNATURE + b"\x20\x00\x00\x00" + b"hello")
    server = await site.hosts[0].talk()
    await server.hears(b"hello")
    [story] = site.balancer.stories
    assert story.peer.host == "127.0.0.9"
