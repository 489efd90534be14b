"""What becomes of FTP sessions when a real server is killed, hangs, or is to be taken out."""

from __future__ import annotations

import signal
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.loopback.farm import Farm, Process
from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftp_talks import Data, Visitor
from twisted_lb.config.settings import Check
from twisted_lb.facts import ConnectionEnded, ServerChanged, SessionEnded, TransferEnded

WATCHED = Check(type="ftp", interval=0.1, fast_interval=0.1, timeout=0.3, rise=2, fall=3)
LARGE = 20_000_000
AT_ONCE = 1.0
"""Seconds within which everybody must have heard."""

both_ways = pytest.mark.parametrize("verb", ["EPSV", "EPRT"])


async def place_of(client: Visitor) -> str:
    """The address of the client's server, as that server tells it over a data channel."""
    coming = await client.announces("EPSV")
    client.asks("RETR who")
    data: Data = await coming
    await data.gone()
    await client.replies(1, 226)
    return data.heard.decode()


async def arrive(site: FtpSite, count: int) -> dict[str, list[Visitor]]:
    """So many clients that have logged in, by the address of their server."""
    places: dict[str, list[Visitor]] = {}
    for _ in range(count):
        client = await site.visit()
        await client.login()
        places.setdefault(await place_of(client), []).append(client)
    return places


async def uploading(client: Visitor, process: Process, verb: str) -> Data:
    """An upload of which the server has got the first part."""
    coming = await client.announces(verb)
    client.asks("STOR up")
    data: Data = await coming
    data.says(b"a part")
    await client.replies(1)
    await client.site.until(lambda: (process.home / "up").exists())
    return data


async def downloading(client: Visitor, process: Process, verb: str) -> Data:
    """A download that is stuck because the client does not read."""
    (process.home / "large").write_bytes(bytes(LARGE))
    coming = await client.announces(verb)
    client.asks("RETR large")
    data: Data = await coming
    await data.until(lambda talk: bool(talk.heard))
    data.transport.pauseProducing()
    await client.replies(1)
    return data


async def all_are_told(clients: list[Visitor], channels: list[Any]) -> None:
    """421 on each control connection, a reset on each data connection, at once."""
    began = reactor.seconds()
    for data in channels:
        data.transport.resumeProducing()
        await data.gone()
        assert data.ended == "reset"
    for client in clients:
        await client.replies(421)
        await client.ends("eof")
        client.closes()
    assert reactor.seconds() - began < AT_ONCE


@both_ways
@pytest_twisted.ensureDeferred
async def test_the_clients_of_a_killed_server_hear_421_and_the_next_login_lands_elsewhere(
    ftp_site: FtpSite, farm: Farm, verb: str
) -> None:
    ftp_site.start(ftp(farm.port, *farm.addresses))
    places = await arrive(ftp_site, 6)
    assert {address: len(clients) for address, clients in places.items()} == dict.fromkeys(
        farm.addresses, 2
    )
    doomed = farm.processes[0]
    up, down = places.pop(doomed.address)
    channels = [await uploading(up, doomed, verb), await downloading(down, doomed, verb)]
    doomed.kill()
    await all_are_told([up, down], channels)
    await ftp_site.until(lambda: len(ftp_site.of(SessionEnded)) == 2)
    assert ftp_site.endings(SessionEnded) == ["server-down"] * 2
    assert ftp_site.endings(ConnectionEnded) == ["server-closed"] * 2
    assert ftp_site.endings(TransferEnded).count("done") == 6
    for address, clients in places.items():
        assert [await place_of(client) for client in clients] == [address] * 2
    later = await arrive(ftp_site, 4)
    assert doomed.address not in later


@both_ways
@pytest_twisted.ensureDeferred
async def test_a_server_that_hangs_is_down_after_so_many_checks_and_its_clients_hear_421(
    ftp_site: FtpSite, farm: Farm, verb: str
) -> None:
    """A stopped process still completes connects: its silence gives it away."""
    ftp_site.start(ftp(farm.port, *farm.addresses, backend={"check": WATCHED}))
    places = await arrive(ftp_site, 3)
    hung = farm.processes[0]
    [client] = places.pop(hung.address)
    data = await downloading(client, hung, verb)
    began = reactor.seconds()
    hung.tell(signal.SIGSTOP)
    await ftp_site.until(lambda: bool(ftp_site.of(ServerChanged)))
    took = reactor.seconds() - began
    assert took > (WATCHED.fall - 1) * WATCHED.timeout
    await all_are_told([client], [data])
    [change] = ftp_site.of(ServerChanged)
    assert (change.server, change.state) == ("back/a", "down")
    assert ftp_site.endings(SessionEnded) == ["server-down"]
    assert hung.address not in await arrive(ftp_site, 4)
    hung.tell(signal.SIGCONT)
    await ftp_site.until(lambda: len(ftp_site.of(ServerChanged)) == 2)
    assert ftp_site.of(ServerChanged)[1].state == "up"
    assert hung.address in await arrive(ftp_site, 1)


@pytest_twisted.ensureDeferred
async def test_a_login_passes_by_a_server_that_hangs(ftp_site: FtpSite, farm: Farm) -> None:
    """Also before any check has found it out: it did not greet in time."""
    ftp_site.start(ftp(farm.port, *farm.addresses, greeting_timeout=0.3))
    await arrive(ftp_site, 3)
    hung = farm.processes[0]
    hung.tell(signal.SIGSTOP)
    assert hung.address not in await arrive(ftp_site, 4)


@both_ways
@pytest_twisted.ensureDeferred
async def test_a_draining_server_serves_its_sessions_and_gets_no_new_ones(
    ftp_site: FtpSite, farm: Farm, verb: str
) -> None:
    """T85."""
    ftp_site.start(ftp(farm.port, *farm.addresses, backend={"check": WATCHED}))
    places = await arrive(ftp_site, 3)
    leaving = farm.processes[0]
    [client] = places[leaving.address]
    early = await uploading(client, leaving, verb)
    ftp_site.balancer.set_admin(ftp_site.balancer.server("back", "a"), "drain")
    assert leaving.address not in await arrive(ftp_site, 4)
    early.says(b" and the rest")
    early.closes()
    await client.replies(226)
    assert (leaving.home / "up").read_bytes() == b"a part and the rest"
    assert await place_of(client) == leaving.address
    late = await uploading(client, leaving, verb)
    late.closes()
    await client.replies(226)
    assert (leaving.home / "up").read_bytes() == b"a part"
    await client.does("QUIT", 221)
