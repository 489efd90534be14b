"""FTPS that passes through: it cannot be read, and each server has passive ports of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import attrs
import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.certificates import Authority, written
from tests.loopback.farm import Farm, start
from tests.loopback.ftps_clients import Client, Way, download
from tests.loopback.site import LIMITS, Site, backend
from twisted_lb.config.document import own_group
from twisted_lb.config.settings import Frontend, FrontendTls, ServerRule, Settings
from twisted_lb.facts import ConnectionEnded
from twisted_lb.terms import Address

SERVERS = ("127.0.0.2", "127.0.0.3")
PORTS = 4
"""Passive ports of each server."""


@attrs.frozen
class Two:
    """Two servers, and the passive ports of each."""

    farm: Farm
    ca: str
    passive: tuple[tuple[int, int], ...]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    path, authority = tmp_path_factory.mktemp("through"), Authority()
    ca = written(authority.pem, path / "ca.pem")
    pem = written(authority.sign("front.example"), path / "server.pem")
    first = free_run(PORTS * len(SERVERS))
    passive = tuple((at, at + PORTS - 1) for at in (first, first + PORTS))
    farm = start(path, *SERVERS, tls=("implicit", pem), passive=passive)
    try:
        yield Two(farm, ca, passive)
    finally:
        for process in farm.processes:
            process.kill()


def free_run(count: int) -> int:
    """The first of so many ports that are free one after the other, below those given out."""
    for first in range(26_000, 32_000, count):
        with ExitStack() as stack, suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.create_server(("", port)))
            return first
    raise AssertionError("no ports are free")


def balanced(site: Site, two: Two) -> Way:
    """Control connections on a port of any server, data connections on those of each."""
    rules = [
        ServerRule(name, address, passive_ports=ports)
        for name, address, ports in zip("ab", SERVERS, two.passive, strict=True)
    ]
    heard = range(two.passive[0][0], two.passive[-1][1] + 1)
    control = Frontend(
        "ftps", (Address("127.0.0.1", 0),), group="ftps", tls=FrontendTls("pass"), role="control"
    )
    data = Frontend(
        "ftps-data", tuple(Address("127.0.0.1", port) for port in heard), group="ftps-data"
    )
    site.start(
        Settings(
            frontends=(control, data),
            groups={
                "ftps": own_group(control, two.farm.port, "ftps", "farm"),
                "ftps-data": own_group(data, "same", "ftps-data", "farm"),
            },
            backends={"farm": backend("farm", servers=tuple(rules), balance="round-robin")},
            limits=LIMITS,
        )
    )
    return Way(site.balancer.address("ftps"), two.ca, implicit=True)


@pytest_twisted.ensureDeferred
async def test_each_data_connection_reaches_the_server_of_its_control_connection(
    site: Site, two: Two
) -> None:
    way = balanced(site, two)

    def four_sessions() -> list[set[bytes]]:
        with ExitStack() as stack:
            clients = [stack.enter_context(way.session()) for _ in range(4)]
            return [set(seen) for seen in zip(*(who(clients) for _ in range(5)), strict=True)]

    seen = await deferToThread(four_sessions)
    assert all(len(servers) == 1 for servers in seen), "astray"
    assert sorted(seen, key=str) == [{b"127.0.0.2"}] * 2 + [{b"127.0.0.3"}] * 2


def who(clients: list[Client]) -> list[bytes]:
    """The server that a data connection of each reaches."""
    return [download(client, "who") for client in clients]


@pytest_twisted.ensureDeferred
async def test_data_connections_still_reach_a_server_that_is_drained(site: Site, two: Two) -> None:
    """Their sessions live there, though nothing that could be read says so."""
    way = balanced(site, two)

    def drained(told: Callable[[], None]) -> list[bytes]:
        with way.session() as client:
            seen = [download(client, "who")]
            told()
            return [*seen, download(client, "who")]

    servers = site.balancer.backends["farm"].pool.servers

    def told() -> None:
        for server in servers:
            server.admin = "drain"

    seen = await deferToThread(drained, told)
    assert len(set(seen)) == 1


@pytest_twisted.ensureDeferred
async def test_they_go_nowhere_else_when_it_is_gone(site: Site, two: Two) -> None:
    balanced(site, two)
    site.balancer.backends["farm"].pool.servers[0].admin = "maintenance"
    talk = await site.tries(Address("127.0.0.1", two.passive[0][0]))
    await site.until(lambda: talk.ended != "")
    assert "no-server" in site.endings(ConnectionEnded)
