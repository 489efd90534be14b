"""Reload after reload under load: FTP sessions transfer, others talk, new ones keep coming."""

from __future__ import annotations

import gc
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from weakref import WeakSet

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.loopback.farm import Farm
from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.site import Talk, backend
from tests.loopback.test_many_sessions import Trip, arrive, places, together
from tests.loopback.test_secrets import free_ports, running
from twisted_lb.config.settings import Frontend, Group, RoleRule, ServerRule, Settings
from twisted_lb.connection import Parts
from twisted_lb.control.client import Client, Place, Unreachable
from twisted_lb.facts import ConnectionEnded, SessionEnded, TransferEnded
from twisted_lb.terms import Address

ANYWHERE = (Address("127.0.0.1", 0),)
WORD = b"word"


class Echo(Talk):
    """A server that says what it hears."""

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)

    def readConnectionLost(self) -> None:
        super().readConnectionLost()
        self.closes()


def variants(farm: Farm, echo: int) -> Iterator[Settings]:
    """One configuration after the other, each different from the one before in all its parts."""
    plain = ftp(farm.port, *farm.addresses)
    turn = 0
    while True:
        turn += 1
        at = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
        spare = (ServerRule(f"spare{turn % 7}", "127.0.0.5", weight=0),)
        servers = tuple(ServerRule(name, host) for name, host in zip("abc", at, strict=True))
        back = backend("echoes", servers=servers + spare, slow_start=float(turn))
        group = Group(
            "echo", "echoes", ("connection",), linger=0.0, roles={"any": RoleRule(False, echo)}
        )
        fronts = (
            attrs.evolve(plain.frontends[0], maxconn=1000 + turn),
            Frontend("echo", ANYWHERE, group="echo", maxconn=1000 + turn),
            Frontend(f"new{turn}", ANYWHERE, group="echo"),
        )
        farms = {n: attrs.evolve(b, slow_start=float(turn)) for n, b in plain.backends.items()}
        yield attrs.evolve(
            plain,
            frontends=fronts,
            groups={**plain.groups, "echo": group},
            backends={**farms, "echoes": back},
        )


async def talks(client: Talk, over: list[bool]) -> int:
    """A word forth and back, again and again; how often."""
    times = 0
    while not over:
        client.heard = b""
        client.says(WORD)
        await client.hears(WORD)
        times += 1
    return times


async def moves(trip: Trip, over: list[bool]) -> int:
    """A transfer after the other; how many."""
    turn = 0
    while not over or turn == 0:
        await trip.transfer(turn)
        turn += 1
    return turn


async def prove(site: FtpSite, farm: Farm, reloads: int, talkers: int, trippers: int) -> None:
    echo = site.serve("127.0.0.2", "127.0.0.3", "127.0.0.4", protocol=Echo)
    settings = variants(farm, echo)
    site.start(next(settings))
    seen: WeakSet[Parts] = WeakSet()
    trips = await together([arrive(site, number) for number in range(trippers)])
    clients = [await site.client("echo") for _ in range(talkers)]
    over: list[bool] = []
    working = [Deferred.fromCoroutine(moves(trip, over)) for trip in trips]
    working += [Deferred.fromCoroutine(talks(client, over)) for client in clients]
    at = site.balancer.address("echo")
    for turn in range(reloads):
        seen.update(front.parts for front in site.balancer.generation.fronts.values())
        site.balancer.reload(next(settings))
        for address in (at, site.balancer.address(f"new{turn + 2}")):
            late = await site.connect(address)  # nobody is refused
            late.says(WORD)
            await late.hears(WORD)
            late.closes()
            await late.gone()
            site.clients.remove(late)
    over.append(True)
    counts = [await each for each in working]
    assert min(counts) > 0
    await site.until(lambda: len(site.balancer.stories) == talkers + trippers)
    gc.collect()
    in_force = {front.parts for front in site.balancer.generation.fronts.values()}
    living = {story.parts for story in site.balancer.stories}
    assert set(seen) <= in_force | living, "a generation outlives its sessions"
    await together([trip.leave() for trip in trips])
    found = [places(trip, farm.processes) for trip in trips]
    assert all(len(servers) == 1 for servers in found), "a data channel went astray"
    assert sum(servers.total() for servers in found) == sum(counts[:trippers])
    for client in clients:
        client.closes()
        await client.gone()
    await site.until(lambda: not site.balancer.stories)
    for kind in (TransferEnded, ConnectionEnded, SessionEnded):
        assert set(site.endings(kind)) == {"done"}


@pytest_twisted.ensureDeferred
async def test_reloads_cut_nobody_off_and_leave_nothing_behind(
    ftp_site: FtpSite, farm: Farm
) -> None:
    """50 reloads under 200 sessions, 20 of which transfer files."""
    await prove(ftp_site, farm, 50, 180, 20)


@pytest.mark.soak
@pytest_twisted.ensureDeferred
async def test_a_thousand_reloads_cut_nobody_off(ftp_site: FtpSite, farm: Farm) -> None:
    """1,000 reloads under 200 sessions, 20 of which transfer files."""
    await prove(ftp_site, farm, 1000, 180, 20)


# -- what it leaves in memory ----------------------------------------------------------------------

CONFIG = """
[[frontend]]
name = "web"
listen = "127.0.0.1:{port}"
backend = "pool"
server_port = 3311
maxconn = {turn}
[[frontend]]
name = "ftp"
protocol = "ftp"
listen = "127.0.0.1:{more}"
ftp.passive_ports = "20000-20999"
backend = "pool"
server_port = 3311
maxconn = {turn}
[[backend]]
name = "pool"
slow_start = "{turn}s"
check = {{ type = "tcp", port = 3311 }}
server = [{{ name = "a", host = "127.0.0.2" }}, {{ name = "s{turn}", host = "127.0.0.3" }}]
[log]
access = "off"
[admin]
socket = "{socket}"
"""


def flat(place: Path, reloads: int, most: int) -> None:
    """A process of its own, with metrics, grows by so many bytes at most."""
    config, own = place / "lb.toml", place / "own.log"
    ports = free_ports(8)

    def write(turn: int) -> None:
        text = CONFIG.format(
            port=ports[0], more=ports[1 + turn % 7], turn=1 + turn % 7, socket=place / "admin.sock"
        )
        config.write_text(text)

    write(0)
    client = Client(Place(str(place / "admin.sock")))
    with running(config, own) as process:
        until_it_answers(client, process, own)
        for turn in range(1, 50):
            write(turn)
            client.ask("POST", "/v1/reload")
        before = resident(process.pid)
        for turn in range(50, 50 + reloads):
            write(turn)
            client.ask("POST", "/v1/reload")
        grown = resident(process.pid) - before
    assert grown < most, f"{grown} bytes more after {reloads} reloads"


def until_it_answers(client: Client, process: subprocess.Popen[bytes], own: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            client.get("/v1/status")
        except Unreachable:
            assert time.monotonic() < deadline, "it does not come up"
            assert process.poll() is None, own.read_text()
            time.sleep(0.05)
        else:
            return


def resident(pid: int) -> int:
    """Bytes of memory that the process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_reloads_leave_nothing_in_memory(tmp_path: Path) -> None:
    """100 of them: less than 1 MiB."""
    flat(tmp_path, 100, 1 << 20)


@pytest.mark.soak
def test_nor_do_a_thousand(tmp_path: Path) -> None:
    """Less than 2 MiB."""
    flat(tmp_path, 1000, 2 << 20)
