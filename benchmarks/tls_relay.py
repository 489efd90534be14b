"""What it costs to end TLS and pass on what was inside: CPU seconds for a GiB, and MiB a second.

    python -m benchmarks.tls_relay [MIB [TIMES]]

One connection at a time, up (what the client says is decrypted) and down (what the server says is
encrypted), through

    lb-proxy    as it is: Twisted's TLS over memory BIOs, our relay, a reactor
    in clear    the same without TLS
    memory N    OpenSSL with memory BIOs and nothing else, blocking, reading N KiB at once
    socket N    OpenSSL on the socket itself, blocking, reading N KiB at once

each in a process of its own, whose CPU time is what the kernel counts. `gathered` passes on what
several records held in one call; on a socket, down, there is nothing to gather. The ways take
turns; printed are medians, and of CPU seconds the least and the most. Client and server are in
one process and share the machine with what is measured: the CPU seconds are the figure to go by.

With Python 3.11, Twisted 26.10 and OpenSSL 4.0 on x86-64 with two cores, TLS 1.3, AES-256-GCM, on a
machine that others used, too:

                             up: CPU s/GiB  MiB/s      down: CPU s/GiB  MiB/s
    lb-proxy             3.30 (2.84-3.66)    237    3.10 (2.50-3.36)    279
    in clear             1.90 (1.26-1.96)    383    1.66 (1.29-1.88)    398
    memory 16            2.48 (1.84-2.71)    345    2.43 (1.74-2.53)    376
    memory 64            2.00 (1.56-2.18)    412    2.09 (1.94-2.31)    414
    memory 256           1.72 (1.49-2.05)    461    2.05 (1.79-2.30)    425
    memory 64 gathered   1.90 (1.50-2.17)    454    1.62 (1.43-1.95)    533
    memory 256 gathered  1.58 (1.34-1.84)    503    2.38 (2.18-3.20)    339
    socket 16            1.68 (1.51-1.93)    379    1.71 (1.54-1.88)    382
    socket 64            1.70 (1.27-1.92)    440    1.66 (1.50-1.79)    312
    socket 256           1.75 (1.51-2.12)    373    1.45 (1.15-1.58)    391
    socket 64 gathered   1.66 (1.61-1.79)    444    1.47 (1.46-2.01)    465

What follows from them: docs/decisions/tls-relay.md.
"""

from __future__ import annotations

import itertools
import socket
import ssl
import statistics
import sys
import tempfile
import threading
import time
from contextlib import AbstractContextManager, suppress
from ipaddress import IPv4Address

from benchmarks.balancer import DEADLINE, FRONT, SERVER, connect, free_port, process, running
from twisted_lb.demo.files import certified

MIB = 1 << 20
BLOCK = bytes(256 << 10)
WAYS = (
    *("lb-proxy", "in clear"),
    *("memory 16", "memory 64", "memory 256", "memory 64 gathered", "memory 256 gathered"),
    *("socket 16", "socket 64", "socket 256", "socket 64 gathered"),
)
CONFIG = """
[[frontend]]
name = "front"
listen = "{front}:{port}"
backend = "back"
server_port = {server_port}
{tls}

[[backend]]
name = "back"
check.type = "off"
server = [{{ name = "a", host = "{server}" }}]

[limits]
drain = "0s"

[log]
access = "off"
"""
TLS = 'tls = {{ mode = "terminate", certificate = [{{ file = "{pem}" }}] }}'
Figures = tuple[float, float]
"""CPU seconds of the relay, and seconds."""


def start(way: str, up: bool, pem: str, port: int, server: int) -> AbstractContextManager[int]:
    """This way in a process of its own: its id."""
    if way in ("lb-proxy", "in clear"):
        tls = TLS.format(pem=pem) if way == "lb-proxy" else ""
        about = {"front": FRONT, "port": port, "server": SERVER, "server_port": server}
        return running(CONFIG.format(tls=tls, **about))
    direction, program = "up" if up else "down", ("-m", "benchmarks.bare_tls")
    return process([sys.executable, *program, way, direction, pem, str(port), str(server)])


def measure(way: str, up: bool, pem: str, total: int) -> Figures:
    """So many bytes in one direction."""
    port = free_port()
    with (
        socket.create_server((SERVER, 0)) as listening,
        start(way, up, pem, port, listening.getsockname()[1]) as pid,
        dialled(port, way != "in clear") as client,
    ):
        server, _ = listening.accept()
        with server:
            began, spent = time.monotonic(), cpu(pid)
            move(client if up else server, server if up else client, total)
            return cpu(pid) - spent, time.monotonic() - began


def dialled(port: int, tls: bool) -> socket.socket:
    """A client, after its handshake."""
    client = connect(port)
    if not tls:
        return client
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(client)


def move(source: socket.socket, sink: socket.socket, total: int) -> None:
    """Through what is measured, from the first byte to the last."""

    def fill() -> None:
        with suppress(OSError):  # who reads tells what is wrong
            for _ in range(total // len(BLOCK)):
                source.sendall(BLOCK)

    filling = threading.Thread(target=fill, daemon=True)
    filling.start()
    room, left = bytearray(len(BLOCK)), total
    while left > 0:
        count = sink.recv_into(room)
        if not count:
            raise SystemExit(f"ended with {left} bytes to come")
        left -= count
    filling.join()


def cpu(pid: int) -> float:
    """Seconds that the process has used, by the clock of clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def main() -> None:
    """Measure all ways with so many MiB, so many times."""
    socket.setdefaulttimeout(DEADLINE)
    total = int((sys.argv[1:] or ["256"])[0]) * MIB
    times = int((sys.argv[2:] or ["5"])[0])
    found: dict[tuple[str, bool], list[Figures]] = {}
    with tempfile.NamedTemporaryFile(suffix=".pem") as pem:
        pem.write(certified("front", IPv4Address(FRONT), time.time()))
        pem.flush()
        for _, way, up in itertools.product(range(times), WAYS, (True, False)):
            found.setdefault((way, up), []).append(measure(way, up, pem.name, total))
    print(f"{'':20}{'up: CPU s/GiB':>18} {'MiB/s':>6} {'down: CPU s/GiB':>20} {'MiB/s':>6}")
    for way in WAYS:
        print(f"{way:20}{told(found[way, True], total)}   {told(found[way, False], total)}")


def told(figures: list[Figures], total: int) -> str:
    """CPU seconds for a GiB, the least and the most of them, and MiB a second."""
    spent = sorted(spent * (1 << 30) / total for spent, _ in figures)
    speed = total / MIB / statistics.median(seconds for _, seconds in figures)
    return f"{statistics.median(spent):5.2f} ({spent[0]:.2f}-{spent[-1]:.2f}) {speed:6.0f}"


if __name__ == "__main__":
    main()
