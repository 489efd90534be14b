"""`twistd lb-proxy` without -n: it leaves whoever called it, and its lines have to go somewhere."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_twisted

from tests.loopback.site import Site
from twisted_lb.terms import Address

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

[log]
access = "{access}"
"""

CHECKOUT = Path(__file__).parents[2]
PATIENCE = 30.0
"""Seconds that a process may take to begin or to end."""


class Called:
    """The command line in a directory of its own, and what came of it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._pidfile = place / "pid"

    @property
    def running(self) -> bool:
        """Whether there is a process of it; twistd takes its pid file away at its end."""
        return self._pidfile.exists()

    def __call__(self, port: int, server: int, access: str) -> subprocess.CompletedProcess[str]:
        """Its end as its caller sees it: the pipes to it are closed, too."""
        text = CONFIG.format(port=port, server=server, access=access)
        (self.place / "lb.toml").write_text(text)
        twistd = Path(sys.executable).with_name("twistd")
        ours = (f"--pidfile={self._pidfile}", f"--logfile={self.place}/log", "--rundir=/")
        return subprocess.run(
            [twistd, *ours, "lb-proxy", "--config", "lb.toml"],
            cwd=self.place,
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def tell(self, number: signal.Signals) -> None:
        """A signal to the process in the background."""
        os.kill(int(self._pidfile.read_text()), number)


@pytest.fixture
def called(tmp_path: Path) -> Iterator[Called]:
    called = Called(tmp_path)
    yield called
    if called.running:
        called.tell(signal.SIGKILL)


@pytest.fixture
def port() -> int:
    """One that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        found: int = free.getsockname()[1]
    return found


@pytest_twisted.ensureDeferred
async def test_in_the_background_it_lets_its_caller_go_and_writes_its_file(
    site: Site, called: Called, port: int
) -> None:
    """Also after a rotation, wherever its working directory is."""
    server = site.serve("127.0.0.2")
    access = called.place / "access.log"
    done = called(port, server, "access.log")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    await site.until(lambda: access.exists() and b"listening" in access.read_bytes(), PATIENCE)
    client = await site.connect(Address("127.0.0.1", port))
    client.says(b"hello")
    talk = await site.hosts[0].talk()
    await talk.hears(b"hello")
    access.rename(called.place / "access.log.1")
    called.tell(signal.SIGUSR1)
    await site.until(access.exists)
    client.closes()
    talk.closes()
    await site.until(lambda: b'"connection-ended"' in access.read_bytes())
    called.tell(signal.SIGTERM)
    called.tell(signal.SIGTERM)
    await site.until(lambda: not called.running, PATIENCE)
    assert b'"stopped"' in access.read_bytes()


def test_lines_that_would_go_nowhere_fail_the_start_in_sight_of_its_caller(
    called: Called, port: int
) -> None:
    """It took the caller's standard output along: `$(twistd lb-proxy ...)` never ended."""
    done = called(port, 9, "stdout")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith('lb.toml: log.access: "stdout", the default, leads nowhere')
    assert not called.running
