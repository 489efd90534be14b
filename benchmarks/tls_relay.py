"""What it costs to end TLS and pass on what was inside: CPU seconds for a GiB, and MiB a second.

    python benchmarks/tls_relay.py [MIB [TIMES]]

One connection at a time, up (what the client says is decrypted) and down (what the server says is
encrypted), through

    lb-proxy    as it is: Twisted's TLS over memory BIOs, our relay, a reactor
    in clear    the same without TLS
    memory N    OpenSSL with memory BIOs and nothing else, blocking, reading N KiB at once
    socket N    OpenSSL on the socket itself, blocking, reading N KiB at once

each in a process of its own, whose CPU time is what the kernel counts. `gathered` passes on what
several records held in one call. The ways take turns; printed are
medians, and of CPU seconds the least and the most. Client and server are in one process and share
the machine with what is measured: the CPU seconds are the figure to go by.

With Python 3.11, Twisted 26.10 and OpenSSL 4.0 on x86-64 with two cores, TLS 1.3, AES-256-GCM, on a
machine that others used, too:

                             up: CPU s/GiB  MiB/s      down: CPU s/GiB  MiB/s
    lb-proxy             3.21 (2.34-3.54)    256    3.55 (2.84-3.99)    244
    in clear             1.60 (1.38-1.90)    500    1.51 (1.39-2.00)    453
    memory 16            2.55 (2.04-2.73)    313    2.37 (2.18-2.48)    336
    memory 64            1.96 (1.65-2.43)    375    2.23 (1.88-2.53)    367
    memory 256           1.97 (1.33-2.04)    432    1.85 (1.69-2.19)    426
    memory 64 gathered   2.08 (1.49-2.14)    418    1.81 (1.45-2.04)    466
    memory 256 gathered  1.75 (1.56-1.80)    540    2.76 (2.33-2.84)    347
    socket 16            1.73 (1.42-1.90)    473    1.70 (1.57-1.91)    500
    socket 64            1.71 (1.49-1.87)    440    1.62 (1.26-1.93)    427
    socket 256           1.65 (1.61-1.80)    400    1.55 (1.17-1.67)    465
    socket 64 gathered   1.44 (1.39-1.75)    439    1.81 (1.30-1.92)    463
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
from pathlib import Path

from balancer import DEADLINE, FRONT, SERVER, connect, free_port, process, running

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
    program = str(Path(__file__).with_name("bare_tls.py"))
    direction = "up" if up else "down"
    return process([sys.executable, program, way, direction, pem, str(port), str(server)])


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
