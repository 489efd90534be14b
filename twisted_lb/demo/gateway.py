"""The second scene: terminals and FTP sessions through a tunnel, a balancer, two security proxies.

Each channel of an FTP session is a TLS connection of its own; the balancer looks into none. The
table tells what the two proxies' logs say: which channels of which session came to which of them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import attrs
from twisted.internet.defer import gatherResults

from ..config.load import load
from ..facts import ConnectionEnded, Fact, Note, TokenAsked
from ..gateway import tunneltap
from ..gateway.gate import Gate
from ..gateway.load import load_proxy, load_tunnel
from ..gateway.proxy import SecurityProxy
from ..gateway.proxytap import verifier
from ..gateway.tokenserver import TokenServer, read_parts
from ..gateway.tokensettings import load as load_token_server
from ..reactors import Reactor
from ..service import balancer
from ..terms import Address
from .files import BALANCER, KEY, PROXY, TOKEN_SERVER, TUNNEL, Files
from .hosts import PASSWORD, USER, Host, Site, ftp_server, terminal_host
from .scenes import Shown, counted, mark, table, tick
from .visits import PATIENCE, Visit, ftp_session, terminal, within

FTP_SESSIONS = 3
TERMINALS = 4
HOSTS = "127.0.0.1"
"""Where the hosts listen. Twisted's FTP server dials active data connections from here, whatever
it listens on, and a security proxy takes them from no other address than the host's."""
PROXIES = {"a": "127.0.0.5", "b": "127.0.0.6"}

wall = time.time  # noqa: TID251 - certificates and tokens end by the wall's clock

TITLE = (
    f"{FTP_SESSIONS} FTP sessions and {TERMINALS} terminals at once from 127.0.0.1: "
    "tunnel, balancer, two security proxies:"
)
HEAD = ("session", "client", *(f"channels at proxy {name}" for name in PROXIES), "")
TRIES = """\
The tunnel listens on {ftp} for FTP and on {terminal} for terminals. It asks the token
server, and goes through the balancer to one of the security proxies:

  curl -s ftp://{user}:{password}@{ftp}/server-name; echo
  curl -s -P - ftp://{user}:{password}@{ftp}/     # active mode
  telnet {terminal.host} {terminal.port}     # bye ends

The programs' configurations are in {home}.
"""


@attrs.define
class Logs:
    """What the programs of the chain told of their connections, and of tokens."""

    told: list[tuple[str, ConnectionEnded]] = attrs.field(factory=list)
    """Each with the program's name."""
    tokens: int = 0
    """How many the token server gave."""

    def of(self, program: str) -> Note:
        """Where this program tells."""

        def note(fact: Fact) -> None:
            if isinstance(fact, ConnectionEnded):
                self.told.append((program, fact))
            elif isinstance(fact, TokenAsked):
                self.tokens += fact.answer == "given"

        return note

    def session(self, port: int) -> str:
        """The id of the session that the tunnel opened for a client from this port."""
        clients = {
            fact.client.port: fact.session
            for program, fact in self.told
            if program == "tunnel" and fact.client is not None
        }
        return clients.get(port, "")

    def channels(self, session: str) -> dict[str, Counter[str]]:
        """How many channels of each role this session had at each proxy."""
        seen = {name: Counter[str]() for name in PROXIES}
        for program, fact in self.told:
            if session and program in PROXIES and fact.session == session:
                seen[program][fact.role] += 1
        return seen


@attrs.frozen
class Chain:
    """Everything between the clients and the hosts."""

    tunnel: Gate
    proxies: dict[str, SecurityProxy]
    logs: Logs

    async def quiet(self) -> None:
        """Wait until every program has told of every connection."""
        for gate in [self.tunnel, *self.proxies.values()]:
            await gate.visits.until_empty(PATIENCE)

    def astray(self) -> int:
        """How many channels the proxies saw of sessions that they do not know."""
        return sum(proxy.roles.unknown_sessions for proxy in self.proxies.values())


async def play(reactor: Reactor, site: Site, home: Path, key: str = KEY) -> Shown:
    """Start all of it, and let clients come. `key`: what a balancer knows sessions by, in TOML."""
    chain = start(reactor, site, home, key)
    visits = await come(reactor, chain)
    await chain.quiet()
    seen = [chain.logs.channels(chain.logs.session(visit.port)) for visit in visits]
    at = {name: chain.tunnel.address(name) for name in ("ftp", "terminal")}
    rows = [row(visit, each) for visit, each in zip(visits, seen, strict=True)]
    terminals, strays = terminals_at(visits, seen), chain.astray()
    return Shown(
        "\n".join([TITLE, "", table(HEAD, rows), "", *sums(terminals, strays, chain.logs.tokens)]),
        all(terminals) and not strays and all(map(together, visits, seen)),
        TRIES.format(home=home, user=USER, password=PASSWORD, **at),
    )


# -- everything starts -----------------------------------------------------------------------------


def start(reactor: Reactor, site: Site, home: Path, key: str = KEY) -> Chain:
    """From the hosts to the tunnel: each needs to know where the next one listens."""
    files, logs = Files(home, wall()), Logs()
    hosts = {"files": ftp_server(home / "ftp", "files"), "terminals": terminal_host()}
    at = {
        name: site.start(Host(reactor, Address(HOSTS, 0), factory)).address
        for name, factory in hosts.items()
    }
    tokens = _token_server(reactor, site, files, logs, at)
    proxies = _proxies(reactor, site, files, logs)
    port = proxies["a"].address("proxy").port
    settings = files.configure("balancer.toml", BALANCER, load, port=port, key=key)
    front = site.start(balancer(settings, reactor)).address("gateway")
    about = files.configure("tunnel.toml", TUNNEL, load_tunnel, front=front, tokens=tokens, **at)
    tunnel = site.start(tunneltap.build(about, reactor, logs.of("tunnel")))
    return Chain(tunnel, proxies, logs)


def _token_server(
    reactor: Reactor, site: Site, files: Files, logs: Logs, at: dict[str, Address]
) -> Address:
    """Where it listens."""
    name = "token-server.toml"
    settings = files.configure(name, TOKEN_SERVER, load_token_server, **at)
    parts = read_parts(settings, name)
    server = TokenServer(settings, parts, reactor, wall, logs.of("token server"))
    return site.start(server).addresses[0]


def _proxies(reactor: Reactor, site: Site, files: Files, logs: Logs) -> dict[str, SecurityProxy]:
    """Both, at one port of their addresses."""
    proxies: dict[str, SecurityProxy] = {}
    port = 0
    for name, host in PROXIES.items():
        at = Address(host, port)
        settings = files.configure(f"proxy-{name}.toml", PROXY, load_proxy, at=at)
        verify = verifier(settings.tokens, wall)
        proxy = site.start(SecurityProxy(settings, reactor, logs.of(name), verify))
        port = proxy.address("proxy").port
        proxies[name] = proxy
    return proxies


async def come(reactor: Reactor, chain: Chain) -> list[Visit]:
    """Terminals, and while they are there FTP sessions, all at once."""
    numbers = range(1, 1 + FTP_SESSIONS + TERMINALS)
    at = chain.tunnel.address("terminal")
    terminals = [await within(terminal(reactor, at, n), reactor) for n in numbers[FTP_SESSIONS:]]
    at = chain.tunnel.address("ftp")
    sessions = [within(ftp_session(reactor, at, n), reactor) for n in numbers[:FTP_SESSIONS]]
    visits: list[Visit] = await gatherResults(sessions, consumeErrors=True)
    for each in terminals:
        await within(each.talks(), reactor)
    return [*visits, *(each.visit for each in terminals)]


# -- what is shown ---------------------------------------------------------------------------------


def together(visit: Visit, seen: dict[str, Counter[str]]) -> bool:
    """Whether one proxy saw all channels of this visit, and the notification channel of FTP."""
    notified = Counter(notification=1) if visit.channels["control"] else Counter()
    everything = visit.channels + notified
    return visit.whole and [each for each in seen.values() if each] == [everything]


def terminals_at(visits: Iterable[Visit], seen: Iterable[dict[str, Counter[str]]]) -> list[int]:
    """How many terminals each proxy had."""
    every = [each for visit, each in zip(visits, seen, strict=True) if visit.channels["terminal"]]
    return [sum(each[name]["terminal"] for each in every) for name in PROXIES]


def sums(terminals: list[int], strays: int, tokens: int) -> list[str]:
    """What stands below the table."""
    spread = " and ".join(map(str, terminals))
    return [
        f"{tick(all(terminals))} terminals at proxy {' and '.join(PROXIES)}: {spread}",
        f"{tick(not strays)} channels at a proxy that does not know their session: {strays}",
        f"{tick(tokens > 0)} tokens that the token server gave for all these: {tokens}",
    ]


def row(visit: Visit, seen: dict[str, Counter[str]]) -> tuple[str, ...]:
    """A line of the table."""
    told = (counted(channels) for channels in seen.values())
    return str(visit.number), visit.kind, *told, mark(together(visit, seen), visit.broken)
