"""Real servers that die, hang or are drained while sessions are on them."""

from __future__ import annotations

import hashlib
import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftp_talks import Data, Visitor
from tests.matrix.network import loopback
from tests.peers.servers import KINDS, PASSWORD, Server, Site, running
from twisted_lb.config.settings import Check
from twisted_lb.facts import ServerChanged

pytestmark = pytest.mark.peers

LARGE = random.Random(2).randbytes(40_000_000)
"""More than all buffers between server and client hold."""
OFF = Check(type="off")
QUICK = Check(type="ftp", interval=0.1, fast_interval=0.1, timeout=1.0, rise=2, fall=3)


@attrs.frozen
class Pair:
    """Two servers of a kind, `a` and `b`, and a balancer before them."""

    site: FtpSite
    servers: dict[str, Server]

    def start(self, check: Check) -> None:
        addresses = [server.site.host for server in self.servers.values()]
        port = self.servers["a"].site.port
        self.site.start(ftp(port, *addresses, backend={"check": check, "balance": "round-robin"}))

    async def login(self) -> tuple[Visitor, str]:
        """A client that has logged in, and the server that it is on."""
        visitor = await self.site.visit()
        await visitor.replies(220)
        user = KINDS[self.servers["a"].kind][1]
        await visitor.does(f"USER {user}", 331)
        await visitor.does(f"PASS {PASSWORD}", 230)
        await visitor.does("TYPE I", 200)
        return visitor, await whose(visitor)

    async def logins(self, count: int) -> dict[str, list[Visitor]]:
        """Server → clients on it."""
        found: dict[str, list[Visitor]] = {name: [] for name in self.servers}
        for _ in range(count):
            visitor, server = await self.login()
            found[server].append(visitor)
        return found


async def whose(visitor: Visitor) -> str:
    """The server that a marker on it names."""
    return (await download(visitor, "get/a-marker")).decode().strip()


async def begins(visitor: Visitor, command: str) -> None:
    """A transfer's first reply: 125 when the server has the data connection already."""
    visitor.asks(command)
    reply = await visitor.reply()
    assert reply[:3] in (b"125", b"150"), reply


async def download(visitor: Visitor, path: str, verb: str = "EPSV") -> bytes:
    coming = await visitor.announces(verb)
    await begins(visitor, f"RETR {path}")
    data = await coming
    await data.gone()
    await visitor.replies(226)
    return bytes(data.heard)


async def told_to_leave(visitor: Visitor) -> None:
    """421, and nothing more can come."""
    await visitor.replies(421)
    await visitor.until(lambda talk: bool(talk.ended))
    visitor.closes()


class Reluctant(Data):
    """Reads nothing until it is told to; keeps only what is needed to tell whether it got all."""

    def __init__(self) -> None:
        super().__init__()
        self.got, self.hash = 0, hashlib.sha256()

    def connectionMade(self) -> None:
        self.transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        self.got += len(data)
        self.hash.update(data)


async def downloading(visitor: Visitor) -> Reluctant:
    """A download under way: the server waits until the client reads."""
    coming = await visitor.announces("EPSV", Reluctant)
    await begins(visitor, "RETR get/m-large")
    return await coming  # type: ignore[no-any-return]


async def uploading(visitor: Visitor) -> Data:
    """An upload under way: the server waits for more."""
    coming = await visitor.announces("PASV")
    await begins(visitor, "STOR put/upload")
    data = await coming
    data.says(b"x" * 1000)
    return data  # type: ignore[no-any-return]


@pytest.fixture(params=["vsftpd", "proftpd", "pureftpd", "pyftpdlib"])
def pair(ftp_site: FtpSite, request: pytest.FixtureRequest) -> Iterator[Pair]:
    net = loopback()
    with ExitStack() as stack:
        ground = Path(stack.enter_context(TemporaryDirectory(prefix="lb-death-")))
        ground.chmod(0o755)
        servers = [
            stack.enter_context(running(request.param, Site(n, h, net.port, ground / n), LARGE))
            for n, h in zip("ab", net.servers_at[4], strict=True)
        ]
        yield Pair(ftp_site, {server.site.name: server for server in servers})


@pytest_twisted.ensureDeferred
async def test_when_a_server_is_killed_its_clients_hear_421_at_once_and_others_go_on(
    pair: Pair,
) -> None:
    pair.start(OFF)
    clients = await pair.logins(4)
    assert {name: len(some) for name, some in clients.items()} == {"a": 2, "b": 2}
    download, upload = await downloading(clients["a"][0]), await uploading(clients["a"][1])
    kept = await downloading(clients["b"][0])

    killed = reactor.seconds()
    pair.servers["a"].kill()
    download.transport.resumeProducing()
    for visitor, data in zip(clients["a"], (download, upload), strict=True):
        await data.gone()
        await told_to_leave(visitor)
    assert reactor.seconds() - killed < 1.0
    assert download.got < len(LARGE)

    kept.transport.resumeProducing()
    await kept.gone()
    await clients["b"][0].replies(226)
    assert kept.hash.digest() == hashlib.sha256(LARGE).digest()
    assert {server for _, server in [await pair.login() for _ in range(3)]} == {"b"}


@pytest_twisted.ensureDeferred
async def test_a_server_that_hangs_is_down_after_the_configured_failures(pair: Pair) -> None:
    """A stopped server still completes TCP connects: only a check that reads its 220 finds out."""
    pair.start(QUICK)
    clients = await pair.logins(2)
    stopped = reactor.seconds()
    pair.servers["a"].tell(signal.SIGSTOP)

    await told_to_leave(clients["a"][0])
    assert reactor.seconds() - stopped > (QUICK.fall - 1) * QUICK.timeout
    changes = [(fact.server, fact.state) for fact in pair.site.of(ServerChanged)]
    assert changes == [("back/a", "down")]
    assert [server for _, server in [await pair.login() for _ in range(2)]] == ["b", "b"]
    await clients["b"][0].does("NOOP", 200)

    pair.servers["a"].tell(signal.SIGCONT)
    await pair.site.until(lambda: len(pair.site.of(ServerChanged)) > 1)
    changes = [(fact.server, fact.state) for fact in pair.site.of(ServerChanged)]
    assert changes == [("back/a", "down"), ("back/a", "up")]


@pytest_twisted.ensureDeferred
async def test_late_data_channels_of_living_sessions_reach_a_server_that_is_drained(
    pair: Pair,
) -> None:
    pair.start(OFF)
    clients = await pair.logins(2)
    balancer = pair.site.balancer
    balancer.set_admin(balancer.server("back", "a"), "drain")

    for verb in ("PASV", "EPSV", "PORT", "EPRT"):
        assert await download(clients["a"][0], "get/a-marker", verb) == b"a\n"
    late = await downloading(clients["a"][0])
    late.transport.resumeProducing()
    await late.gone()
    await clients["a"][0].replies(226)
    assert late.got == len(LARGE)
    assert [server for _, server in [await pair.login() for _ in range(3)]] == ["b"] * 3
