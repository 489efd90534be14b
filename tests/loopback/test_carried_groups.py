"""Sessions by what a client carries: users behind one address are apart, each user's channels are
together, in any order, whether each role has a port or all share one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest
import pytest_twisted

from tests.hellos import alpn, hello, server_names
from tests.loopback.site import LIMITS, Site, backend
from tests.loopback.test_group import ROLES, serve_roles
from twisted_lb.config.settings import (
    Frontend,
    FrontendTimeout,
    FrontendTls,
    Group,
    Patterns,
    RoleRule,
    Settings,
)
from twisted_lb.facts import ConnectionEnded, SessionEnded
from twisted_lb.terms import Address

SERVERS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
USERS = ("00aa", "00bb", "00cc")
ORDERS = list(permutations(ROLES))
HERE = (Address("127.0.0.1", 0),)


def grouped(ports: dict[str, int], *frontends: Frontend, **group: object) -> Settings:
    roles = {role: RoleRule(role == "control", port) for role, port in ports.items()}
    return Settings(
        frontends=frontends,
        groups={"ftp": Group("ftp", "proxies", roles=roles, linger=0.0, **group)},  # type: ignore[arg-type]
        backends={"proxies": backend("proxies", *SERVERS)},
        limits=LIMITS,
    )


HELLOS: dict[str, tuple[Patterns, Callable[[bytes], bytes]]] = {
    "alpn": (
        Patterns(alpn="lb-session/(?P<session>[0-9a-f]{4})"),
        lambda user: hello(alpn(b"lb-session/" + user, b"lb-proxy/1")),
    ),
    "sni": (
        Patterns(sni=r"(?P<session>[0-9a-f]{4})\.front\.example"),
        lambda user: hello(server_names(user + b".front.example"), alpn(b"lb-proxy/1")),
    ),
}
"""Kind of key → where it is looked for, and a user's ClientHello."""


def by_hello(ports: dict[str, int], kind: str = "alpn") -> Settings:
    """TLS is passed through; every role has a port of its own, or all share one."""
    fronts = (Frontend(r, HERE, group="ftp", role=r, tls=FrontendTls("pass")) for r in ports)
    return grouped(ports, *fronts, key=(kind, "source"), pattern=HELLOS[kind][0])


def by_opening(ports: dict[str, int]) -> Settings:
    """All roles come to one port and say who they are."""
    front = Frontend("one", HERE, group="ftp", timeout=FrontendTimeout(opening=0.3))
    pattern = Patterns(opening=r"LBP/1 (?P<role>\S+) (?P<session>\S+) ")
    return grouped(ports, front, key=("opening",), pattern=pattern)


def reached(site: Site) -> dict[str, set[tuple[str, str]]]:
    """User → the servers that he reached, with the roles that he said there."""
    found: dict[str, set[tuple[str, str]]] = {}
    for host in site.hosts:
        for talk in host.talks:
            [user] = [user for user in USERS if user.encode() in talk.heard]
            [role] = [role for role in ROLES if role.encode() in talk.heard]
            found.setdefault(user, set()).add((host.host, role))
    return found


def on_their_ports(site: Site) -> bool:
    """Whether each of the roles' ports got its own role's channels only."""
    return all(
        ROLES[index // len(SERVERS)].encode() in talk.heard
        for index, host in enumerate(site.hosts)
        for talk in host.talks
    )


def together(site: Site) -> bool:
    """Whether every user has all three channels, on one server."""
    found = reached(site)
    return set(found) == set(USERS) and all(
        len({host for host, _ in each}) == 1 and {role for _, role in each} == set(ROLES)
        for each in found.values()
    )


def everybody(site: Site) -> bool:
    return sum(bool(talk.heard) for host in site.hosts for talk in host.talks) == 9


@pytest.mark.parametrize("kind", HELLOS)
@pytest.mark.parametrize("one_port", [True, False], ids=["one port", "three ports"])
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest_twisted.ensureDeferred
async def test_by_a_name_that_every_hello_of_a_session_offers(
    site: Site, order: tuple[str, ...], one_port: bool, kind: str
) -> None:
    """TLS 1.3 hides all else; users of one address are on servers of their own."""
    site.start(by_hello({"any": site.serve(*SERVERS)} if one_port else serve_roles(site), kind))
    for user in USERS:
        for role in order:
            client = await site.client("any" if one_port else role)
            client.says(HELLOS[kind][1](user.encode()) + role.encode())
    await site.until(lambda: everybody(site))
    assert together(site)
    assert one_port or on_their_ports(site)
    assert {host for each in reached(site).values() for host, _ in each} == set(SERVERS)


@pytest_twisted.ensureDeferred
async def test_who_carries_no_session_shares_one_by_address(site: Site) -> None:
    """An exact session is never merged with another of the same address; a shared one is one."""
    site.start(by_hello(serve_roles(site)))
    for user, protocol in (("00aa", b"lb-session/00aa"), ("00bb", b"h2"), ("00cc", b"h2")):
        client = await site.client("control")
        client.says(hello(alpn(protocol, user.encode())) + b"control")
    await site.until(
        lambda: sum(bool(talk.heard) for host in site.hosts for talk in host.talks) == 3
    )
    found = reached(site)
    assert found["00bb"] == found["00cc"] != found["00aa"]
    for client in site.clients:
        client.resets()
    await site.until(lambda: len(site.endings(SessionEnded)) == 2)
    told = [fact for fact in site.facts if isinstance(fact, SessionEnded)]
    assert {(fact.key, fact.channels) for fact in told} == {("carried", 1), ("source", 2)}


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest_twisted.ensureDeferred
async def test_by_an_opening_line_on_one_port(site: Site, order: tuple[str, ...]) -> None:
    """The line says the role, too, and the server gets it."""
    site.start(by_opening(serve_roles(site)))
    for user in USERS:
        for role in order:
            client = await site.client("one")
            client.says(f"LBP/1 {role} {user} token\r\n".encode())
    await site.until(lambda: everybody(site))
    assert together(site) and on_their_ports(site)
    assert all(talk.heard.startswith(b"LBP/1 ") for host in site.hosts for talk in host.talks)


@pytest.mark.parametrize(
    ("said", "word"),
    [(b"GET / HTTP/1.1\r\n", "no-route"), (b"LBP/1 web 00aa t\r\n", "no-route"), (b"", "no-route")],
    ids=["another protocol", "another role", "silence"],
)
@pytest_twisted.ensureDeferred
async def test_who_carries_no_role_is_refused_and_no_server_hears_of_it(
    site: Site, said: bytes, word: str
) -> None:
    site.start(by_opening(serve_roles(site)))
    client = await site.client("one")
    client.says(said)
    await client.gone()
    assert site.endings(ConnectionEnded) == [word]
    assert not any(host.talks for host in site.hosts)
