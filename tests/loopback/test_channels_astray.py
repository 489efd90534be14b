"""Thousands of channels of many sessions, by every way of relaying: none comes to another server
than its session's, and none hears what was meant for another."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from random import Random

import attrs
import pytest
import pytest_twisted

from tests.loopback.parties import Listener, Party, connects, together
from tests.loopback.relaying import SEED, WAYS, relayed_by
from tests.loopback.site import Site
from tests.loopback.test_group import ROLES, three_roles
from twisted_lb.config.settings import Settings

HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
AT_ONCE = 60
"""Channels that are open at any time."""
CHANNELS_EACH = 20
"""Channels of one session."""


@attrs.frozen
class Channel:
    """One use of a session; `who` is its client's address, by which sessions are told apart."""

    who: str
    number: int
    role: str
    data: bytes
    ends: str

    @property
    def name(self) -> str:
        return f"{self.who} {self.number} {self.role}"

    @property
    def line(self) -> bytes:
        """What it says first: who it is, how much follows, and who ends it how."""
        return f"{self.name} {len(self.data)} {self.ends}\n".encode()


def channels(count: int, random: Random) -> list[Channel]:
    """So many, of sessions of twenty each, in any order."""
    made = []
    for number in range(count):
        host = number // CHANNELS_EACH
        data = random.randbytes(int(2 ** random.uniform(0, 16)))
        ends = random.choice(("client closes", "server closes", "client resets", "server resets"))
        who = f"127.1.{host // 250}.{host % 250 + 1}"
        made.append(Channel(who, number, random.choice(ROLES), data, ends.replace(" ", "-")))
    random.shuffle(made)
    return made


class Servers:
    """Three hosts, a port for each role; they note who came where, and answer so."""

    def __init__(self) -> None:
        self.came: dict[str, list[tuple[str, str]]] = {}
        """The name of each channel → host and role of each port that it came to."""
        self.ports: dict[str, int] = {}
        self.parties: list[Party] = []
        """Everybody, the clients too."""
        self._listeners: list[Listener] = []

    def listen(self) -> None:
        for role in ROLES:
            socks = list(_alike(*HOSTS))
            self.ports[role] = socks[0].getsockname()[1]
            for host, sock in zip(HOSTS, socks, strict=True):
                listener = Listener(sock)
                self._listeners.append(listener)
                together(self._accepts(listener, host, role)).addErrback(lambda _: None)

    async def _accepts(self, listener: Listener, host: str, role: str) -> None:
        while True:
            self.parties.append(await listener.accepts())
            together(self._serves(self.parties[-1], host, role))

    async def _serves(self, party: Party, host: str, role: str) -> None:
        said = await _line(party)
        name, size, ends = said.decode().rsplit(maxsplit=2)
        self.came.setdefault(name, []).append((host, role))
        heard = await party.hears(int(size))
        await party.says(f"{host} {name} {sha256(heard).hexdigest()}\n".encode())
        await party.hears(1)  # the client has the answer
        if ends.startswith("client"):
            await party.says(b".")
        await _ends(party, ends, "server")

    def stop(self) -> None:
        for each in (*self._listeners, *self.parties):
            each.closes()


def _alike(*hosts: str) -> Iterator[socket.socket]:
    """Sockets that listen on one port number of all hosts."""
    first = socket.create_server((hosts[0], 0), backlog=512)
    yield first
    for host in hosts[1:]:
        yield socket.create_server((host, first.getsockname()[1]), backlog=512)


async def _line(party: Party) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        line += await party.hears(1)
    return line


async def _ends(party: Party, how: str, mine: str) -> None:
    """Ends it if it is this side's to do so; else waits for the end, which may be a reset."""
    whose, ends = how.split("-")
    if whose == mine:
        party.closes() if ends == "closes" else party.resets()
        return
    try:
        assert await party.hears_all() == b""
    except ConnectionResetError:
        assert ends == "resets"
    party.closes()


@attrs.define
class Crowd:
    """All who come, so many at once."""

    site: Site
    servers: Servers
    waiting: list[Channel]
    answered: dict[str, str] = attrs.field(factory=dict)
    """The name of each channel → the host that it heard."""

    async def comes(self) -> None:
        await together(*[self._one_after_the_other() for _ in range(AT_ONCE)])

    async def _one_after_the_other(self) -> None:
        while self.waiting:
            await self._visits(self.waiting.pop())

    async def _visits(self, channel: Channel) -> None:
        at = self.site.balancer.address(channel.role)
        sock = socket.socket()
        sock.bind((channel.who, 0))
        party = await connects(sock, (at.host, at.port))
        self.servers.parties.append(party)
        await party.says(channel.line + channel.data)
        heard = (await _line(party)).decode().split(maxsplit=1)
        assert heard[1] == f"{channel.name} {sha256(channel.data).hexdigest()}\n"
        self.answered[channel.name] = heard[0]
        await party.says(b".")
        if channel.ends.startswith("client"):
            await party.hears(1)  # nothing is under way that a reset would take away
        await _ends(party, channel.ends, "client")


@pytest_twisted.async_yield_fixture()
async def servers(site: Site) -> AsyncIterator[Servers]:
    servers = Servers()
    servers.listen()
    yield servers
    servers.stop()


def no_principal(settings: Settings) -> Settings:
    """The same; that one channel ends is no end of the others."""
    [(name, group)] = settings.groups.items()
    roles = {role: attrs.evolve(rule, principal=False) for role, rule in group.roles.items()}
    return attrs.evolve(settings, groups={name: attrs.evolve(group, roles=roles)})


async def prove(site: Site, servers: Servers, way: str, count: int) -> None:
    """Each came once, to a port of its role, on the one server of its session."""
    print(f"seed {SEED}")
    site.start(relayed_by(way, no_principal(three_roles(servers.ports, linger=600.0))))
    coming = channels(count, Random(SEED))
    crowd = Crowd(site, servers, list(coming))
    await crowd.comes()
    assert len(servers.came) == len(crowd.answered) == count
    reached: dict[str, Counter[str]] = {}
    for channel in coming:
        [(host, role)] = servers.came[channel.name]
        assert (host, role) == (crowd.answered[channel.name], channel.role)
        reached.setdefault(channel.who, Counter())[host] += 1
    astray = sum(hosts.total() - max(hosts.values()) for hosts in reached.values())
    assert astray == 0
    assert len(reached) == -(-count // CHANNELS_EACH)
    assert len({host for hosts in reached.values() for host in hosts}) == len(HOSTS)
    await site.until(lambda: not site.balancer.stories)


@pytest.mark.parametrize("way", WAYS)
@pytest_twisted.ensureDeferred
async def test_none_of_many_channels_goes_astray(site: Site, servers: Servers, way: str) -> None:
    """500, of 25 sessions."""
    await prove(site, servers, way, 500)


@pytest.mark.soak
@pytest.mark.parametrize("way", WAYS)
@pytest_twisted.ensureDeferred
async def test_none_of_very_many_channels_goes_astray(
    site: Site, servers: Servers, way: str
) -> None:
    """10,000, of 500 sessions."""
    await prove(site, servers, way, 10_000)
