"""The first scene: a balancer, two FTP servers behind it, five sessions at once from one address.

Each session uploads and downloads over data channels of its own, passive and active, and reads a
file that names the server. The table tells what the servers' disks say, not what we think.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import gatherResults

from ..config.load import load
from ..listeners import CannotListen
from ..reactors import Reactor
from ..service import Balancer, balancer
from ..terms import Address
from .hosts import PASSWORD, USER, Host, Site, ftp_server, home_of
from .scenes import Shown, counted, mark, table
from .visits import Visit, ftp_session, within

SESSIONS = 5
SERVERS = {"a": "127.0.0.2", "b": "127.0.0.3"}
USUAL_PORT = 2121

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

TITLE = f"{SESSIONS} FTP sessions at once from 127.0.0.1, two servers, one balancer:"
HEAD = ("session", "client", "channels", "named by data channels", "files on disk of", "")
TRIES = """\
The balancer before the FTP servers listens on {at}:

  curl -s ftp://{user}:{password}@{at}/server-name; echo
  curl -s -P - ftp://{user}:{password}@{at}/     # active mode
  lftp -u {user},{password} -p {at.port} {at.host} -e 'ls; cat server-name; bye'
"""


async def play(reactor: Reactor, site: Site, home: Path) -> Shown:
    """Start all of it, and let the sessions come."""
    at = start(reactor, site, home).address("ftp")
    sessions = [within(ftp_session(reactor, at, 1 + i), reactor) for i in range(SESSIONS)]
    visits = await gatherResults(sessions, consumeErrors=True)
    found = [stored(home, visit) for visit in visits]
    rows = [row(visit, disks) for visit, disks in zip(visits, found, strict=True)]
    return Shown(
        f"{TITLE}\n\n{table(HEAD, rows)}",
        all(map(together, visits, found)),
        TRIES.format(at=at, user=USER, password=PASSWORD),
    )


def start(reactor: Reactor, site: Site, home: Path) -> Balancer:
    """The servers at one port of their addresses, and the balancer, at the usual one if it can."""
    server_port = 0
    for name, address in SERVERS.items():
        server = ftp_server(home, name)
        host = site.start(Host(reactor, Address(address, server_port), server))
        server_port = host.address.port
    for port in (USUAL_PORT, 0):
        text = CONFIGURATION.format(port=port, server_port=server_port)
        try:
            return site.start(balancer(load(text, "ftp.toml"), reactor))
        except CannotListen:
            continue
    raise CannotListen("no port of 127.0.0.1 can be listened on")


def stored(home: Path, visit: Visit) -> set[str]:
    """The servers on whose disks the uploads of this visit lie."""
    pattern = f"session{visit.number}-*.bin"
    return {name for name in SERVERS if any(home_of(home, name).glob(pattern))}


def together(visit: Visit, disks: set[str]) -> bool:
    """Whether every channel was on one server, and every byte came back."""
    return visit.whole and len(disks) == 1 and visit.named == disks


def row(visit: Visit, disks: set[str]) -> tuple[str, ...]:
    """A line of the table."""
    return (
        str(visit.number),
        visit.kind,
        counted(visit.channels),
        " ".join(sorted(visit.named)),
        " ".join(sorted(disks)),
        mark(together(visit, disks), visit.broken),
    )
