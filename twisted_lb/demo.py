"""`./run demo`: a balancer, two FTP servers behind it, five sessions at once from one address.

Each session uploads, downloads and lists over data channels of its own, passive and active, and
reads a file that names the server. The table tells what the servers' disks say, not what we think.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import react
from twisted.protocols.ftp import FTPClient, FTPFactory, FTPRealm
from twisted.python.failure import Failure
from zope.interface import implementer

from .config.load import load
from .ends import address
from .facts import Fact
from .listeners import CannotListen
from .reactors import Reactor
from .service import Balancer

SESSIONS = 5
ROUNDS = 3
"""Uploads and downloads of each session."""
SERVERS = {"a": "127.0.0.2", "b": "127.0.0.3"}
USER, PASSWORD = "demo", "demo"
USUAL_PORT = 2121
PATIENCE = 30.0
"""Seconds that a session may take."""

CONFIGURATION = """\
[[frontend]]
name = "ftp"
listen = "127.0.0.1:{port}"
protocol = "ftp"
backend = "ftp-servers"
server_port = {server_port}
[frontend.ftp]
passive_ports = "40000-40999"
server_data = "passive"   # clients may be active all the same

[[backend]]
name = "ftp-servers"
check = {{ type = "ftp", interval = "1s" }}
[[backend.server]]
name = "a"
host = "127.0.0.2"
[[backend.server]]
name = "b"
host = "127.0.0.3"

[limits]
drain = "1s"
"""


@attrs.define
class Visit:
    """What one session saw, and where its files were found."""

    number: int
    mode: str
    named: set[str] = attrs.field(factory=set)
    """The servers that the marker file named, read over the session's data channels."""
    channels: int = 1
    found: set[str] = attrs.field(factory=set)
    """The servers on whose disks its uploads lie."""
    damaged: int = 0
    """Downloads that were not what was uploaded."""

    @property
    def together(self) -> bool:
        """Whether every channel was on one server, and every byte came back."""
        return len(self.named) == 1 and self.named == self.found and not self.damaged


class Gather(Protocol):
    """Takes a whole download."""

    def __init__(self) -> None:
        self._buffer = BytesIO()
        self.done: Deferred[bytes] = Deferred()

    # IProtocol

    def dataReceived(self, data: bytes) -> None:
        self._buffer.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.done.callback(self._buffer.getvalue())


async def download(client: FTPClient, name: str) -> bytes:
    """All bytes of one file."""
    gather = Gather()
    await client.retrieveFile(name, gather)
    return await gather.done


async def upload(client: FTPClient, name: str, data: bytes) -> None:
    """Store one file."""
    opened, finished = client.storeFile(name)
    consumer = await opened
    consumer.transport.write(data)
    consumer.finish()
    await finished


async def session(reactor: Reactor, port: int, number: int) -> Visit:
    """One FTP session from login to QUIT."""
    passive = number % 2 == 1
    visit = Visit(number, "passive" if passive else "active")
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    client: FTPClient = await connectProtocol(endpoint, FTPClient(USER, PASSWORD, passive=passive))
    for round in range(ROUNDS):
        name, data = f"session{number}-{round}.bin", bytes([number, round]) * 50_000
        await upload(client, name, data)
        back = await download(client, name)
        marker = await download(client, "server-name")
        visit.named.add(marker.decode())
        visit.damaged += back != data
        visit.channels += 3
    await client.quit()
    return visit


# -- the site ------------------------------------------------------------------------------------


@implementer(ICredentialsChecker)
class OneUser:
    """Knows one user. Twisted's own checker compares the FTP server's text with bytes."""

    credentialInterfaces = (IUsernamePassword,)

    # ICredentialsChecker

    def requestAvatarId(self, credentials: Any) -> Deferred[Any]:
        if (credentials.username, credentials.password) == (USER, PASSWORD):
            return succeed(USER)
        return fail(UnauthorizedLogin())


def ftp_server(homes: Path, name: str) -> FTPFactory:
    """Twisted's own FTP server for one user, whose home holds a file that names the server."""
    home = homes / name / USER
    home.mkdir(parents=True)
    (home / "server-name").write_text(name)
    realm = FTPRealm("/nonexistent", userHome=str(homes / name))
    return FTPFactory(Portal(realm, [OneUser()]))


def start_servers(reactor: Reactor, homes: Path) -> int:
    """One FTP server at each address; returns the port that they share."""
    factories = {name: ftp_server(homes, name) for name in SERVERS}
    port = 0
    for name, host in SERVERS.items():
        listening = reactor.listenTCP(port, factories[name], interface=host)
        port = address(listening.getHost()).port
    return port


def start_balancer(reactor: Reactor, server_port: int, note: Callable[[Fact], None]) -> Balancer:
    """The balancer, on the usual port if that is free."""
    for port in (USUAL_PORT, 0):
        text = CONFIGURATION.format(port=port, server_port=server_port)
        balancer = Balancer(load(text, "demo.toml"), reactor, note)
        try:
            balancer.startService()
        except CannotListen:
            continue
        return balancer
    raise CannotListen("no port of 127.0.0.1 can be listened on")


# -- what is shown -------------------------------------------------------------------------------


def table(visits: list[Visit]) -> str:
    """Session → channels → server, with a mark for each."""
    rows = [("session", "data", "channels", "named by data channels", "files on disk of", "")]
    for visit in visits:
        rows.append(
            (
                f"{visit.number}",
                visit.mode,
                f"1 control, {visit.channels - 1} data",
                " ".join(sorted(visit.named)),
                " ".join(sorted(visit.found)),
                "✓ together" if visit.together else "✗ ASTRAY",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def look_on_disks(homes: Path, visits: list[Visit]) -> None:
    """Find out where each session's uploads lie."""
    for visit in visits:
        for name in SERVERS:
            stored = list((homes / name / USER).glob(f"session{visit.number}-*.bin"))
            if stored:
                visit.found.add(name)


TRY = """\
The balancer stays up on 127.0.0.1:{port}. Try, in another terminal:

  curl -s ftp://{user}:{password}@127.0.0.1:{port}/server-name; echo
  curl -s -P - ftp://{user}:{password}@127.0.0.1:{port}/     # active mode
  lftp -u {user},{password} -p {port} 127.0.0.1 -e 'ls; cat server-name; bye'

Ctrl-C ends it.
"""


async def main(reactor: Reactor, *options: str) -> None:
    """Run the demo; SystemExit 1 when a channel went astray."""
    unknown = [option for option in options if option != "--once"]
    if unknown:
        raise SystemExit(f"demo: no option {unknown[0]!r}; there is only --once")
    with TemporaryDirectory(prefix="twisted-lb-demo-") as directory:
        homes = Path(directory)
        balancer = start_balancer(reactor, start_servers(reactor, homes), lambda fact: None)
        reactor.addSystemEventTrigger("before", "shutdown", balancer.stopService)
        port = balancer.address("ftp").port
        print(f"{SESSIONS} FTP sessions at once from 127.0.0.1, two servers, one balancer:\n")
        sessions = [
            Deferred.fromCoroutine(session(reactor, port, number)).addTimeout(PATIENCE, reactor)
            for number in range(1, SESSIONS + 1)
        ]
        visits = await gatherResults(sessions, consumeErrors=True)
        look_on_disks(homes, visits)
        print(table(visits))
        astray = [visit for visit in visits if not visit.together]
        if "--once" in options or astray:
            raise SystemExit(1 if astray else 0)
        print("\n" + TRY.format(port=port, user=USER, password=PASSWORD), flush=True)
        await Deferred()  # until Ctrl-C


if __name__ == "__main__":
    react(lambda reactor, *args: Deferred.fromCoroutine(main(reactor, *args)), sys.argv[1:])
