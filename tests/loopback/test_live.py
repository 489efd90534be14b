"""`--check --live` over real sockets: who has a wrong name, ends soon, differs, or is not there."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutputAndValue
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from twisted_lb.config.settings import (
    Backend,
    BackendTls,
    Check,
    Frontend,
    Group,
    Live,
    RoleRule,
    ServerRule,
    Settings,
)
from twisted_lb.health.look import Look, Sought
from twisted_lb.live import Report, look_live
from twisted_lb.terms import Address

from ..certificates import NOW, self_signed, written
from .tls_site import AUTHORITY, Shows

WALL = NOW.timestamp()
NAMES = ("front.example", "front", "192.0.2.1")


class Says(Factory):
    """Greets, and answers each line that it knows; a deaf one does not even listen."""

    noisy = False

    def __init__(self, greeting: bytes = b"", deaf: bool = False, **answers: bytes) -> None:
        self.greeting = greeting
        self.deaf = deaf
        self.answers = answers
        self.speakers: list[Speaker] = []
        self.lines: list[str] = []

    def buildProtocol(self, addr: Any) -> Protocol:
        self.speakers.append(Speaker(self))
        return self.speakers[-1]


class Speaker(Protocol):
    """One connection to it."""

    def __init__(self, says: Says) -> None:
        self.says = says
        self.heard = b""
        self.over: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(self.says.greeting)

    def dataReceived(self, data: bytes) -> None:
        self.heard += b"" if self.says.deaf else data
        while b"\n" in self.heard:
            line, _, self.heard = self.heard.partition(b"\n")
            self.says.lines.append(line.decode("latin-1"))
            word = line.decode("latin-1").partition(" ")[0].strip()
            if word in self.says.answers:
                self.transport.write(self.says.answers[word])
            if word in ("QUIT", ""):
                self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.over.callback(None)


class Servers:
    """Servers a, b, c … on one port number, each at an address of its own."""

    def __init__(self) -> None:
        self.ports: list[IListeningPort] = []
        self.port = 0
        self.says: list[Says] = []

    def serve(self, *servers: tuple[Says, Shows | None]) -> None:
        self.says = [says for says, _ in servers]
        for _ in range(50):
            self.port = 0
            try:
                for number, server in enumerate(servers):
                    self._listen(f"127.0.0.{2 + number}", *server)
            except CannotListenError:
                while self.ports:
                    self.ports.pop().stopListening()
                continue
            return
        raise AssertionError("no port is free at every address")

    def _listen(self, host: str, says: Says, shows: Shows | None) -> None:
        factory: Any = TLSMemoryBIOFactory(shows, False, says) if shows else says
        factory.noisy = False
        port = reactor.listenTCP(self.port, factory, interface=host)  # type: ignore[attr-defined]
        self.ports.append(port)
        self.port = port.getHost().port

    async def look(
        self, tmp_path: Path, protocol: str = "opaque", send_proxy: Any = "off", **live: Any
    ) -> Report:
        """What `--check --live` reports of them."""
        ca = written(AUTHORITY.pem, tmp_path / "ca.pem")
        rules = tuple(
            ServerRule("abcd"[n], f"127.0.0.{2 + n}", send_proxy=send_proxy)
            for n in range(len(self.says))
        )
        asked = Live(**{"names": NAMES, "ca": ca, "timeout": 5.0, "tls": "on", **live})
        roles = {"any": RoleRule(server_port=self.port)}
        settings = Settings(
            (Frontend("in", (Address("127.0.0.1", 0),), protocol=protocol, group="g"),),
            {"g": Group("g", "pool", roles=roles)},
            {"pool": Backend("pool", rules, check=Check("off"), tls=BackendTls(), live=asked)},
        )
        return await look_live(settings, reactor, WALL)  # type: ignore[arg-type]

    async def lose(self, number: int) -> None:
        """This one listens no more."""
        await maybeDeferred(self.ports.pop(number).stopListening)


@pytest_twisted.async_yield_fixture()
async def servers() -> AsyncIterator[Servers]:
    servers = Servers()
    yield servers
    for says in servers.says:
        for speaker in says.speakers:
            await speaker.over
    for port in servers.ports:
        await maybeDeferred(port.stopListening)


def good(**context: Any) -> tuple[Says, Shows]:
    return Says(), Shows(AUTHORITY.sign(*NAMES, days=90), **context)


@pytest_twisted.ensureDeferred
async def test_servers_that_are_alike_and_in_order(servers: Servers, tmp_path: Path) -> None:
    """By their long name, their short one, and their address."""
    servers.serve(good(), good())
    report = await servers.look(tmp_path)
    assert (report.fine, report.visited, str(report)) == (True, 2, "")


@pytest_twisted.ensureDeferred
async def test_each_fault_is_told_with_its_server_and_what_to_do(
    servers: Servers, tmp_path: Path
) -> None:
    servers.serve(
        good(),
        (Says(), Shows(AUTHORITY.sign("front.example", "front", "192.0.2.9", days=90))),
        (Says(), Shows(AUTHORITY.sign(*NAMES, days=9.4))),
        good(),
    )
    await servers.lose(3)
    report = await servers.look(tmp_path)
    assert not report.fine
    b, c, d = (f"pool/{'abcd'[n]} (127.0.0.{2 + n}:{servers.port})" for n in (1, 2, 3))
    told = "\n".join(str(report).splitlines()[: len(report.findings)])
    assert (
        told
        == f"""\
fault: {b}: its certificate is for front.example, front, 192.0.2.9, not for 192.0.2.1; \
get one whose subjectAltName has 192.0.2.1: clients that ask for it refuse
fault: {c}: its certificate ends in 9 days; renew it
fault: {d}: connect: Connection refused; \
start it, open the way to it, or take it out of the configuration
fault: {b}: certificate differs: 'front.example front 192.0.2.9', \
on a, c 'front.example front 192.0.2.1'; make them alike"""
    )


@pytest_twisted.ensureDeferred
async def test_versions_and_protocols_that_differ_make_a_table(
    servers: Servers, tmp_path: Path
) -> None:
    servers.serve(
        good(alpn=("x", "y")),
        good(alpn=("y",), minimum="1.3"),
        good(alpn=("z",)),
    )
    report = await servers.look(tmp_path, alpn=("x", "y"))
    [table] = report.tables
    assert [line.rstrip() for line in table.splitlines()[1:]] == [
        "server  TLS      ALPN",
        "a       1.2 1.3  x",
        "b       1.3      y",
        "c       1.2 1.3  refused",
    ]


@pytest_twisted.ensureDeferred
async def test_chains_that_nobody_trusts_and_names_in_the_wrong_place(
    servers: Servers, tmp_path: Path
) -> None:
    servers.serve(
        (Says(), Shows(self_signed("server"))),
        (Says(), Shows(AUTHORITY.sign(days=90))),
        (Says(), Shows(AUTHORITY.sign("*.example", days=-1))),
    )
    report = await servers.look(tmp_path, names=("server",))
    told = [(each.where[:6], each.what, each.fault) for each in report.findings]
    assert ("pool/a", "its certificate is signed by itself and not trusted", True) in told
    assert ("pool/b", "only the common name of its certificate says server", False) in told
    assert ("pool/c", "its certificate has expired", True) in told


@pytest_twisted.ensureDeferred
async def test_ftp_servers_are_compared_by_what_they_offer(
    servers: Servers, tmp_path: Path
) -> None:
    hi, few = b"220-hello\r\n220 there\r\n", b"502 what?\r\n"
    many = b"211-Features:\r\n SIZE\r\n MDTM\r\n211 End\r\n"
    servers.serve((Says(hi, FEAT=many), None), (Says(b"120 soon\r\n" + hi, FEAT=few), None))
    report = await servers.look(tmp_path, "ftp", tls="off")
    [finding] = report.findings
    assert finding.where.startswith("pool/b")
    assert finding.what == "FEAT differs: '-', on a 'MDTM, SIZE'"


@pytest_twisted.ensureDeferred
async def test_a_server_that_turns_ftp_clients_away(servers: Servers, tmp_path: Path) -> None:
    servers.serve((Says(b"421 closed\r\n"), None))
    [finding] = (await servers.look(tmp_path, "ftp", tls="off")).findings
    assert finding.what == "greeting: 421 closed"


@pytest_twisted.ensureDeferred
async def test_web_servers_are_compared_by_their_status(servers: Servers, tmp_path: Path) -> None:
    fine, broken = b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 503 No\r\n\r\n"
    servers.serve((Says(GET=fine), None), (Says(GET=broken), None), (Says(GET=b"what?\n"), None))
    report = await servers.look(tmp_path, tls="off", path="/status")
    told = {(each.where[:6], each.what) for each in report.findings}
    assert told == {
        ("pool/b", "HTTP differs: '503', on a '200'"),
        ("pool/c", "HTTP: it does not answer by HTTP"),
    }


@pytest_twisted.ensureDeferred
async def test_a_server_that_says_nothing_is_given_up_at_the_deadline(
    servers: Servers, tmp_path: Path
) -> None:
    servers.serve((Says(deaf=True), None))
    [finding] = (await servers.look(tmp_path, timeout=0.2)).findings
    assert finding.what == "handshake: no answer in 0.2 s"


@pytest_twisted.ensureDeferred
async def test_a_port_without_tls_or_ftp_need_only_take_connections(
    servers: Servers, tmp_path: Path
) -> None:
    servers.serve((Says(), None))
    report = await servers.look(tmp_path, tls="off")
    assert report.fine and report.visited == 1


@pytest_twisted.ensureDeferred
async def test_a_server_that_wants_proxy_headers_gets_them_first(
    servers: Servers, tmp_path: Path
) -> None:
    fine = b"HTTP/1.1 200 OK\r\n\r\n"
    says = Says(PROXY=b"", GET=fine)
    servers.serve((says, None))
    report = await servers.look(tmp_path, tls="off", path="/", send_proxy="v1")
    assert report.fine
    assert [line.partition(" ")[0] for line in says.lines][:2] == ["PROXY", "GET"]


@pytest_twisted.ensureDeferred
async def test_a_look_that_is_broken_off_leaves_nothing_open(servers: Servers) -> None:
    says = Says(deaf=True)
    servers.serve((says, None))
    sought = Sought("pool", "a", servers.port, True, False, Live())
    looking = Deferred.fromCoroutine(Look(reactor, sought, "127.0.0.2")())  # type: ignore[arg-type]
    while not says.speakers:
        await deferLater(reactor, 0.002)
    looking.cancel()
    await says.speakers[0].over
    with pytest.raises(CancelledError):
        await looking


@pytest_twisted.ensureDeferred
async def test_the_command_prints_the_report_and_ends_with_1(
    servers: Servers, tmp_path: Path
) -> None:
    servers.serve(good(), (Says(), Shows(AUTHORITY.sign("other.example", days=90))))
    ca = written(AUTHORITY.pem, tmp_path / "ca.pem")
    (tmp_path / "lb.toml").write_text(
        f"""
[[frontend]]
name = "in"
listen = "127.0.0.1:0"
tls.mode = "pass"
backend = "pool"
server_port = {servers.port}
[[backend]]
name = "pool"
live = {{ names = "front.example", ca = "{ca}" }}
server = [{{ name = "a", host = "127.0.0.2" }}, {{ name = "b", host = "127.0.0.3" }}]
"""
    )
    argv = ["-m", "twisted", "lb-proxy", "--config", str(tmp_path / "lb.toml"), "--check", "--live"]
    out, err, status = await getProcessOutputAndValue(sys.executable, argv, env=os.environ)
    lines = out.decode().splitlines()
    assert status == 1, (out, err)
    assert f"fault: pool/b (127.0.0.3:{servers.port}): its certificate is for other.example" in (
        out.decode()
    )
    assert lines[-5:] == [
        f"pool, port {servers.port}: servers differ",
        "server  certificate",
        "a       front.example front 192.0.2.1",
        "b       other.example",
        "ports visited: 2",
    ]
