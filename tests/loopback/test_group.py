"""One session over several frontends: control, data and notification reach one server, in any
order of arrival, and end as one."""

from itertools import permutations

import pytest
import pytest_twisted

from tests.loopback.site import LIMITS, Host, Site, Talk, backend
from twisted_lb.config.settings import Frontend, Group, RoleRule, Settings
from twisted_lb.facts import ConnectionEnded, SessionEnded
from twisted_lb.terms import Address

ROLES = ("control", "data", "notification")
CLIENTS = 10


def three_roles(ports: dict[str, int], **group: object) -> Settings:
    """A frontend for each role; sessions are told apart by the client's address."""
    rules = {"key": ("source",), "linger": 0.0, **group}
    roles = {role: RoleRule(role == "control", port) for role, port in ports.items()}
    return Settings(
        frontends=tuple(
            Frontend(role, listen=(Address("127.0.0.1", 0),), group="ftp", role=role)
            for role in ROLES
        ),
        groups={"ftp": Group("ftp", "proxies", roles=roles, **rules)},
        backends={"proxies": backend("proxies", "127.0.0.2", "127.0.0.3", "127.0.0.4")},
        limits=LIMITS,
    )


def serve_roles(site: Site) -> dict[str, int]:
    """Three servers, each with a port for every role."""
    return {role: site.serve("127.0.0.2", "127.0.0.3", "127.0.0.4") for role in ROLES}


def heard(site: Site) -> int:
    """How many channels have reached a server and said who they are."""
    return sum(1 for host in site.hosts for talk in host.talks if talk.heard)


def servers_of(hosts: list[Host]) -> dict[str, set[str]]:
    """Client address → the servers that it reached, over all roles."""
    reached: dict[str, set[str]] = {}
    for host in hosts:
        for talk in host.talks:
            reached.setdefault(talk.heard.decode(), set()).add(host.host)
    return reached


async def come(site: Site, order: tuple[str, ...], who: str) -> list[Talk]:
    """A client opens its three channels in this order, and says on each who it is."""
    channels = []
    for role in order:
        channel = await site.client(role, source=who)
        channel.says(who.encode())
        channels.append(channel)
    return channels


@pytest.mark.parametrize("order", list(permutations(ROLES)), ids="-".join)
@pytest_twisted.ensureDeferred
async def test_a_session_is_never_on_two_servers(site: Site, order: tuple[str, ...]) -> None:
    """Whichever role comes first decides for the others."""
    site.start(three_roles(serve_roles(site)))
    clients = [f"127.0.1.{n}" for n in range(1, CLIENTS + 1)]
    for who in clients:
        await come(site, order, who)
    await site.until(lambda: heard(site) == 3 * CLIENTS)
    reached = servers_of(site.hosts)
    assert set(reached) == set(clients)
    assert all(len(servers) == 1 for servers in reached.values())
    used = [next(iter(servers)) for servers in reached.values()]
    assert sorted(used.count(server) for server in set(used)) == [3, 3, 4]


@pytest_twisted.ensureDeferred
async def test_channels_that_come_at_once_wait_for_one_decision(site: Site) -> None:
    site.start(three_roles(serve_roles(site)))
    for number in range(1, CLIENTS + 1):
        for role in ROLES:
            waiting = site.client(role, source=f"127.0.1.{number}")
            waiting.addCallback(lambda talk, n=number: talk.says(f"127.0.1.{n}".encode()))
    await site.until(lambda: heard(site) == 3 * CLIENTS)
    assert all(len(servers) == 1 for servers in servers_of(site.hosts).values())


@pytest_twisted.ensureDeferred
async def test_a_server_that_dies_takes_all_three_channels_and_the_next_chooses_afresh(
    site: Site,
) -> None:
    ports = serve_roles(site)
    settings = three_roles(ports)
    site.start(settings)
    channels = await come(site, ROLES, "127.0.1.1")
    await site.until(lambda: heard(site) == 3)
    [address] = servers_of(site.hosts)["127.0.1.1"]
    name = {"127.0.0.2": "a", "127.0.0.3": "b", "127.0.0.4": "c"}[address]
    server = site.balancer.server("proxies", name)
    server.up = False
    site.balancer.claims.down(server, end=True)
    for channel in channels:
        await channel.ends("reset")
    await site.until(lambda: len(site.endings(ConnectionEnded)) == 3)
    assert site.endings(ConnectionEnded) == ["server-down"] * 3
    assert site.endings(SessionEnded) == ["server-down"]
    await come(site, ROLES, "127.0.1.1")
    await site.until(lambda: heard(site) == 6)
    assert len(servers_of(site.hosts)["127.0.1.1"] - {address}) == 1


@pytest_twisted.ensureDeferred
async def test_losing_the_principals_server_leg_ends_the_other_channels(site: Site) -> None:
    site.start(three_roles(serve_roles(site)))
    channels = await come(site, ROLES, "127.0.1.1")
    await site.until(lambda: heard(site) == 3)
    control = next(h.talks[0] for h in site.hosts[:3] if h.talks)
    control.resets()
    for channel in channels:
        await channel.ends("reset")
    await site.until(lambda: len(site.endings(ConnectionEnded)) == 3)
    assert site.endings(SessionEnded) == ["server-down"]
    assert sorted(site.endings(ConnectionEnded)) == ["server-closed", "server-down", "server-down"]


@pytest_twisted.ensureDeferred
async def test_a_late_channel_of_a_living_session_still_goes_to_its_draining_server(
    site: Site,
) -> None:
    """T1, T85: a drain takes no new sessions, and cuts none."""
    site.start(three_roles(serve_roles(site)))
    await come(site, ("control",), "127.0.1.1")
    await site.until(lambda: heard(site) == 1)
    [address] = servers_of(site.hosts)["127.0.1.1"]
    for server in site.balancer.servers:
        if server.host == address:
            site.balancer.set_admin(server, "drain")
    await come(site, ("data", "notification"), "127.0.1.1")
    await come(site, ("control",), "127.0.1.2")
    await site.until(lambda: heard(site) == 4)
    assert servers_of(site.hosts)["127.0.1.1"] == {address}
    assert servers_of(site.hosts)["127.0.1.2"].isdisjoint({address})


@pytest_twisted.ensureDeferred
async def test_a_lingering_session_returns_to_its_server(site: Site) -> None:
    site.start(three_roles(serve_roles(site), linger=30.0))
    for number in (1, 2, 3, 4):
        [data] = await come(site, ("data",), "127.0.1.1")
        await site.until(lambda n=number: heard(site) == n)
        data.resets()
        await site.until(lambda: not site.balancer.stories)
    assert len(servers_of(site.hosts)["127.0.1.1"]) == 1
