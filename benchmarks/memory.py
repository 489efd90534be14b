"""What an idle joined session costs: bytes of the balancer's memory for each, at 1,000 and 5,000.

    python -m benchmarks.memory [COUNT ...]

Starts `twist lb-proxy` in a process of its own, opens sessions through it to servers in this one,
says a word on each so that it is joined, and reads the balancer's resident memory. Printed for each
protocol and count: kilobytes in all, bytes for a session (against the memory before the first).
Kernel buffers are not in it; a session holds two descriptors of the balancer and two of ours.

With Python 3.11 and Twisted 26.10 on x86-64:

    opaque     1000 sessions    64212 kB   6987 bytes each
    opaque     5000 sessions    94744 kB   7650 bytes each
    ftp        1000 sessions    74752 kB  17862 bytes each
    ftp        5000 sessions   147724 kB  18517 bytes each

Of an opaque session about 3 kB are Twisted's two transports and their sockets. Of an FTP session
4 kB came with FTPS: what is agreed on and who secures what is there in sessions without TLS, too.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.balancer import SERVER, connect, free_port, running

COUNTS = (1_000, 5_000)
GREETING = b"220 ready\r\n"
CONFIG = """
[[frontend]]
name = "front"
listen = "127.0.0.1:{port}"
protocol = "{protocol}"
backend = "back"
server_port = {server}
startups = "unlimited"

[[backend]]
name = "back"
check.type = "off"
server = [{{ name = "a", host = "{host}" }}]

[limits]
drain = "0s"

[log]
access = "off"
"""


def resident(pid: int) -> int:
    """Bytes of memory that the process holds."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def balancer(protocol: str, server: int) -> Iterator[tuple[int, int]]:
    """A balancer before our servers: its process id, and the port it listens on."""
    port = free_port()
    with running(CONFIG.format(port=port, protocol=protocol, server=server, host=SERVER)) as pid:
        yield pid, port


def session(protocol: str, port: int, listening: socket.socket) -> tuple[socket.socket, ...]:
    """Both outer ends of a session that is joined."""
    client = connect(port)
    server, _ = listening.accept()
    speaker, listener = (server, client) if protocol == "ftp" else (client, server)
    speaker.sendall(GREETING)
    assert listener.recv(100) == GREETING
    return client, server


def measure(protocol: str, counts: tuple[int, ...]) -> None:
    """Print one line for each count."""
    listening = socket.create_server((SERVER, 0), backlog=100)
    with listening, balancer(protocol, listening.getsockname()[1]) as (pid, port):
        ends = [session(protocol, port, listening)]  # what the first one needs is not its own
        time.sleep(0.5)
        before = resident(pid)
        for count in counts:
            while len(ends) <= count:
                ends.append(session(protocol, port, listening))
            time.sleep(1)
            now = resident(pid)
            each = (now - before) // count
            print(f"{protocol:8} {count:6} sessions {now // 1024:8} kB {each:6} bytes each")
        for end in [end for both in ends for end in both]:
            end.close()


def main() -> None:
    """Measure all protocols at these counts."""
    counts = tuple(sorted(int(word) for word in sys.argv[1:])) or COUNTS
    for protocol in ("opaque", "ftp"):
        measure(protocol, counts)


if __name__ == "__main__":
    main()
