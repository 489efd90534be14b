"""What the balancer's own sockets hold, by the kernel's table of them."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from tests.loopback.parties import Party


def _queues(local: tuple[str, int], peer: tuple[str, int]) -> tuple[int, int]:
    """What a socket of this namespace has to send, and has to read, by the kernel's own table."""
    wanted = [_as_listed(local), _as_listed(peer)]
    for line in Path("/proc/thread-self/net/tcp").read_text().splitlines():
        fields = line.split()
        if fields[1:3] == wanted:
            sends, reads = fields[4].split(":")
            return int(sends, 16), int(reads, 16)
    raise AssertionError(f"no socket {local} ─ {peer}")


def _as_listed(address: tuple[str, int]) -> str:
    [number] = struct.unpack("=I", socket.inet_aton(address[0]))
    return f"{number:08X}:{address[1]:04X}"


def our_queues(party: Party) -> tuple[int, int]:
    """What the balancer's socket towards this party has to send, and has to read."""
    return _queues(party.sock.getpeername(), party.sock.getsockname())
