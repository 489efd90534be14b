"""Checks over real sockets: TLS as it is shaken, a process that is stopped, the PROXY header."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import pytest_twisted
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IOpenSSLContextFactory
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_lb.config.settings import BackendTls, Check
from twisted_lb.contexts import ServerTls
from twisted_lb.health.probes import Prober
from twisted_lb.health.target import Outcome, Target
from twisted_lb.tls import ClientContext

from ..certificates import NOW, Authority, self_signed

AUTHORITY = Authority()
TRUST = ServerTls(ClientContext(AUTHORITY.pem), BackendTls("on"))
HEADER = 16
"""Bytes of a PROXY header, version 2, that says LOCAL."""
TLS = Check(type="tls", timeout=5.0)


class Peer(Protocol):
    """A server's side: greets with what it is given, hears everything."""

    def __init__(self, greeting: bytes, secure: Identity | None) -> None:
        self.greeting = greeting
        self.secure = secure
        self.heard = b""
        self.over: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        if self.greeting:
            self.transport.write(self.greeting)

    def dataReceived(self, data: bytes) -> None:
        self.heard += data
        if self.secure is not None and len(self.heard) >= HEADER:
            identity, self.secure = self.secure, None
            hello, self.heard = self.heard[HEADER:], self.heard[:HEADER]
            self.transport.startTLS(identity)
            self.transport.protocol.dataReceived(hello)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.over.callback(None)


class Servers:
    """Servers that stand for one test."""

    def __init__(self) -> None:
        self.ports: list[IListeningPort] = []
        self.peers: list[Peer] = []

    def serve(self, pem: bytes = b"", greeting: bytes = b"", proxied: bool = False) -> int:
        """Serve on a port of the system's choice; with `proxied`, TLS begins after the header."""
        options = Identity(pem) if pem else None

        def made(address: object) -> Peer:
            self.peers.append(Peer(greeting, options if proxied else None))
            return self.peers[-1]

        factory = Factory()
        factory.noisy = False
        factory.buildProtocol = made  # type: ignore[assignment]
        if options is not None and not proxied:
            port = reactor.listenSSL(0, factory, options, interface="127.0.0.1")  # type: ignore[attr-defined]
        else:
            port = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.ports.append(port)
        return int(port.getHost().port)


@implementer(IOpenSSLContextFactory)
class Identity:
    """A server's key and certificate."""

    def __init__(self, pem: bytes) -> None:
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.use_privatekey(load_pem_private_key(pem, None))  # type: ignore[arg-type]
        self._context.use_certificate(load_pem_x509_certificate(pem))

    def getContext(self) -> SSL.Context:
        return self._context


@pytest_twisted.async_yield_fixture()
async def servers() -> AsyncIterator[Servers]:
    servers = Servers()
    yield servers
    for peer in servers.peers:
        await peer.over
    for port in servers.ports:
        await maybeDeferred(port.stopListening)


async def probed(check: Check, port: int, **more: Any) -> Outcome:
    prober = Prober(reactor)  # type: ignore[arg-type]
    return await prober(Target(check, port, **more), ("127.0.0.1",))


async def shaken(port: int, name: str = "front.example", **more: Any) -> Outcome:
    return await probed(TLS, port, name=name, tls=TRUST, **more)


class TestTls:
    @pytest_twisted.ensureDeferred
    async def test_the_right_name_from_a_trusted_authority(self, servers: Servers) -> None:
        outcome = await shaken(servers.serve(AUTHORITY.sign("front.example", days=9)))
        assert (outcome.ok, outcome.reason) == (True, "handshake done")
        assert outcome.expires == pytest.approx(NOW.timestamp() + 9 * 86400, abs=2)

    @pytest_twisted.ensureDeferred
    async def test_the_wrong_name(self, servers: Servers) -> None:
        outcome = await shaken(servers.serve(AUTHORITY.sign("other.example")))
        assert outcome == Outcome(
            False, "handshake: its certificate is for other.example, not for front.example"
        )

    @pytest_twisted.ensureDeferred
    async def test_an_unknown_authority(self, servers: Servers) -> None:
        outcome = await shaken(servers.serve(self_signed("front.example")))
        assert outcome == Outcome(
            False, "handshake: its certificate is signed by itself and not trusted"
        )

    @pytest_twisted.ensureDeferred
    async def test_a_server_that_speaks_no_tls(self, servers: Servers) -> None:
        outcome = await shaken(servers.serve(greeting=b"220 ftp ready\r\n"))
        assert not outcome.ok and outcome.reason.startswith("handshake: TLS failed: ")

    @pytest_twisted.ensureDeferred
    async def test_behind_a_proxy_header(self, servers: Servers) -> None:
        port = servers.serve(AUTHORITY.sign("front.example"), proxied=True)
        assert (await shaken(port, send_proxy="v2")).ok


class TestFtp:
    @pytest_twisted.ensureDeferred
    async def test_a_greeting_and_a_farewell(self, servers: Servers) -> None:
        port = servers.serve(greeting=b"220 ready\r\n")
        check = Check(type="ftp", timeout=0.5)
        assert (await probed(check, port)).ok
        assert servers.peers[0].heard == b"QUIT\r\n"


class TestTcp:
    @pytest_twisted.ensureDeferred
    async def test_nobody_listens(self, servers: Servers) -> None:
        port = servers.serve()
        await maybeDeferred(servers.ports.pop().stopListening)
        outcome = await probed(Check(type="tcp"), port)
        assert outcome == Outcome(False, "connect: Connection refused")


@pytest.fixture
def process() -> Iterator[Callable[[str], tuple[subprocess.Popen[bytes], int]]]:
    running: list[subprocess.Popen[bytes]] = []

    def start(code: str) -> tuple[subprocess.Popen[bytes], int]:
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        running.append(child)
        assert child.stdout is not None
        return child, int(child.stdout.readline())

    yield start
    for child in running:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


GREETER = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    with listener.accept()[0] as client:
        client.sendall(b"220 ready\\r\\n")
        client.recv(100)
"""


@pytest_twisted.ensureDeferred
async def test_a_stopped_server_is_found_by_the_ftp_check_and_not_by_tcp(
    process: Callable[[str], tuple[subprocess.Popen[bytes], int]],
) -> None:
    """Its kernel still completes connects: only its silence gives it away."""
    child, port = process(GREETER)
    ftp = Check(type="ftp", timeout=0.5)
    assert (await probed(ftp, port)).ok
    os.kill(child.pid, signal.SIGSTOP)
    assert os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT) is not None
    assert (await probed(Check(type="tcp"), port)).ok
    assert await probed(ftp, port) == Outcome(False, "greeting: no answer in 0.5 s")
