"""The whole chain: tunnel, balancer, two security proxies. The channels of a session stay together.

The balancer looks into nothing: it knows a session by the ALPN name in its ClientHellos.
"""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.loopback.farm import Farm
from tests.loopback.ftp_talks import Visitor
from tests.loopback.gateways import NAME, Gateways
from tests.loopback.site import LIMITS, backend
from tests.loopback.test_gateway_ftp import ftp_local, leave, upload
from twisted_lb.config.settings import (
    BackendTls,
    Frontend,
    FrontendTls,
    Group,
    Patterns,
    ProxyIn,
    RoleRule,
    ServerRule,
    Settings,
    ShownCertificate,
)
from twisted_lb.facts import AttackSeen, ConnectionEnded
from twisted_lb.gateway.tunnel import Tunnel
from twisted_lb.service import balancer
from twisted_lb.terms import Address

PROXIES = ("127.0.0.5", "127.0.0.6")


PATTERNS = {
    "alpn": Patterns(alpn="lb-session/(?P<session>[0-9a-f]{32})"),
    "opening": Patterns(opening=r"LBP/1 (?P<role>\S+) (?P<session>\S+) "),
}
ROLES = ("control", "data", "notification", "terminal")


def on_proxies(gateways: Gateways, hosts: tuple[str, ...], **changed: Any) -> int:
    """Start a proxy at each of these; the port that they share."""
    port = 0
    for host in hosts:
        port = gateways.proxy(host, port, **changed).port
    return port


def two_proxies(gateways: Gateways, **changed: Any) -> int:
    """Start both; their port."""
    return on_proxies(gateways, PROXIES, **changed)


def balanced(gateways: Gateways, port: int, key: str = "alpn", **changed: Any) -> Address:
    """A balancer before them; where it listens."""
    hosts = changed.pop("proxies", PROXIES)
    frontend, servers = changed.pop("frontend", {}), changed.pop("backend", {})
    group = Group(
        "gateway",
        "proxies",
        (key,),
        pattern=PATTERNS.get(key, Patterns()),
        roles={role: RoleRule(False, port) for role in ("any", *ROLES)},
    )
    settings = Settings(
        (
            Frontend(
                "front",
                (Address("127.0.0.1", 0),),
                group="gateway",
                **{"tls": FrontendTls("pass"), **frontend},
            ),
        ),
        {"gateway": group},
        {"proxies": backend("proxies", *hosts, **servers)},
        LIMITS,
    )
    gateways.balancer = balancer(settings, reactor, gateways.facts.append)
    gateways.balancer.startService()
    return gateways.balancer.address("front")


def a_tunnel(gateways: Gateways, farm: Farm, front: Address) -> Tunnel:
    return gateways.tunnel(front, ftp_local(farm))


def channels(gateways: Gateways) -> dict[str, set[str]]:
    """Session → the servers that the balancer brought its channels to."""
    told = [f for f in gateways.facts if isinstance(f, ConnectionEnded) and f.frontend == "front"]
    return {one.session: {f.server for f in told if f.session == one.session} for one in told}


def astray(gateways: Gateways) -> int:
    return sum(proxy.roles.unknown_sessions for proxy in gateways.proxies)


async def gone(gateways: Gateways) -> None:
    """Every connection through the balancer is over."""
    await gateways.until(lambda: not gateways.balancer.stories)


@pytest_twisted.ensureDeferred
async def test_each_session_keeps_to_one_proxy_and_all_proxies_work(
    gateways: Gateways, farm: Farm
) -> None:
    """Three FTP sessions at once from one address, in the proxies' own eyes and the balancer's."""
    tunnel = a_tunnel(gateways, farm, balanced(gateways, two_proxies(gateways)))
    visitors = [await gateways.logs_in(tunnel) for _ in range(4)]
    assert [len(proxy.roles.sessions) for proxy in gateways.proxies] == [2, 2]
    for turn, verb in enumerate(("EPSV", "PORT", "PASV", "EPRT")):
        for number, visitor in enumerate(visitors):
            await upload(visitor, verb, f"{number}-{turn}", b"content")
    for visitor in visitors:
        await leave(visitor)
    await gone(gateways)
    assert astray(gateways) == 0
    assert sorted(map(len, channels(gateways).values())) == [1] * 4
    assert len(set.union(*channels(gateways).values())) == 2


@pytest_twisted.ensureDeferred
async def test_a_channel_that_goes_astray_is_refused_and_counted(
    gateways: Gateways, farm: Farm
) -> None:
    """A balancer that takes each connection for itself: the notification channel is elsewhere."""
    front = balanced(
        gateways, two_proxies(gateways), "connection", backend={"balance": "round-robin"}
    )
    tunnel = a_tunnel(gateways, farm, front)
    visitor = await gateways.connect(tunnel.address("ftp"), "127.0.0.1", Visitor(gateways))
    assert await visitor.reply() == b"421 lb-tunnel: the proxy does not know the session."
    visitor.closes()
    await gone(gateways)
    assert astray(gateways) == 1
    kinds = [fact.kind for fact in gateways.facts if isinstance(fact, AttackSeen)]
    assert kinds == ["unknown-session"]


@pytest_twisted.ensureDeferred
async def test_the_sessions_of_a_proxy_that_dies_end_as_one(gateways: Gateways, farm: Farm) -> None:
    tunnel = a_tunnel(gateways, farm, balanced(gateways, two_proxies(gateways)))
    visitors = [await gateways.logs_in(tunnel) for _ in range(4)]
    dies, lives = gateways.proxies
    for visit in dies.visits:
        visit.cut()
    await gateways.until(lambda: sum(b"\r\n421 " in v.heard for v in visitors) == 2)
    survivors = [visitor for visitor in visitors if b"\r\n421 " not in visitor.heard]
    for number, visitor in enumerate(survivors):
        await upload(visitor, "EPSV", f"after{number}", b"content")
        await leave(visitor)
    assert len(lives.roles.sessions) == 0
    assert astray(gateways) == 0


@pytest_twisted.ensureDeferred
async def test_a_proxy_that_drains_takes_no_new_session_and_loses_none(
    gateways: Gateways, farm: Farm
) -> None:
    tunnel = a_tunnel(gateways, farm, balanced(gateways, two_proxies(gateways)))
    first, second = [await gateways.logs_in(tunnel) for _ in range(2)]
    drains = gateways.proxies[0]
    drains._patience = 30.0
    stopping = drains.stopService()
    for visitor in (first, second):
        await upload(visitor, "EPSV", "late", b"content")
    held = set(drains.roles.sessions)
    others = [await gateways.logs_in(tunnel) for _ in range(2)]  # past it, as other sessions
    assert set(drains.roles.sessions) == held
    for visitor in (first, second, *others):
        await leave(visitor)
    await stopping
    assert astray(gateways) == 0


TRUSTED = ProxyIn("required", (ipaddress.ip_network("127.0.0.0/8"),))


def with_headers() -> dict[str, Any]:
    rules = [ServerRule(host, host, send_proxy="v2") for host in PROXIES]
    return {"servers": tuple(rules)}


@pytest_twisted.ensureDeferred
async def test_a_proxy_knows_the_client_that_a_trusted_balancer_names(
    gateways: Gateways, farm: Farm
) -> None:
    port = two_proxies(gateways, listener={"proxy": TRUSTED})
    front = balanced(gateways, port, backend=with_headers())
    tunnel = a_tunnel(gateways, farm, front)
    visitor = await gateways.logs_in(tunnel)
    await upload(visitor, "PASV", "mine", b"content")
    await leave(visitor)
    await gone(gateways)
    await gateways.until(lambda: not any(len(proxy.visits) for proxy in gateways.proxies))
    told = [f for f in gateways.facts if isinstance(f, ConnectionEnded)]
    peers = {f.frontend: {g.client for g in told if g.frontend == f.frontend} for f in told}
    assert peers["main"] == peers["front"]


def ended_at_the_balancer(gateways: Gateways, key: str) -> Address:
    """Both proxies behind a balancer that ends TLS and speaks it anew; where that listens."""
    port = two_proxies(gateways, listener={"proxy": TRUSTED})
    certificate = ShownCertificate(gateways.certificate)
    ends = FrontendTls("terminate", (certificate,), clients="any", alpn=("lb-proxy/1",))
    servers = {**with_headers(), "tls": BackendTls("on", gateways.ca, NAME)}
    return balanced(gateways, port, key, frontend={"tls": ends}, backend=servers)


@pytest.mark.parametrize(("key", "proxies"), [("opening", 2), ("certificate", 1)])
@pytest_twisted.ensureDeferred
async def test_where_the_balancer_ends_tls_it_knows_sessions_by_the_opening_line(
    gateways: Gateways, farm: Farm, key: str, proxies: int
) -> None:
    """By the client's key it knows the tunnel only: all its sessions are on one proxy."""
    tunnel = a_tunnel(gateways, farm, ended_at_the_balancer(gateways, key))
    visitors = [await gateways.logs_in(tunnel) for _ in range(4)]
    assert sum(len(proxy.roles.sessions) > 0 for proxy in gateways.proxies) == proxies
    for number, visitor in enumerate(visitors):
        await upload(visitor, ("EPSV", "PORT")[number % 2], f"mine{number}", b"content")
        await leave(visitor)
    await gone(gateways)
    assert astray(gateways) == 0


@pytest_twisted.ensureDeferred
async def test_a_stolen_token_is_no_good_where_the_balancer_ends_tls(
    gateways: Gateways, farm: Farm
) -> None:
    """Attack 17: the balancer tells by PROXY which certificate the client showed."""
    gateways.stolen = True
    tunnel = a_tunnel(gateways, farm, ended_at_the_balancer(gateways, "opening"))
    visitor = await gateways.connect(tunnel.address("ftp"), "127.0.0.1", Visitor(gateways))
    assert await visitor.reply() == b"421 lb-tunnel: the token was not accepted."
    visitor.closes()
    await gone(gateways)
