"""Balancers in processes of their own, one taking over from the other."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import SystemRandom
from typing import Any

import attrs

from tests.loopback.ftp_site import PASSIVE_PORTS
from twisted_lb.terms import Address

CONFIG = """
[[frontend]]
name = "echo"
listen = "127.0.0.1:{echo}"
backend = "echoes"
server_port = {echo_server}

[[frontend]]
name = "ftp"
listen = "127.0.0.1:{ftp}"
protocol = "ftp"
backend = "farm"
server_port = {ftp_server}
[frontend.ftp]
passive_ports = "{first}-{last}"

[[frontend]]
name = "together"
listen = "127.0.0.1:{together}"
group = "together"

[group.together]
backend = "echoes"
key = ["source"]
linger = "0s"
[group.together.role.any]
server_port = {echo_server}

[[backend]]
name = "echoes"
check.type = "off"
server = [{{ name = "a", host = "127.0.0.2" }}, {{ name = "b", host = "127.0.0.3" }}]

[[backend]]
name = "farm"
check.type = "off"
server = [{{ name = "a", host = "127.0.0.2" }}, {{ name = "b", host = "127.0.0.3" }}]

[limits]
drain = "{drain}"

[takeover]
socket = "{place}/takeover"

[admin]
socket = "{place}/admin"

[log]
access = "{log}"
"""


@attrs.define(eq=False)
class Serving:
    """One process, and what its access log says."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Of its access log, as far as it is written."""
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line[-1] == "\n"]

    def says(self, what: str) -> bool:
        """Whether it told this of itself."""
        return any(line.get("what") == what for line in self.lines)

    @property
    def endings(self) -> set[str]:
        """The words of everything that ended in it."""
        return {line["ending"] for line in self.lines if "ending" in line}


LISTENING = "00010000"
"""Linux's __SO_ACCEPTCON, as /proc/net/unix shows it."""


@attrs.define(eq=False)
class Line:
    """All processes of one balancer, from the first to the one that serves."""

    place: Path
    echo: Address
    ftp: Address
    together: Address
    """One session by source, of any number of connections."""
    servers: dict[str, int]
    drain: str = "1h"
    processes: list[Serving] = attrs.field(factory=list)

    @property
    def socket(self) -> Path:
        return self.place / "takeover"

    def listens(self) -> bool:
        """Whether a successor can connect: for a moment the socket is there, and only bound."""
        found = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
        return any(it[-1] == str(self.socket) and it[3] == LISTENING for it in found)

    @property
    def serves(self) -> Serving:
        """The last one that was begun."""
        return self.processes[-1]

    def begins(self, *options: str, text: str = "") -> Serving:
        """Start another one; `text` is added to its configuration."""
        number = len(self.processes)
        log, config = self.place / f"access{number}", self.place / f"{number}.toml"
        first, last = PASSIVE_PORTS
        settings = CONFIG.format(
            echo=self.echo.port,
            ftp=self.ftp.port,
            together=self.together.port,
            first=first,
            last=last,
            place=self.place,
            log=log,
            drain=self.drain,
            **self.servers,
        )
        config.write_text(settings + text)
        argv = (sys.executable, "-m", "twisted", "lb-proxy", "--config", str(config), *options)
        with (self.place / f"log{number}").open("wb") as output:
            process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT)
        self.processes.append(Serving(process, log))
        return self.serves

    def succeeds(self, text: str = "") -> Serving:
        """Start one that takes over."""
        return self.begins("--takeover", str(self.socket), text=text)

    def output(self, number: int) -> str:
        """What a process wrote on its terminal."""
        return (self.place / f"log{number}").read_text()


@contextmanager
def line_of(place: Path, echo: int, ftp: int, drain: str = "1h") -> Iterator[Line]:
    """A balancer's processes before these servers' ports; all are ended at the end."""
    at = free_addresses(3)
    line = Line(place, *at, {"echo_server": echo, "ftp_server": ftp}, drain)
    try:
        yield line
    finally:
        for each in line.processes:
            each.process.kill()
            each.process.wait()


def peer_line(connection: socket.socket) -> dict[str, Any]:
    """The next line that a process says on this socket; what it says with it is dropped."""
    text = b""
    connection.settimeout(10)
    while b"\n" not in text:
        data = connection.recv(65_536)
        assert data, "it has closed"
        text += data
    said: dict[str, Any] = json.loads(text.splitlines()[0])
    return said


def free_addresses(count: int) -> list[Address]:
    """Where nobody listens, and nobody's outgoing connection comes to be: below the ports that the
    system gives out."""
    found: list[Address] = []
    with ExitStack() as held:
        while len(found) < count:
            port = SystemRandom().randrange(26_000, 32_000)
            with suppress(OSError):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(Address("127.0.0.1", port))
    return found
