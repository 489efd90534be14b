"""Attack 20: FTP sessions that do anything at any time, on real servers: nothing is left."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from tests.loopback.farm import Farm
from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftp_talks import Data, Visitor, announcement
from twisted_lb.facts import ConnectionEnded, SessionEnded, TransferEnded
from twisted_lb.terms import Address

SESSIONS = 30
STEPS = 25
QUICK = {"data_timeout": 0.5, "grace": 0.3}
FILE = os.urandom(200_000)
ORDERLY = {"done", "client-left", "server-closed", "server-refused", "too-slow", "killed"}


class Unruly(Visitor):
    """A client without plan or patience."""

    def __init__(self, site: FtpSite, random: Random) -> None:
        super().__init__(site)
        self.random = random
        self.channels: list[Data] = []
        self.steps: tuple[Callable[[], None], ...] = (
            *[self.announces_one] * 3,
            *[self.transfers] * 3,
            *[self.aborts, self.asks_around, self.listens_one, self.pipelines],
            *[self.sends, self.closes_data, self.resets_data],
        )

    async def lives(self) -> None:
        """From the login to whatever end."""
        await self.login()
        for _ in range(self.random.randrange(STEPS)):
            self.random.choice(self.steps)()
            if self.random.random() < 0.5:
                await deferLater(reactor, self.random.random() / 100)
            if self.ended:
                break
        if self.random.random() < 0.3:
            self.asks("QUIT")
            await deferLater(reactor, self.random.random() / 100)
        self.random.choice([self.closes, self.resets])()
        await self.gone()

    # -- steps --------------------------------------------------------------------------------

    def announces_one(self) -> None:
        self.asks(self.random.choice(["PASV", "EPSV", "PORT 127,0,0,1,4", "EPSV ALL", "EPSV 2"]))

    def listens_one(self) -> None:
        host = self.site.listens(self.own, self._channel)
        if self.random.random() < 0.3:
            host.shuts()
        self.asks(announcement(self.random.choice(["PORT", "EPRT"]), host.address).decode())

    def transfers(self) -> None:
        name = f"f{self.random.randrange(5)}"
        commands = ["RETR who", "RETR large", "RETR none", f"STOR {name}", "STOU", "LIST", "MLSD"]
        self.asks(self.random.choice([*commands, f"APPE {name}"]))

    def aborts(self) -> None:
        self.says(self.random.choice([b"ABOR\r\n", b"\xff\xf4\xff\xf2ABOR\r\n", b"AB", b"ABOR"]))

    def asks_around(self) -> None:
        self.asks(self.random.choice(["STAT", "NOOP", "REIN", "TYPE I", "REST 3", "FEAT", "QUIT"]))

    def pipelines(self) -> None:
        self.asks("PASV", "RETR large", "ABOR", "PASV", "STOR x", "NOOP")

    def sends(self) -> None:
        for data in self.channels[-1:]:
            if data.transport is not None and not data.ended:
                data.says(FILE)

    def closes_data(self) -> None:
        for data in self.channels:
            if data.transport is not None:
                data.closes()

    def resets_data(self) -> None:
        for data in self.channels[-2:]:
            if data.transport is not None and data.ended not in ("closed", "reset"):
                data.resets()

    # -- what comes of them -------------------------------------------------------------------

    def _channel(self) -> Data:
        self.channels.append(Data())
        return self.channels[-1]

    def dataReceived(self, data: bytes) -> None:
        """Goes where it is invited, twice of three times, with whatever is known of the reply."""
        super().dataReceived(data)
        for line in data.split(b"\r\n"):
            if line[:3] in (b"227", b"229") and line.endswith(b").") and self.random.random() < 0.7:
                self._goes(self.address_in(line))

    def _goes(self, invited: Address) -> None:
        self.site.connect(invited, self.own, self._channel()).addErrback(lambda failure: None)


async def riot(site: FtpSite, farm: Farm, seed: int, server_data: str) -> None:
    """Many of them at once; then everything stands as before."""
    for process in farm.processes:
        (process.home / "large").write_bytes(FILE * 10)
    site.start(ftp(farm.port, *farm.addresses, server_data=server_data, **QUICK))
    before = site.standing()
    unruly = [Unruly(site, Random(f"{seed}-{number}")) for number in range(SESSIONS)]
    at = site.balancer.address("ftp")
    await gatherResults([site.connect(at, "127.0.0.1", each) for each in unruly])
    site.watch()
    await gatherResults([Deferred.fromCoroutine(each.lives()) for each in unruly])
    await site.until(lambda: not site.balancer.stories)
    for each in unruly:
        for data in each.channels:
            if data.transport is not None:
                await data.gone()
    for host in site.hosts:
        host.shuts()  # type: ignore[attr-defined]
    await site.rests_at(before)
    assert len(site.of(ConnectionEnded)) == len(site.of(SessionEnded)) == SESSIONS
    told = {ending for kind in (ConnectionEnded, TransferEnded) for ending in site.endings(kind)}
    assert told <= ORDERLY
    assert site.of(TransferEnded)


@pytest.mark.parametrize("server_data", ["passive", "active", "same"])
@pytest_twisted.ensureDeferred
async def test_whatever_clients_do_nothing_of_it_is_left(
    ftp_site: FtpSite, farm: Farm, server_data: str
) -> None:
    await riot(ftp_site, farm, 1, server_data)


@pytest.mark.soak
@pytest.mark.parametrize("server_data", ["passive", "active", "same"])
@pytest.mark.parametrize("seed", range(2, 40))
@pytest_twisted.ensureDeferred
async def test_whatever_many_more_clients_do_nothing_of_it_is_left(
    ftp_site: FtpSite, farm: Farm, seed: int, server_data: str
) -> None:
    await riot(ftp_site, farm, seed, server_data)
