"""Attack 15 on sockets: a ClientHello is routed however it is cut; a wrong one gets an alert."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import deferLater

from tests.hellos import alpn, message, padded, record, records, server_names
from tests.loopback.site import LIMITS, Site, Talk, backend
from twisted_lb.config.settings import (
    Frontend,
    FrontendTls,
    Group,
    RoleRule,
    Settings,
    SniRoute,
)
from twisted_lb.facts import ConnectionEnded
from twisted_lb.terms import Address

RED, BLUE = "127.0.0.2", "127.0.0.3"
UNRECOGNIZED = b"\x15\x03\x01\x00\x02\x02\x70"


def by_name(port: int) -> Settings:
    """red.example goes to one server, *.blue.example to another, other names to nobody."""
    names = {"red": ("red.example",), "blue": ("*.blue.example",)}
    roles = {"any": RoleRule(False, port)}
    return Settings(
        (
            Frontend(
                "in",
                (Address("127.0.0.1", 0),),
                tls=FrontendTls("pass"),
                routes=tuple(SniRoute(name, sni) for name, sni in names.items()),
            ),
        ),
        {name: Group(name, name, ("connection",), linger=0.0, roles=roles) for name in names},
        {"red": backend("red", RED), "blue": backend("blue", BLUE)},
        LIMITS,
    )


def pieces(whole: bytes, *cuts: int) -> list[bytes]:
    return [whole[a:b] for a, b in pairwise((0, *cuts, len(whole)))]


def hellos(name: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """The ways in which clients cut their hello."""
    small = message(server_names(name), alpn(b"h2"))
    large = padded(1_800, server_names(name))
    huge = padded(16_384, server_names(name))
    yield "one segment", [record(small)]
    yield "ML-KEM size in two segments", pieces(record(large), 1_400)
    yield "byte by byte", [bytes([byte]) for byte in record(small)]
    yield "three records", [records(small, (20, 60))]
    yield "three records, cut in their headers", pieces(records(small, (20, 60)), 3, 27, 70)
    yield "16 KiB", pieces(record(huge), 1_400, 9_000)


@pytest.mark.parametrize(
    ("name", "host"), [(b"red.example", RED), (b"www.blue.example", BLUE)], ids=["name", "wildcard"]
)
@pytest_twisted.ensureDeferred
async def test_a_hello_is_routed_by_its_name_however_it_is_cut(
    site: Site, name: bytes, host: str
) -> None:
    site.start(by_name(site.serve(RED, BLUE)))
    hosts = {each.host: each for each in site.hosts}
    for number, (how, parts) in enumerate(hellos(name), 1):
        client = await site.client("in")
        client.transport.setTcpNoDelay(True)
        for part in parts:
            client.says(part)
            await deferLater(reactor, 0)
        server = await hosts[host].talk(number)
        await server.hears(b"".join(parts))
        server.says(how.encode())
        await client.hears(how.encode())
    assert [len(each.talks) for each in site.hosts].count(0) == 1


@pytest.mark.parametrize(
    "name", [b"green.example", b"blue.example", b"a.b.blue.example", b"xred.example"]
)
@pytest_twisted.ensureDeferred
async def test_an_unknown_name_gets_its_alert_and_no_server(site: Site, name: bytes) -> None:
    """unrecognized_name (112), not a default server (attack 4)."""
    site.start(by_name(site.serve(RED, BLUE)))
    client = await site.client("in")
    client.says(record(message(server_names(name))))
    await client.ends("eof")
    assert client.heard == UNRECOGNIZED
    client.closes()
    await site.until(lambda: site.endings(ConnectionEnded) == ["no-route"])
    assert all(host.talks == [] for host in site.hosts)


async def refused(site: Site, said: bytes) -> Talk:
    """A client that says this, after it was closed as no TLS."""
    client = await site.client("in")
    client.says(said)
    await client.until(lambda talk: bool(talk.ended))
    client.closes()
    await site.until(lambda: not site.balancer.stories)
    assert site.endings(ConnectionEnded)[-1] == "wire-error"
    return client


@pytest_twisted.ensureDeferred
async def test_what_is_no_hello_is_closed_without_an_echo_and_without_a_server(site: Site) -> None:
    """Attack 4: a confused web client learns nothing."""
    site.start(by_name(site.serve(RED, BLUE)))
    for said in (
        b"GET / HTTP/1.1\r\nHost: red.example\r\n\r\n",
        record(message(server_names(b"red.example", b"blue.example"))),
        record(message(server_names(b"red.example"), tail=b"\xff\xff\x00")),
        record(b"\x01\xff\xff\xff" + b"x" * 16_000),
    ):
        client = await refused(site, said)
        assert b"GET" not in client.heard
        assert client.heard[:1] in (b"", b"\x15")
    assert all(host.talks == [] for host in site.hosts)
