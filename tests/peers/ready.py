"""Waiting for a program that was started: a port and a process in, back when it accepts."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

PATIENCE = 20.0
"""Seconds that a program gets to accept on its port."""


def until_it_accepts(
    address: tuple[str, int], process: subprocess.Popen[bytes], *logs: Path
) -> None:
    """Raises AssertionError, with the logs, when the program ends or its time is up."""
    deadline = time.monotonic() + PATIENCE
    while True:
        accepts, ended = accepted(address), process.poll() is not None
        if accepts and not ended:
            return
        told = "\n".join(log.read_text(errors="replace") for log in logs)
        assert not ended, f"{address}: the program has ended\n{told}"
        assert time.monotonic() < deadline, f"{address}: nobody accepts\n{told}"
        time.sleep(0.05)


def accepted(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, 1).close()
    except OSError:
        return False
    return True
