"""A new process takes over from the one that serves: nobody is refused, nobody is cut off."""

from __future__ import annotations

from collections.abc import Coroutine
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.loopback.farm import Farm
from tests.loopback.ftp_site import FtpSite
from tests.loopback.ftp_talks import Visitor
from tests.loopback.site import Site, Talk
from tests.loopback.successors import Line, line_of
from tests.loopback.test_many_sessions import Trip, places, together
from tests.loopback.test_reloads import WORD, Echo, moves, talks
from twisted_lb.ports import DataListener, PortRange

BEGIN = 30.0
"""Seconds that a process may take to begin, or to end."""
NUMBERS = count()
"""Sessions' own: their files are called after them."""


class Remembers(Echo):
    """And knows what it has said."""

    def dataReceived(self, data: bytes) -> None:
        self.heard += data
        super().dataReceived(data)


async def visits(site: FtpSite, line: Line, number: int) -> Trip:
    """An FTP session that has logged in."""
    visitor: Visitor = await site.connect(line.ftp, "127.0.0.1", Visitor(site))
    await visitor.login()
    return Trip(number, visitor)


async def talks_shortly(site: FtpSite, line: Line, over: list[bool]) -> int:
    """A connection after the other, a word on each; how many."""
    times = 0
    while not over:
        talk: Talk = await site.connect(line.echo)
        talk.says(WORD)
        await talk.hears(WORD)
        talk.closes()
        await talk.gone()
        site.clients.remove(talk)
        times += 1
    return times


async def visits_shortly(site: FtpSite, line: Line, farm: Farm, over: list[bool]) -> int:
    """A session after the other, two transfers in each; how many."""
    times = 0
    while not over:
        trip = await visits(site, line, next(NUMBERS))
        await trip.transfer(0)
        await trip.transfer(1)
        assert len(places(trip, farm.processes)) == 1
        await trip.leave()
        site.clients.remove(trip.visitor)
        times += 1
    return times


async def prove(site: FtpSite, farm: Farm, place: Path, takeovers: int) -> None:
    """So many takeovers, under clients that stay through all of them and others that come."""
    echo = site.serve("127.0.0.2", "127.0.0.3", protocol=Echo)
    over: list[bool] = []
    with line_of(place, echo, farm.port) as line:
        first = line.begins()
        await site.until(lambda: first.says("listening") and line.listens(), BEGIN)
        stay = [await site.connect(line.echo) for _ in range(10)]
        trips = [await visits(site, line, next(NUMBERS)) for _ in range(4)]
        work: list[Coroutine[Any, Any, int]] = [moves(trip, over) for trip in trips]
        work += [talks(talk, over) for talk in stay]
        work += [talks_shortly(site, line, over) for _ in range(6)]
        work += [visits_shortly(site, line, farm, over) for _ in range(2)]
        working = [Deferred.fromCoroutine(each) for each in work]
        for _ in range(takeovers):
            former, new = line.serves, line.succeeds()
            await site.until(lambda new=new: new.says("took-over") and line.listens(), BEGIN)
            await site.until(lambda former=former: former.says("draining"), BEGIN)
        over.append(True)
        counts = [await each for each in working]
        assert min(counts) > takeovers
        await together([trip.leave() for trip in trips])
        for talk in stay:
            talk.closes()
            await talk.gone()
        formers = line.processes[:-1]
        await site.until(lambda: all(each.process.poll() == 0 for each in formers), BEGIN)
        line.serves.process.terminate()
        await site.until(lambda: line.serves.process.poll() == 0, BEGIN)
        assert set().union(*(each.endings for each in line.processes)) == {"done"}
        assert all(len(places(trip, farm.processes)) == 1 for trip in trips)


@pytest_twisted.ensureDeferred
async def test_nobody_is_refused_or_cut_off(ftp_site: FtpSite, farm: Farm, tmp_path: Path) -> None:
    """3 takeovers under 14 who stay, 8 who come and go."""
    await prove(ftp_site, farm, tmp_path, 3)


@pytest.mark.soak
@pytest_twisted.ensureDeferred
async def test_nobody_is_refused_or_cut_off_by_many(
    ftp_site: FtpSite, farm: Farm, tmp_path: Path
) -> None:
    """20 takeovers."""
    await prove(ftp_site, farm, tmp_path, 20)


@pytest_twisted.ensureDeferred
async def test_two_processes_draw_from_one_range_of_data_ports() -> None:
    """Each knows of its own only: a port that the other has is refused, and one more drawn."""
    chance = Random(7)
    ranges = [PortRange((25_300, 25_339), chance.randrange) for _ in range(2)]
    listeners = [
        DataListener(ports, "127.0.0.1", lambda _: None) for _ in range(10) for ports in ranges
    ]
    found = {each.listen(reactor, "127.0.0.1", 60.0) for each in listeners}
    assert len(found) == 20
    for each in listeners:
        each.close()
    await deferLater(reactor, 0)  # closing takes one more step


@pytest_twisted.ensureDeferred
async def test_a_sessions_connections_stay_together_through_takeovers(
    site: Site, tmp_path: Path
) -> None:
    """Twenty sources, a connection of each before, between and after two takeovers."""
    echo = site.serve("127.0.0.2", "127.0.0.3", protocol=Remembers)
    sources = [f"127.0.1.{number}" for number in range(1, 21)]
    with line_of(tmp_path, echo, 1) as line:
        first = line.begins()
        await site.until(lambda: first.says("listening") and line.listens(), BEGIN)
        await arrive_at(site, line, sources)
        for _ in range(2):
            new = line.succeeds()
            await site.until(lambda new=new: new.says("took-over") and line.listens(), BEGIN)
            for talk in await arrive_at(site, line, sources[:10]):
                talk.closes()  # and yet its session goes on, in the process before
                await talk.gone()
            await arrive_at(site, line, sources)
        came: dict[str, set[str]] = {}
        for host in site.hosts:
            for talk in host.talks:
                came.setdefault(talk.heard.decode(), set()).add(host.host)
        assert sorted(came) == sorted(sources)
        assert [len(hosts) for hosts in came.values()] == [1] * 20
        assert {name for hosts in came.values() for name in hosts} == {"127.0.0.2", "127.0.0.3"}


async def arrive_at(site: Site, line: Line, sources: list[str]) -> list[Talk]:
    """A connection of each source, which has told its server whose it is."""
    talks = [await site.connect(line.together, source) for source in sources]
    for talk, source in zip(talks, sources, strict=True):
        talk.says(source.encode())
        await talk.hears(source.encode())
    return talks
