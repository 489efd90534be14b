"""The balancer in a process of its own, and what the benchmarks need around it."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import SystemRandom

SERVER = "127.0.0.2"
"""Where the benchmarks' own servers listen."""
FRONT = "127.0.0.1"
"""Where what is measured listens."""
DEADLINE = 30.0
"""Seconds for a process to end, and for any wait for a socket."""


@contextmanager
def running(config: str) -> Iterator[int]:
    """`twist lb-proxy` with this configuration: its process id."""
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "lb.toml"
        path.write_text(config)
        argv = [sys.executable, "-m", "twisted", "lb-proxy", "--config", str(path)]
        with process(argv, home) as pid:
            yield pid


@contextmanager
def process(argv: list[str], home: str | None = None) -> Iterator[int]:
    """A process of its own in this directory, ended afterwards: its id."""
    started = subprocess.Popen(argv, cwd=home, stdout=subprocess.DEVNULL)
    try:
        yield started.pid
    finally:
        started.terminate()
        try:
            started.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def free_port() -> int:
    """A port that nobody listens on now, above those that Linux gives out and those of FTP data."""
    while True:
        port = SystemRandom().randrange(61_000, 65_000)
        with suppress(OSError), socket.create_server((FRONT, port)):
            return port


def connect(port: int) -> socket.socket:
    """A client; the first one waits until somebody listens."""
    for _ in range(400):
        try:
            return socket.create_connection((FRONT, port))
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise SystemExit("what is measured does not listen")
