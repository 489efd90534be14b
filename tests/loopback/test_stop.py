"""Stopping drains: nobody new, those who are in may end by themselves until the deadline, and
nothing is left. Starting is all or nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import deferLater

from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftp_talks import begin
from tests.loopback.site import Site
from tests.loopback.streams import small_window
from tests.loopback.test_opaque import one_frontend
from tests.loopback.test_slow import hellos
from twisted_lb.config.settings import Frontend, FrontendTimeout, Limits, Settings
from twisted_lb.facts import Announced, ConnectionEnded, SessionEnded
from twisted_lb.listeners import CannotListen
from twisted_lb.service import FLUSH, balancer
from twisted_lb.terms import Address


def patient(settings: Settings, drain: float) -> Settings:
    """The same, with so many seconds to drain."""
    return attrs.evolve(settings, limits=Limits(drain=drain))


def standing() -> set[object]:
    """What the reactor has to do."""
    readers = {each for each in reactor.getReaders() if "Waker" not in type(each).__name__}
    return readers | set(reactor.getWriters()) | set(reactor.getDelayedCalls())


async def joined(site: Site, number: int = 1) -> Any:
    """A client that has reached its server."""
    client = await site.client("in")
    client.says(b"hello")
    server = await site.hosts[0].talk(number)
    await server.hears(b"hello")
    return client, server


def stops(site: Site) -> Deferred[None]:
    stopping: Deferred[None] = site.balancer.stopService()
    return stopping


def told(site: Site) -> list[str]:
    return [fact.what for fact in site.facts if isinstance(fact, Announced)]


# -- stopping --------------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_stop_refuses_newcomers_and_waits_for_those_who_are_in(site: Site) -> None:
    site.start(patient(one_frontend(site.serve("127.0.0.2"), "127.0.0.2"), 30.0))
    at = site.balancer.address("in")
    client, server = await joined(site)
    stopping = stops(site)
    await site.until(lambda: "draining" in told(site))
    with pytest.raises(ConnectionRefusedError):
        await site.connect(at)
    site.clients.pop()
    client.says(b", still here")
    await server.hears(b"hello, still here")
    assert not stopping.called
    client.closes()
    server.closes()
    await stopping
    assert site.endings(ConnectionEnded) == site.endings(SessionEnded) == ["done"]
    assert told(site) == ["relay", "listening", "draining", "stopped"]


@pytest_twisted.ensureDeferred
async def test_a_stop_waits_for_a_transfer_whose_control_connection_has_gone(
    ftp_site: FtpSite,
) -> None:
    """T83: the upload has the session's grace, also while the balancer stops."""
    port = ftp_site.serve_ftp("127.0.0.2")
    ftp_site.start(patient(ftp(port, "127.0.0.2", grace=30.0), 30.0))
    client, server = await ftp_site.session()
    near, far = await begin(client, server, "STOR a")
    near.says(b"half")
    await far.hears(b"half")
    server.says(b"226 Done as far as I am concerned\r\n")
    await client.replies(226)
    client.closes()
    await client.gone()
    stopping = stops(ftp_site)
    await ftp_site.until(lambda: "draining" in told(ftp_site))
    near.says(b", whole")
    await far.hears(b"half, whole")
    assert not stopping.called
    near.closes()
    await far.until(lambda talk: bool(talk.ended))
    far.closes()
    await server.until(lambda talk: bool(talk.ended))
    server.closes()
    began = reactor.seconds()
    await stopping
    assert reactor.seconds() - began < 5
    assert ftp_site.endings(SessionEnded) == ["client-left"]


@pytest_twisted.ensureDeferred
async def test_at_the_deadline_the_rest_is_drained(site: Site) -> None:
    site.start(patient(one_frontend(site.serve("127.0.0.2"), "127.0.0.2"), 0.2))
    client, server = await joined(site)
    began = reactor.seconds()
    await stops(site)
    assert 0.15 < reactor.seconds() - began < 3
    await client.ends("reset")
    await server.ends("reset")
    assert site.endings(ConnectionEnded) == site.endings(SessionEnded) == ["drained"]


@pytest_twisted.ensureDeferred
async def test_a_second_signal_ends_the_wait(site: Site) -> None:
    site.start(patient(one_frontend(site.serve("127.0.0.2"), "127.0.0.2"), 3_600.0))
    client, _ = await joined(site)
    stopping = stops(site)
    await site.until(lambda: "draining" in told(site))
    await deferLater(reactor, 0)
    site.balancer.end_now()
    await stopping
    await client.ends("reset")
    assert site.endings(ConnectionEnded) == ["killed"]


@pytest_twisted.ensureDeferred
async def test_a_stop_with_nobody_in_takes_no_time(site: Site) -> None:
    site.start(patient(one_frontend(site.serve("127.0.0.2"), "127.0.0.2"), 3_600.0))
    await stops(site)
    assert told(site) == ["relay", "listening", "draining", "stopped"]


@pytest_twisted.ensureDeferred
async def test_lingering_sessions_do_not_hold_a_stop_up(site: Site) -> None:
    settings = one_frontend(site.serve("127.0.0.2"), "127.0.0.2", linger=600.0)
    site.start(patient(settings, 3_600.0))
    client, server = await joined(site)
    client.closes()
    server.closes()
    await site.until(lambda: not site.balancer.stories)
    assert site.endings(SessionEnded) == []
    await stops(site)
    assert site.endings(SessionEnded) == ["drained"]


@pytest_twisted.ensureDeferred
async def test_nothing_of_a_stopped_balancer_is_left_in_the_reactor(site: Site) -> None:
    """Connections in every stage: reading its hello, joined, lingering."""
    settings = hellos(site.serve("127.0.0.2"))
    timeout = FrontendTimeout(opening=600.0)
    hello = attrs.evolve(settings.frontends[0], name="hello", timeout=timeout)
    plain = Frontend("in", (Address("127.0.0.1", 0),), group="in")
    before = standing()  # the server's listener among it
    site.start(attrs.evolve(settings, frontends=(hello, plain)))
    await site.client("hello")
    await joined(site)
    site.balancer.end_now()
    await stops(site)
    for talk in (*site.clients, *site.hosts[0].talks):
        await talk.gone()
    assert standing() - before == set()
    assert site.endings(ConnectionEnded) == ["killed", "killed"]


@pytest_twisted.ensureDeferred
async def test_a_client_that_does_not_read_its_last_words_is_cut_off_in_the_end(
    ftp_site: FtpSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack 11: neither side of a conversation can hold a stop up."""
    monkeypatch.setattr("twisted_lb.service.FLUSH", 0.3)
    port = ftp_site.serve("127.0.0.2")
    ftp_site.start(ftp(port, "127.0.0.2"))
    client = await ftp_site.client("ftp")
    small_window(client)
    client.transport.pauseProducing()
    server = await ftp_site.hosts[0].talk()
    server.says(b"220 hello\r\n" + b"200 and on\r\n" * 400_000)
    await ftp_site.until(lambda: any(story.seat for story in ftp_site.balancer.stories))
    await deferLater(reactor, 0.2)
    began = reactor.seconds()
    await stops(ftp_site)
    assert reactor.seconds() - began < 0.3 * 2 + 2
    assert not ftp_site.balancer.stories
    assert FLUSH > 1


# -- starting --------------------------------------------------------------------------------------


@pytest.fixture
def busy() -> Iterator[Address]:
    """A port of somebody else."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield Address(*other.getsockname())


@pytest.mark.parametrize("start", ["startService", "privilegedStartService"])
@pytest_twisted.ensureDeferred
async def test_a_start_fails_on_a_busy_port_with_nothing_left_listening(
    busy: Address, start: str
) -> None:
    before = standing()
    settings = one_frontend(1, "127.0.0.2")
    free = settings.frontends[0]
    taken = attrs.evolve(free, name="taken", listen=(busy,))
    service = balancer(attrs.evolve(settings, frontends=(free, taken)), reactor)
    with pytest.raises(CannotListen, match=f"frontend taken: cannot listen on {busy}: Address al"):
        getattr(service, start)()
    assert service.listening == []
    assert await deferLater(reactor, 0, standing) - before == set()


# -- the process -----------------------------------------------------------------------------------

CONFIG = """
[[frontend]]
name = "in"
listen = "127.0.0.1:{port}"
backend = "back"
server_port = {server}

[[backend]]
name = "back"
check.type = "off"
server = [{{ name = "a", host = "127.0.0.2" }}]

[limits]
drain = "{drain}"

[log]
access = "{log}"
"""


@contextmanager
def twistd(
    tmp_path: Path, server: int, drain: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`twistd lb-proxy`, and the port it listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "access.log"
    config = tmp_path / "lb.toml"
    config.write_text(CONFIG.format(port=port, server=server, drain=drain, log=log))
    argv = [sys.executable, "-m", "twisted", "lb-proxy", "--config", str(config)]
    process = subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield process, port
    finally:
        process.kill()
        process.communicate()


@pytest_twisted.ensureDeferred
async def test_sigterm_drains_and_a_second_one_ends_at_once(site: Site, tmp_path: Path) -> None:
    server_port = site.serve("127.0.0.2")
    log = tmp_path / "access.log"
    with twistd(tmp_path, server_port, "1h") as (process, port):
        await site.until(lambda: log.exists() and b"listening" in log.read_bytes(), 30.0)
        client = await site.connect(Address("127.0.0.1", port))
        client.says(b"hello")
        server = await site.hosts[0].talk()
        await server.hears(b"hello")
        os.kill(process.pid, signal.SIGHUP)
        os.kill(process.pid, signal.SIGTERM)
        await site.until(lambda: b"draining" in log.read_bytes())
        server.says(b"still served")
        await client.hears(b"still served")
        assert process.poll() is None
        os.kill(process.pid, signal.SIGTERM)
        await client.ends("reset")
        await site.until(lambda: process.poll() is not None)
        assert process.returncode == 0
        assert b'"killed"' in log.read_bytes()


@pytest_twisted.ensureDeferred
async def test_a_process_that_cannot_listen_ends_with_one_line(
    site: Site, tmp_path: Path, busy: Address
) -> None:
    config = tmp_path / "lb.toml"
    config.write_text(CONFIG.format(port=busy.port, server=1, drain="1s", log="off"))
    twistd = "import sys; from twisted.scripts.twistd import run; sys.argv[0] = 'twistd'; run()"
    for program in (("-m", "twisted"), ("-c", twistd, "--nodaemon")):
        done = subprocess.run(
            [sys.executable, *program, "lb-proxy", "--config", str(config)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 1, (program, done)
        assert (
            f"frontend in: cannot listen on {busy}: Address already in use"
            in done.stderr + done.stdout
        )
        assert "Traceback" not in done.stderr + done.stdout
