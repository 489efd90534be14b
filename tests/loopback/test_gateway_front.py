"""What the tunnel's user reads when there is no token, no front-end, or a wrong one."""

from __future__ import annotations

from typing import Any

import pytest_twisted
from twisted.internet.defer import fail

from tests.loopback.gateways import NAME, Gateways
from tests.loopback.site import Talk
from twisted_lb.facts import ConnectionEnded
from twisted_lb.gateway.passes import Unusable
from twisted_lb.gateway.settings import Front, Limits, Local, TunnelTimeout
from twisted_lb.gateway.tunnel import Tunnel
from twisted_lb.gateway.tunnelpath import SESSIONS
from twisted_lb.terms import Address

LOCAL = Local("mainframe", (Address("127.0.0.1", 0),), Address("127.0.0.2", 23))


async def told(gateways: Gateways, tunnel: Tunnel) -> str:
    """What a terminal shows that connects now."""
    client = await gateways.connect(tunnel.address("mainframe"), "127.0.0.1")
    await client.until(lambda client: client.heard.endswith(b"\r\n"))
    client.closes()
    return client.heard.decode().removeprefix("lb-tunnel: ").strip()


class Speaks(Talk):
    """A server that is no security proxy."""

    def connectionMade(self) -> None:
        self.says(b"220 mail.example ESMTP\r\n")
        self.closes()


@pytest_twisted.ensureDeferred
async def test_there_is_no_token(gateways: Gateways) -> None:
    gateways.source = lambda local, key, user: lambda: fail(Unusable("the file is gone"))  # type: ignore[method-assign]
    tunnel = gateways.tunnel(gateways.proxy(), LOCAL)
    assert await told(gateways, tunnel) == "no token: the file is gone"


@pytest_twisted.ensureDeferred
async def test_the_front_end_is_somebody_else(gateways: Gateways) -> None:
    """A certificate of another name: no token is shown."""
    at = gateways.proxy()
    tunnel = gateways.tunnel(at, LOCAL, front=Front(at, "other.example", gateways.ca))
    assert await told(gateways, tunnel) == f"its certificate is for {NAME}, not for other.example"
    assert "tls-failed" not in gateways.endings(ConnectionEnded)


@pytest_twisted.ensureDeferred
async def test_nobody_listens(gateways: Gateways) -> None:
    tunnel = gateways.tunnel(Address("127.0.0.1", 9), LOCAL)
    assert (await told(gateways, tunnel)).startswith("the front-end 127.0.0.1:9: ")


@pytest_twisted.ensureDeferred
async def test_what_listens_speaks_no_tls(gateways: Gateways) -> None:
    port = gateways.serve("127.0.0.2", protocol=Speaks)
    tunnel = gateways.tunnel(Address("127.0.0.2", port), LOCAL)
    assert (await told(gateways, tunnel)).startswith("TLS failed")


@pytest_twisted.ensureDeferred
async def test_what_speaks_tls_is_no_security_proxy(gateways: Gateways) -> None:
    """A port of a proxy that is for one host: the host's own words come instead of an answer."""
    host = Address("127.0.0.2", gateways.serve("127.0.0.2", protocol=Speaks))
    at = gateways.proxy(listener={"authorization": False, "destination": host})
    tunnel = gateways.tunnel(at, LOCAL)
    assert await told(gateways, tunnel) == "the proxy said 220"


@pytest_twisted.ensureDeferred
async def test_the_only_proxy_is_closing(gateways: Gateways) -> None:
    """Of the sessions that were tried nothing is left."""
    tunnel = gateways.tunnel(gateways.proxy(), LOCAL)
    gateways.proxies[0].roles.draining = True
    assert await told(gateways, tunnel) == "the proxy is closing"
    await gateways.until(lambda: not len(tunnel.visits))
    claims = tunnel.room.claims
    assert (len(claims.sessions), len(claims._seats)) == (0, 0)
    sessions = ["mainframe1", *(f"mainframe1.{n}" for n in range(1, SESSIONS))]
    ended = [fact for fact in gateways.facts if isinstance(fact, ConnectionEnded)]
    assert [fact.session for fact in ended if fact.frontend == "main"] == sessions


@pytest_twisted.ensureDeferred
async def test_a_front_end_that_is_silent_is_not_waited_for(gateways: Gateways) -> None:
    port = gateways.serve("127.0.0.2")
    brief = TunnelTimeout(connect=0.3)
    tunnel = gateways.tunnel(Address("127.0.0.2", port), LOCAL, timeout=brief)
    assert await told(gateways, tunnel) == "the proxy did not answer in time"


async def a_client_on_its_way(gateways: Gateways) -> tuple[Tunnel, Any]:
    port = gateways.serve("127.0.0.2")
    tunnel = gateways.tunnel(Address("127.0.0.2", port), LOCAL, limits=Limits(drain=0.0))
    client = await gateways.connect(tunnel.address("mainframe"), "127.0.0.1")
    await gateways.hosts[0].talk()
    return tunnel, client


@pytest_twisted.ensureDeferred
async def test_a_user_who_leaves_gives_the_attempt_up(gateways: Gateways) -> None:
    tunnel, client = await a_client_on_its_way(gateways)
    client.resets()
    await gateways.until(lambda: not len(tunnel.visits))
    assert gateways.endings(ConnectionEnded) == ["client-left"]


@pytest_twisted.ensureDeferred
async def test_a_tunnel_that_stops_gives_the_attempt_up(gateways: Gateways) -> None:
    tunnel, client = await a_client_on_its_way(gateways)
    stopping = tunnel.stopService()
    await client.until(lambda client: client.heard.endswith(b"\r\n"))
    client.closes()
    await stopping
    assert client.heard == b"lb-tunnel: the tunnel is closing\r\n"
    assert gateways.endings(ConnectionEnded) == ["killed"]
