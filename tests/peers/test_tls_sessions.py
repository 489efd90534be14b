"""A proxy that nobody here wrote, TLS passed through: stunnel, whose clients resume TLS sessions.

Two clients behind one address are apart, and each one's control and data channels are on one
server, by nothing but what the server gave and the client shows again. TLS 1.3 gives nothing.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.certificates import Authority
from tests.loopback.site import LIMITS, PATIENCE, Site, Talk, backend
from tests.peers import environment, program
from tests.peers.ready import until_it_accepts
from twisted_lb.config.settings import Frontend, FrontendTls, Group, RoleRule, Settings
from twisted_lb.facts import ConnectionEnded
from twisted_lb.terms import Address

pytestmark = pytest.mark.peers

PROXIES = ("127.0.0.5", "127.0.0.6")
USERS = ("alice", "bob")
HERE = (Address("127.0.0.1", 0),)
BY_ID = "sslVersionMax = TLSv1.2\noptions = NO_TICKET"
BY_TICKET = "sslVersionMax = TLSv1.2\noptions = -NO_TICKET"
BOTH = pytest.mark.parametrize("options", [BY_ID, BY_TICKET], ids=["id", "ticket"])


class Answers(Talk):
    """What stands behind a proxy: answers a line, so that its sender knows who came through."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if self.heard.endswith(b"\n"):
            self.says(b"ok\n")


@contextmanager
def stunnel(host: str, port: int, behind: int, options: str, place: Path) -> Iterator[None]:
    """A TLS server on this address, in front of the port of that number; its keys are its own."""
    place.mkdir()
    (place / "server.pem").write_bytes(Authority().sign("front.example"))
    (place / "stunnel.conf").write_text(
        f"foreground = yes\npid =\n[proxy]\naccept = {host}:{port}\nconnect = {host}:{behind}\n"
        f"cert = {place}/server.pem\n{options}\n"
    )
    log = place / "stunnel.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program("stunnel4"), place / "stunnel.conf"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(),
        )
    try:
        until_it_accepts((host, port), process, log)
        yield
    finally:
        process.kill()
        process.wait()


def a_free_port() -> int:
    """One that both proxies can have."""
    with socket.create_server((PROXIES[0], 0)) as first:
        port: int = first.getsockname()[1]
        with socket.create_server((PROXIES[1], port)):
            return port


def by_tls_session(port: int) -> Settings:
    """Control opens sessions, data joins them; all channels go to one port of the proxies."""
    roles = {"control": RoleRule(True, port, opens=True), "data": RoleRule(False, port)}
    return Settings(
        frontends=tuple(
            Frontend(role, HERE, group="users", role=role, tls=FrontendTls("pass"))
            for role in roles
        ),
        groups={"users": Group("users", "proxies", ("tls-session",), roles=roles)},
        backends={"proxies": backend("proxies", *PROXIES)},
        limits=LIMITS,
    )


@attrs.define
class Client:
    """One user's TLS client: keeps the TLS session that it was given, and resumes it."""

    name: str
    site: Site
    context: ssl.SSLContext
    given: ssl.SSLSession | None = None
    channels: list[ssl.SSLSocket] = attrs.field(factory=list)

    @property
    def has_ticket(self) -> bool:
        """Whether it will resume by a ticket; else by an id."""
        return self.given is not None and self.given.has_ticket

    async def opens(self, role: str) -> bool:
        """A channel of this role, on which the user says who he is; whether it was resumed."""
        at = self.site.balancer.address(role)
        return await deferToThread(self._open, (at.host, at.port), role)

    def _open(self, at: tuple[str, int], role: str) -> bool:
        plain = socket.create_connection(at, PATIENCE)
        channel = self.context.wrap_socket(plain, session=self.given)
        self.channels.append(channel)
        channel.sendall(f"{self.name} {role}\n".encode())
        assert channel.recv(3) == b"ok\n"
        self.given = channel.session  # a ticket of TLS 1.3 comes behind the handshake
        return bool(channel.session_reused)


@attrs.define
class Stage:
    """Two proxies, the balancer before them, and its clients."""

    site: Site
    place: Path
    clients: list[Client] = attrs.field(factory=list)

    def client(self, name: str) -> Client:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.clients.append(Client(name, self.site, context))
        return self.clients[-1]

    def reached(self) -> dict[str, set[str]]:
        """User → the proxies that his channels came through."""
        reached: dict[str, set[str]] = {}
        for host in self.site.hosts:
            for talk in filter(lambda talk: talk.heard, host.talks):
                reached.setdefault(talk.heard.split()[0].decode(), set()).add(host.host)
        return reached

    def refused(self) -> list[str]:
        """How channels ended that no proxy heard of."""
        told = [fact for fact in self.site.facts if isinstance(fact, ConnectionEnded)]
        return [fact.ending for fact in told if not fact.server]


@pytest_twisted.async_yield_fixture()
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(Site(), tmp_path)
    yield stage
    for client in stage.clients:
        for channel in client.channels:
            channel.close()
    await stage.site.stop()


@contextmanager
def proxies(stage: Stage, options: str) -> Iterator[None]:
    """Both, and the balancer."""
    port, behind = a_free_port(), stage.site.serve(*PROXIES, protocol=Answers)
    one, other = (stunnel(host, port, behind, options, stage.place / host) for host in PROXIES)
    with one, other:
        stage.site.start(by_tls_session(port))
        yield


@BOTH
@pytest_twisted.ensureDeferred
async def test_control_and_data_of_a_client_are_together_and_two_clients_apart(
    stage: Stage, options: str
) -> None:
    """Proxies share no keys: a channel that went astray could not resume."""
    with proxies(stage, options):
        alice, bob = (stage.client(name) for name in USERS)
        assert [await client.opens("control") for client in (alice, bob)] == [False, False]
        assert {client.has_ticket for client in (alice, bob)} == {options == BY_TICKET}
        for client in (alice, bob, bob, alice):
            assert await client.opens("data")
        reached = stage.reached()
        assert set.union(*reached.values()) == set(PROXIES)
        assert [len(reached[name]) for name in USERS] == [1, 1]
        assert stage.refused() == []


@BOTH
@pytest_twisted.ensureDeferred
async def test_another_control_channel_that_resumes_is_of_the_same_session(
    stage: Stage, options: str
) -> None:
    with proxies(stage, options):
        alice = stage.client("alice")
        resumed = [await alice.opens("control") for _ in range(3)]
        assert resumed == [False, True, True]
        assert len(stage.reached()["alice"]) == 1


@BOTH
@pytest_twisted.ensureDeferred
async def test_data_that_resumes_nothing_is_refused(stage: Stage, options: str) -> None:
    with proxies(stage, options):
        await stage.client("alice").opens("control")
        with pytest.raises(OSError):
            await stage.client("bob").opens("data")
        await stage.site.until(lambda: bool(stage.refused()))
        assert stage.refused() == ["unkeyed"]
        assert set(stage.reached()) == {"alice"}


@pytest_twisted.ensureDeferred
async def test_of_tls_1_3_nothing_is_learned_and_data_is_refused(stage: Stage) -> None:
    """The client resumes, and shows an identity that nobody could have seen."""
    with proxies(stage, "sslVersionMin = TLSv1.3"):
        alice = stage.client("alice")
        await alice.opens("control")
        assert alice.has_ticket
        with pytest.raises(OSError):
            await alice.opens("data")
        await stage.site.until(lambda: bool(stage.refused()))
        assert stage.refused() == ["unkeyed"]
