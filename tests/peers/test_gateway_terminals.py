"""Real terminals through tunnel, balancer and two security proxies: s3270 to hercules, telnet to a
telnetd. The balancer passes TLS through, or ends it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Lock, Timer

import pytest
import pytest_twisted
from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread

from tests.loopback.gateways import Gateways
from tests.loopback.test_gateway_balanced import (
    astray,
    balanced,
    channels,
    ended_at_the_balancer,
    gone,
    two_proxies,
)
from tests.peers import ROOT, environment, program
from tests.peers.ready import accepted
from twisted_lb.gateway.settings import Local
from twisted_lb.terms import Address

pytestmark = pytest.mark.peers

HERE = "127.0.0.1"
HERCULES = """\
MODPATH {modules}
MAINSIZE 16
NUMCPU 1
ARCHMODE S/370
CNSLPORT {host}:{port}
0700 3270
0701 3270
0702 3270
0703 3270
"""
INETD = """\
import socket, subprocess, sys
listening = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True:
    client, _ = listening.accept()
    command = [sys.argv[3], "-E", "/bin/sh host.sh"]
    subprocess.Popen(command, stdin=client, stdout=client, stderr=client)
    client.close()
"""
"""telnetd wants to be started for each connection."""
KEYS = pytest.mark.parametrize("key", ["alpn", "opening"])
"""What the balancer knows sessions by: the ClientHello, or what is said when it has ended TLS."""
LOGO = "My PC thinks it's a MAINFRAME"


@pytest_twisted.async_yield_fixture()
async def gateways(tmp_path: Path) -> AsyncIterator[Gateways]:
    site = Gateways(tmp_path)
    yield site
    await site.stop()


def libraries() -> dict[str, str]:
    """Hercules keeps its own beside its modules."""
    told = environment()
    modules = [str(ROOT / "usr/lib/hercules"), str(ROOT / "usr/lib")]
    return {**told, "LD_LIBRARY_PATH": ":".join([*modules, told["LD_LIBRARY_PATH"]])}


@contextmanager
def host(place: Path, *command: str | Path) -> Iterator[None]:
    """A program that serves until the end of the test."""
    with (place / "host.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=libraries(), cwd=place, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


def listens(port: int) -> None:
    """Wait for the host; the connection is closed again."""
    deadline = time.monotonic() + 20
    while not accepted((HERE, port)):
        assert time.monotonic() < deadline, "the host does not listen"
        time.sleep(0.05)


def free_port() -> int:
    with socket.create_server((HERE, 0)) as free:
        return int(free.getsockname()[1])


class Emulators:
    """Two 3270 users of one host at the same time. Each connects once the other has its screen:
    hercules 3.13 hands the thread of a new connection the address of a variable that its next
    accept overwrites (its log then says: DBG022: recv: Bad file descriptor)."""

    def __init__(self) -> None:
        self._connecting = Lock()
        self._both = Barrier(2, timeout=30)

    def screen(self, at: Address) -> str:
        """What an emulator shows; it stays until the other has seen its own."""
        with subprocess.Popen(
            [program("s3270")],
            env=libraries(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as emulator:
            # A host that takes the connection and says nothing would keep s3270 for ever.
            deadline = Timer(30, emulator.kill)
            deadline.start()
            try:
                with self._connecting:
                    shown = answers(emulator, at)
                self._both.wait()
            finally:
                deadline.cancel()
                emulator.kill()
        return shown


def answers(emulator: subprocess.Popen[str], at: Address) -> str:
    """What s3270 prints until it shows its screen; each answer ends with ok or error."""
    assert emulator.stdin is not None
    assert emulator.stdout is not None
    emulator.stdin.write(f"Connect({at.host}:{at.port})\nWait(10,Output)\nAscii()\n")
    emulator.stdin.flush()
    shown = ""
    for _ in range(3):
        while (line := emulator.stdout.readline()) not in ("ok\n", "error\n", ""):
            shown += line
    return shown


def says(at: Address) -> str:
    """What a telnet client shows until its host has spoken."""
    command = [program("inetutils-telnet"), at.host, str(at.port)]
    with subprocess.Popen(
        command, env=libraries(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as telnet:
        assert telnet.stdout is not None
        shown = ""
        while "hello" not in shown and (line := telnet.stdout.readline()):
            shown += line
        telnet.kill()
        return shown


async def through(
    gateways: Gateways, key: str, port: int, look: Callable[[Address], str]
) -> list[str]:
    """What two users of one address see at once."""
    if key == "alpn":
        front = balanced(gateways, two_proxies(gateways))
    else:
        front = ended_at_the_balancer(gateways, key)
    tunnel = gateways.tunnel(front, Local("host", (Address(HERE, 0),), Address(HERE, port)))
    at = tunnel.address("host")
    return list(await gatherResults([deferToThread(look, at) for _ in range(2)]))


async def together(gateways: Gateways) -> None:
    """Each terminal was a session of its own, and nothing went astray."""
    await gone(gateways)
    assert astray(gateways) == 0
    servers = list(channels(gateways).values())
    assert [len(each) for each in servers] == [1, 1]
    assert len(set.union(*servers)) == 2


@KEYS
@pytest_twisted.ensureDeferred
async def test_an_emulator_sees_the_mainframes_logo(
    gateways: Gateways, tmp_path: Path, key: str
) -> None:
    port = free_port()
    text = HERCULES.format(modules=ROOT / "usr/lib/hercules", host=HERE, port=port)
    (tmp_path / "hercules.cnf").write_text(text)
    with host(tmp_path, program("hercules"), "-d", "-f", "hercules.cnf"):
        log = tmp_path / "host.log"
        await gateways.until(lambda: "Waiting for console" in log.read_text(errors="replace"))
        for screen in await through(gateways, key, port, Emulators().screen):
            assert LOGO in screen
        await together(gateways)


@KEYS
@pytest_twisted.ensureDeferred
async def test_a_telnet_client_is_greeted_by_its_host(
    gateways: Gateways, tmp_path: Path, key: str
) -> None:
    port = free_port()
    (tmp_path / "inetd.py").write_text(INETD)
    # A host that exits with a reset may lose its last words; this one stays until it is left.
    (tmp_path / "host.sh").write_text("echo hello from telnetd\nread gone\n")
    command = [sys.executable, "inetd.py", HERE, str(port), program("telnetd")]
    with host(tmp_path, *command):
        await deferToThread(listens, port)
        for shown in await through(gateways, key, port, says):
            assert "hello from telnetd" in shown
        await together(gateways)
