"""Observed frontends on real sockets: what an operator finds out about unknown clients."""

from __future__ import annotations

import attrs
import pytest_twisted

from tests.hellos import alpn, extension, hello, record, server_names, vector
from tests.loopback.site import Site
from tests.loopback.test_group import serve_roles, three_roles
from twisted_lb.config.settings import FrontendTls, Settings
from twisted_lb.facts import ChannelObserved, ConnectionEnded

TICKET = b"t" * 100
SPEAKS_FIRST = "notification"


def observed(ports: dict[str, int], **group: object) -> Settings:
    """Control and data are passed through as TLS; whatever notification is, it is passed on."""
    settings = three_roles(ports, **group)
    frontends = (
        attrs.evolve(
            each, observe="seen", tls=FrontendTls("off" if each.role == SPEAKS_FIRST else "pass")
        )
        for each in settings.frontends
    )
    return attrs.evolve(settings, frontends=tuple(frontends))


def server_flight() -> bytes:
    """As a server of TLS 1.2 gives a ticket: nothing in it is checked by anybody here."""
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\xc0\x2f\x00"
    ticket = bytes(4) + vector(2, TICKET)
    return record(b"\x02" + vector(3, body) + b"\x04" + vector(3, ticket))


def seen(site: Site) -> dict[str, ChannelObserved]:
    return {fact.frontend: fact for fact in site.facts if isinstance(fact, ChannelObserved)}


@pytest_twisted.ensureDeferred
async def test_three_channels_of_a_client_are_told_apart_and_belong_together(site: Site) -> None:
    site.start(observed(serve_roles(site)))
    control = await site.client("control")
    first = hello(server_names(b"front.example"), alpn(b"x"), extension(35, b""))
    control.says(first)
    await site.until(lambda: any(talk.heard for host in site.hosts for talk in host.talks))
    [server] = [talk for host in site.hosts for talk in host.talks]
    server.says(server_flight())
    await control.hears(server_flight())
    data = await site.client("data")
    resuming = hello(extension(35, TICKET))
    data.says(resuming)
    await site.until(lambda: sum(len(host.talks) for host in site.hosts) == 2)
    notification = await site.client("notification")
    await site.until(lambda: sum(len(host.talks) for host in site.hosts) == 3)
    [speaker] = [talk for host in site.hosts[6:] for talk in host.talks]
    speaker.says(b"event")
    await notification.hears(b"event")
    for client in (notification, data, control):
        client.resets()
    await site.until(lambda: len(seen(site)) == 3)
    told = seen(site)
    assert [
        (told[r].order, told[r].beside, told[r].first) for r in ("control", "data", "notification")
    ] == [
        (1, 0, "client"),
        (2, 1, "client"),
        (3, 2, "server"),
    ]
    assert told["control"].given == told["data"].ticket != ""
    assert (told["control"].sni, told["control"].alpn) == ("front.example", "x")
    assert (told["control"].from_client, told["control"].from_server) == (
        len(first),
        len(server_flight()),
    )
    assert (told["notification"].versions, told["notification"].from_server) == ("", 5)
    assert told["control"].port == site.balancer.address("control").port


@pytest_twisted.ensureDeferred
async def test_a_channel_that_is_refused_is_observed_with_its_hello(site: Site) -> None:
    """That is when an operator wants to know what it showed."""
    site.start(observed(serve_roles(site), key=("sni",)))
    client = await site.client("data")
    client.says(hello(alpn(b"x")))
    await client.gone()
    fact = seen(site)["data"]
    assert (fact.ending, fact.alpn, fact.from_client) == ("unkeyed", "x", 0)


@pytest_twisted.ensureDeferred
async def test_tls_is_seen_where_nothing_is_looked_for(site: Site) -> None:
    """Without `tls.mode` the server may speak first, so nothing is waited for: the relay sees."""
    site.start(observed(serve_roles(site)))
    client = await site.client("notification")
    client.says(hello(server_names(b"front.example")))
    await site.until(lambda: any(talk.heard for host in site.hosts for talk in host.talks))
    client.resets()
    await site.until(lambda: bool(seen(site)))
    assert seen(site)["notification"].sni == "front.example"


@pytest_twisted.ensureDeferred
async def test_who_is_not_observed_is_not(site: Site) -> None:
    site.start(three_roles(serve_roles(site)))
    client = await site.client("control")
    client.resets()
    await site.until(lambda: bool(site.endings(ConnectionEnded)))
    assert not seen(site)
