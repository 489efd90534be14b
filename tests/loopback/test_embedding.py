"""The balancer inside other programs: as a service, with plugins, and in front of an endpoint."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted
from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
    serverFromString,
)
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.internet.ssl import CertificateOptions, PrivateCertificate, optionsForClientTLS
from twisted.protocols.portforward import ProxyFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.tap import Options, makeService

from tests.certificates import self_signed
from tests.loopback.site import LIMITS, Host, Site, Talk, backend
from twisted_lb import balancer, load
from twisted_lb.config.settings import Frontend, Group, RoleRule, ServerRule, Settings
from twisted_lb.endpoint import BehindBalancer
from twisted_lb.facts import ConnectionEnded
from twisted_lb.interfaces import IProxied
from twisted_lb.plugins import added
from twisted_lb.terms import Address
from twisted_lb.wire.proxyheader import encode_v1, encode_v2, session_tlv

ROOT = Path(__file__).parents[2]
LOTS = bytes(range(256)) * 4096 * 8
"""Eight MiB: more than any kernel buffers."""


def example(name: str) -> Any:
    """What a file of the examples defines."""
    names: dict[str, Any] = {"__name__": "example"}
    exec((ROOT / "examples" / name).read_text(), names)
    return SimpleNamespace(**names)


# -- as a service ----------------------------------------------------------------------------------

CONFIGURATION = """
[[frontend]]
name = "in"
listen = "127.0.0.1:0"
protocol = "{protocol}"
group = "g"
[group.g]
backend = "pool"
key = ["{key}"]
linger = "0s"
[group.g.role.any]
server_port = {port}
[[backend]]
name = "pool"
balance = "{balance}"
check = {{ type = "off" }}
[[backend.server]]
name = "zebra"
host = "127.0.0.2"
[[backend.server]]
name = "ant"
host = "127.0.0.3"
[limits]
drain = "0s"
"""
PLAIN = {"protocol": "opaque", "key": "source", "balance": "first"}


@pytest_twisted.ensureDeferred
async def test_a_service_among_others_with_a_policy_a_key_and_a_protocol_of_ones_own(
    site: Site,
) -> None:
    port = site.serve("127.0.0.2", "127.0.0.3")
    zebra, ant = site.hosts
    own = example("plugins.py")
    office = own.OfficeKey({"127.0.1.0/24": "paris", "127.0.2.0/24": "london"})
    plugins = [own.alphabetical, office, own.smtp]
    text = CONFIGURATION.format(port=port, protocol="smtp", key="office", balance="alphabetical")
    settings = load(text, "own.toml", plugins=added(plugins).names)
    program = MultiService()
    site.balancer = balancer(settings, reactor, site.facts.append, plugins)
    site.balancer.setServiceParent(program)
    program.startService()

    one = await site.client("in", "127.0.1.1")
    (await ant.talk(1)).says(b"220 ready\r\n")
    await one.hears(b"220 ready\r\n")
    other = await site.client("in", "127.0.1.2")
    (await ant.talk(2)).says(b"220 ready, too\r\n")
    await other.hears(b"220 ready, too\r\n")

    abroad = await site.client("in", "127.0.2.1")
    (await ant.talk(3)).says(b"554 no\r\n")
    (await zebra.talk(1)).says(b"220 at your service\r\n")
    await abroad.hears(b"220 at your service\r\n")

    stranger = await site.client("in", "127.0.3.1")
    await stranger.hears(b"421 Service not available: unkeyed\r\n")

    await site.balancer.disownServiceParent()
    ended = [fact for fact in site.facts if isinstance(fact, ConnectionEnded)]
    sessions = {fact.client.host: fact.session for fact in ended if fact.client is not None}
    assert sessions["127.0.1.1"] == sessions["127.0.1.2"] != sessions["127.0.2.1"] != ""


@pytest_twisted.ensureDeferred
async def test_a_balancer_that_was_stopped_can_be_started_again(site: Site) -> None:
    port = site.serve("127.0.0.2", "127.0.0.3")
    settings = load(CONFIGURATION.format(port=port, **PLAIN), "plain.toml")
    service = site.balancer = balancer(settings, reactor)
    for number in (1, 2):
        service.startService()
        client = await site.client("in")
        client.says(b"hello")
        await (await site.hosts[0].talk(number)).hears(b"hello")
        await service.stopService()
        await client.gone()


@pytest_twisted.ensureDeferred
async def test_two_balancers_in_one_process_are_strangers(site: Site) -> None:
    port = site.serve("127.0.0.2", "127.0.0.3")
    settings = load(CONFIGURATION.format(port=port, **PLAIN), "plain.toml")
    other = balancer(settings, reactor)
    other.startService()
    site.start(settings)
    site.balancer.set_admin(site.balancer.server("pool", "zebra"), "drain")
    await site.client("in")
    await site.connect(other.address("in"))
    for host in site.hosts:
        await host.talk()
    await other.stopService()


def test_to_import_it_chooses_no_reactor() -> None:
    """Programs install theirs first; a library that imports the global one takes the choice."""
    program = "import sys, twisted_lb, twisted_lb.endpoint, twisted_lb.observe as o; " + (
        "sys.exit('twisted.internet.reactor' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def accepts(path: Path) -> bool:
    """Whether somebody listens on this unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


class Page:
    """The web page of examples/embedded.py, as curl sees it."""

    def __init__(self, site: Site, path: Path) -> None:
        self._site = site
        self._path = str(path)

    async def asks(self, request: str) -> str:
        """What the page answers."""
        talk = Talk()
        self._site.clients.append(talk)
        await connectProtocol(UNIXClientEndpoint(reactor, self._path), talk)
        talk.says(f"{request} HTTP/1.0\r\n\r\n".encode())
        await talk.ends("eof")
        talk.closes()
        return talk.heard.partition(b"\r\n\r\n")[2].decode()


@pytest_twisted.ensureDeferred
async def test_the_example_shows_and_drains_servers_on_a_page(site: Site, tmp_path: Path) -> None:
    port = site.serve("127.0.0.2", "127.0.0.3")
    text = CONFIGURATION.format(port=port, **PLAIN)
    page = Page(site, tmp_path / "web")
    both = example("embedded.py").program(reactor, text, f"unix:{tmp_path / 'web'}")
    both.startService()
    site.balancer = next(iter(both))
    client = await site.client("in")
    await site.hosts[0].talk()
    assert await page.asks("GET /") == (
        "pool/zebra up ready 1 sessions\npool/ant up ready 0 sessions\n"
    )
    assert await page.asks("POST /pool/zebra/drain") == "done\n"
    await site.client("in", "127.0.0.9")
    await site.hosts[1].talk()
    client.closes()
    await (await site.hosts[0].talk()).ends("eof")
    site.hosts[0].talks[0].closes()
    await client.gone()
    await site.until(lambda: site.balancer.server("pool", "zebra").sessions == 0)
    assert await page.asks("GET /") == (
        "pool/zebra up drain 0 sessions\npool/ant up ready 1 sessions\n1 sessions ended: done\n"
    )
    await both.stopService()


@pytest_twisted.ensureDeferred
async def test_the_example_runs_until_the_process_is_told_to_stop(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "lb.toml").write_text(CONFIGURATION.format(port=9, **PLAIN))
    argv = [sys.executable, ROOT / "examples" / "embedded.py", "lb.toml", "unix:web"]
    process = subprocess.Popen(argv, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    try:
        await site.until(lambda: accepts(tmp_path / "web"))
        assert "pool/ant up ready" in await Page(site, tmp_path / "web").asks("GET /")
        process.send_signal(signal.SIGTERM)
        await site.until(lambda: process.poll() is not None)
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


# -- in front of an endpoint -----------------------------------------------------------------------

TRUSTING = r"lb:tcp\:0\:interface\=127.0.0.1:trusted=127.0.0.0/8"
SOURCE, REACHED = Address("192.0.2.7", 50000), Address("198.51.100.1", 21)
HEADER = encode_v1(SOURCE, REACHED)


class Behind:
    """A Twisted server behind `lb:`, and a client that plays the balancer."""

    def __init__(self, site: Site, protocol: Callable[[], Talk] = Talk) -> None:
        self.site = site
        self.host = Host("127.0.0.1", protocol)
        self.port: IListeningPort

    async def listen(self, description: str = TRUSTING, factory: Factory | None = None) -> Behind:
        endpoint = serverFromString(reactor, description)
        self.port = self.host.port = await endpoint.listen(factory or self.host)
        self.site.hosts.append(self.host)
        return self

    async def connect(self, talk: Talk | None = None) -> Talk:
        talk = talk or Talk()
        self.site.clients.append(talk)
        at = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port)
        return await connectProtocol(at, talk)


@pytest_twisted.ensureDeferred
async def test_a_server_behind_the_balancer_sees_the_client_and_its_session(site: Site) -> None:
    behind = await Behind(site).listen()
    client = await behind.connect()
    for byte in encode_v2(SOURCE, REACHED, [session_tlv("data", "a-7")], crc=True):
        client.says(bytes((byte,)))
    client.says(b"payload")
    server = await behind.host.talk()
    await server.hears(b"payload")
    assert (server.peer.host, server.peer.port) == ("192.0.2.7", 50000)
    assert server.transport.getPeer().host == "192.0.2.7"
    assert server.transport.getHost().port == 21
    told = IProxied(server.transport)
    assert (told.session, told.role, told.header.version) == ("a-7", "data", 2)
    server.says(b"answer")
    await client.hears(b"answer")
    client.shuts()
    await server.ends("eof")
    server.closes()
    await client.ends("eof")


@pytest_twisted.ensureDeferred
async def test_what_the_balancer_logs_is_what_the_server_behind_it_is_told(site: Site) -> None:
    behind = await Behind(site).listen()
    rule = ServerRule("a", "127.0.0.1", send_proxy="v2")
    port = RoleRule(server_port=behind.port.getHost().port)
    site.start(
        Settings(
            (Frontend("in", listen=(Address("127.0.0.1", 0),), group="g", role="terminal"),),
            {"g": Group("g", "pool", roles={"terminal": port})},
            {"pool": backend("pool", servers=(rule,))},
            LIMITS,
        )
    )
    client = await site.client("in", "127.0.0.9")
    client.says(b"hello")
    server = await behind.host.talk()
    await server.hears(b"hello")
    assert server.transport.getPeer().host == "127.0.0.9"
    assert server.transport.getHost().port == site.balancer.address("in").port
    told = IProxied(server.transport)
    server.closes()
    await client.ends("eof")
    client.closes()
    await site.until(lambda: bool(site.endings(ConnectionEnded)))
    [fact] = [fact for fact in site.facts if isinstance(fact, ConnectionEnded)]
    assert (told.session, told.role, told.unique_id) == (fact.session, "terminal", fact.connection)


@pytest_twisted.ensureDeferred
async def test_the_application_hears_nothing_before_the_header_is_whole(site: Site) -> None:
    """Attack 16: no banner goes out to whoever has not said who he is."""
    behind = await Behind(site).listen(TRUSTING + ":timeout=0.2")
    client = await behind.connect()
    client.says(HEADER[:-1])
    await client.gone()
    assert behind.host.talks == []


@pytest_twisted.ensureDeferred
async def test_who_sends_no_header_or_is_not_trusted_is_closed(site: Site) -> None:
    behind = await Behind(site).listen()
    client = await behind.connect()
    client.says(b"GET / HTTP/1.1\r\n\r\n")
    await client.gone()
    stranger = await Behind(site).listen(TRUSTING.replace("127.0.0.0", "10.0.0.0"))
    client = await stranger.connect()
    await client.until(lambda talk: bool(talk.ended))
    assert behind.host.talks == stranger.host.talks == []


@pytest_twisted.ensureDeferred
async def test_clients_that_reset_before_their_header_take_nobodys_place(site: Site) -> None:
    behind = await Behind(site).listen(TRUSTING + ":maxconn=1:timeout=60")
    for _ in range(3):
        client = await behind.connect()
        client.says(HEADER[:5])
        client.resets()
        await client.gone()
    client = Talk()
    while not behind.host.talks:  # until the server has seen that the last one is gone
        client = await behind.connect()
        client.says(HEADER)
        await site.until(lambda: bool(client.ended or behind.host.talks))  # noqa: B023
    (await behind.host.talk()).says(b"welcome")
    await client.hears(b"welcome")


class Gushing(Talk):
    """Sends LOTS as a producer, as fast as it is taken, and closes."""

    def connectionMade(self) -> None:
        self.paused = 0
        self._left = memoryview(LOTS)
        self._flowing = True
        self.transport.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        self._flowing = True
        while self._flowing and self._left:
            chunk, self._left = self._left[:65536], self._left[65536:]
            self.transport.write(bytes(chunk))
        if not self._left:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def pauseProducing(self) -> None:
        self.paused += 1
        self._flowing = False

    def stopProducing(self) -> None:
        self._flowing = False


@pytest_twisted.ensureDeferred
async def test_a_producer_is_held_back_by_a_client_that_reads_slowly(site: Site) -> None:
    behind = await Behind(site, Gushing).listen()
    client = await behind.connect()
    client.says(HEADER)
    client.transport.pauseProducing()
    server = await behind.host.talk()
    await site.until(lambda: server.paused > 0)
    client.transport.resumeProducing()
    await client.ends("eof")
    assert client.heard == LOTS


@pytest_twisted.ensureDeferred
async def test_a_forwarder_that_has_yet_to_dial_loses_nothing(site: Site) -> None:
    """Twisted's pauses its client at once, and cannot bear a byte before its server is there."""
    port = site.serve("127.0.0.2")
    behind = await Behind(site).listen(factory=ProxyFactory("127.0.0.2", port))
    client = await behind.connect()
    client.says(HEADER + b"first words")
    server = await site.hosts[0].talk()
    await server.hears(b"first words")
    server.says(b"answer")
    await client.hears(b"answer")
    server.closes()
    await client.ends("eof")
    await server.gone()


class Waiting(Talk):
    """Starts TLS when its connection stands."""

    options: CertificateOptions

    def connectionMade(self) -> None:
        self.transport.startTLS(self.options)


class Trusting(Talk):
    """A client that says the header, then speaks TLS and trusts this certificate."""

    def __init__(self, certificate: PrivateCertificate) -> None:
        super().__init__()
        self._certificate = certificate

    def connectionMade(self) -> None:
        self.says(HEADER)
        self.transport.startTLS(optionsForClientTLS("localhost", self._certificate))


@pytest.mark.parametrize("how", ["the factory is wrapped", "the protocol starts it"])
@pytest_twisted.ensureDeferred
async def test_tls_begins_after_the_header(site: Site, how: str) -> None:
    certificate = PrivateCertificate.loadPEM(self_signed("localhost"))
    if how == "the factory is wrapped":
        behind = Behind(site)
        wrapped = TLSMemoryBIOFactory(certificate.options(), False, behind.host)
        await behind.listen(factory=wrapped)
    else:
        secure = type("Secure", (Waiting,), {"options": certificate.options()})
        behind = await Behind(site, secure).listen()
    client = await behind.connect(Trusting(certificate))
    client.says(b"secret")
    server = await behind.host.talk()
    await server.hears(b"secret")
    assert IProxied(server.transport).getPeer().host == SOURCE.host
    server.says(b"answer")
    await client.hears(b"answer")
    server.closes()
    await client.gone()


@pytest_twisted.ensureDeferred
async def test_twistd_web_listens_on_it_and_serves(site: Site, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("hello")
    options = Options()
    options.parseOptions(["--listen", TRUSTING, "--path", str(tmp_path)])
    [service] = makeService(options).services
    assert isinstance(service.endpoint, BehindBalancer)
    behind = await Behind(site).listen(factory=service.factory)
    client = await behind.connect()
    client.says(HEADER + b"GET /index.html HTTP/1.0\r\n\r\n")
    await client.ends("eof")
    assert client.heard.endswith(b"\r\n\r\nhello")
