"""Many FTP sessions from one address, over three real servers: no data channel goes astray."""

from __future__ import annotations

from collections import Counter
from zlib import crc32

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults

from tests.loopback.farm import Farm, Process
from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftp_talks import Visitor
from tests.loopback.relaying import WAYS, relayed_by
from twisted_lb.facts import AttackSeen, ConnectionEnded, SessionEnded, TransferEnded

VERBS = ("PASV", "EPRT", "EPSV", "PORT")


@attrs.define
class Trip:
    """One session, and the server that each of its data channels came to."""

    number: int
    visitor: Visitor
    named: Counter[str] = attrs.field(factory=Counter)
    """Told by the file `who`, read over the channel."""
    stored: list[str] = attrs.field(factory=list)
    """Files that it uploaded."""

    async def transfer(self, turn: int) -> None:
        """Up, then down, then up again; each over a channel of its own."""
        verb = VERBS[(self.number + turn) % len(VERBS)]
        if turn % 2:
            await self.download(verb)
        else:
            await self.upload(verb, f"session{self.number}-{turn}")

    async def upload(self, verb: str, name: str) -> None:
        coming = await self.visitor.announces(verb)
        self.visitor.asks(f"STOR {name}")
        data = await coming
        data.says(content(name))
        data.closes()
        await self.visitor.replies(1, 226)
        self.stored.append(name)

    async def download(self, verb: str) -> None:
        coming = await self.visitor.announces(verb)
        self.visitor.asks("RETR who")
        data = await coming
        await data.gone()
        await self.visitor.replies(1, 226)
        assert data.ended == "closed"
        self.named[data.heard.decode()] += 1

    async def leave(self) -> None:
        await self.visitor.does("QUIT", 221)
        await self.visitor.ends("eof")
        self.visitor.closes()
        await self.visitor.gone()


def content(name: str) -> bytes:
    """What is stored under this name; a few hundred bytes to a few thousand."""
    return name.encode() * (20 + crc32(name.encode()) % 97)


def together(coroutines: list[object]) -> Deferred[list[None]]:
    return gatherResults([Deferred.fromCoroutine(each) for each in coroutines], consumeErrors=True)


async def arrive(site: FtpSite, number: int) -> Trip:
    visitor = await site.visit()
    await visitor.login()
    return Trip(number, visitor)


def places(trip: Trip, processes: list[Process]) -> Counter[str]:
    """Server → how many of the session's data channels came to it."""
    found = Counter(trip.named)
    for process in processes:
        for name in trip.stored:
            if (process.home / name).exists():
                assert (process.home / name).read_bytes() == content(name)
                found[process.address] += 1
    return found


async def prove(site: FtpSite, farm: Farm, way: str, sessions: int, transfers: int) -> None:
    """All sessions at once, all transfers of each; then nothing of them is left."""
    site.start(relayed_by(way, ftp(farm.port, *farm.addresses)))
    before = site.standing()
    trips = await together([arrive(site, number) for number in range(sessions)])
    site.watch()
    assert len(site.sessions) == sessions

    async def stay(trip: Trip) -> None:
        for turn in range(transfers):
            await trip.transfer(turn)

    await together([stay(trip) for trip in trips])
    found = [places(trip, farm.processes) for trip in trips]
    assert sum(channels.total() for channels in found) == sessions * transfers
    astray = sum(channels.total() - max(channels.values()) for channels in found)
    assert astray == 0
    used = Counter(next(iter(channels)) for channels in found)
    even = sessions / len(farm.addresses)
    assert all(abs(used[address] - even) <= max(1, even / 10) for address in farm.addresses), used
    await together([trip.leave() for trip in trips])
    await site.until(lambda: not site.balancer.stories)
    assert set(site.endings(TransferEnded)) == {"done"}
    assert len(site.of(TransferEnded)) == sessions * transfers
    assert site.endings(ConnectionEnded) == site.endings(SessionEnded) == ["done"] * sessions
    assert site.of(AttackSeen) == []
    await site.rests_at(before)


@pytest.mark.parametrize("way", WAYS)
@pytest_twisted.ensureDeferred
async def test_no_data_channel_of_many_sessions_goes_astray(
    ftp_site: FtpSite, farm: Farm, way: str
) -> None:
    """20 sessions x 10 transfers."""
    await prove(ftp_site, farm, way, 20, 10)


@pytest.mark.soak
@pytest.mark.parametrize("way", WAYS)
@pytest_twisted.ensureDeferred
async def test_no_data_channel_of_very_many_sessions_goes_astray(
    ftp_site: FtpSite, farm: Farm, way: str
) -> None:
    """200 sessions x 50 transfers."""
    await prove(ftp_site, farm, way, 200, 50)
