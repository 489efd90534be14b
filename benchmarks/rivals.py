"""Who is compared: where they live, and how they run.

All have timeouts, count and log to a file, as in production (`portforward` has none of that). Each
is one process, or a family of them, that serves all rows that it can.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks.balancer import DEADLINE, FRONT, SERVER, free_port
from benchmarks.machine import cpu, pin, pinned, resident
from tests.peers import environment
from tests.peers.ready import until_it_accepts

TLS_KINDS = ("ecdsa", "rsa")
TCP_KINDS = ("clear", *TLS_KINDS)
FTP_KINDS = ("ftp", "ftps")
DIRECT = "direct"


@attrs.frozen
class Place:
    """Where a rival lives: its directory, a port for each kind, the servers behind."""

    home: Path
    ports: Mapping[str, int]
    servers: Mapping[str, int]
    """The server's port for bytes (`clear`) and for FTP (`ftp`)."""
    certificates: Mapping[str, Path]
    most: int
    """Connections at one time."""
    passive: int
    """The first of a thousand ports for data connections, and of another thousand for FTPS."""

    def fill(self, text: str, **more: object) -> str:
        pems = {f"{kind}_pem": path for kind, path in self.certificates.items()}
        servers = {f"{kind}_server": port for kind, port in self.servers.items()}
        return text.format(home=self.home, front=FRONT, host=SERVER, most=self.most,
                           passive=self.passive, last_passive=self.passive + 999,
                           **self.ports, **servers, **pems, **more)  # fmt: skip

    def write(self, name: str, text: str) -> str:
        path = self.home / name
        path.write_text(text)
        return str(path)


@attrs.frozen
class Rival:
    """What it speaks, and the command that makes a place its own."""

    kinds: tuple[str, ...]
    command: Callable[[Place], list[str]]
    programs: tuple[str, ...] = ()
    """What it needs of ./run peers."""
    root: bool = False
    """Whether it starts as root only."""

    def lacks(self) -> str:
        """Why it cannot take part here, or nothing."""
        if self.root and os.geteuid():
            return "it needs root"
        path = environment()["PATH"]
        missing = [name for name in self.programs if not shutil.which(name, path=path)]
        return f"{missing[0]} is missing, ./run peers provides it" if missing else ""


@attrs.frozen
class Running:
    """A rival that runs, or nothing in between: direct."""

    name: str
    pid: int
    ports: Mapping[str, int]

    def cpu(self) -> float:
        return cpu(self.pid) if self.pid else 0.0

    def resident(self) -> int:
        return resident(self.pid) if self.pid else 0


@contextmanager
def running(name: str, rival: Rival, place: Place, cpus: set[int]) -> Iterator[Running]:
    """It, from its first answer on, on these processors."""
    argv = rival.command(place)
    ours = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    env = ours if argv[0] == sys.executable else environment()
    log = place.home / "output.log"
    with log.open("wb") as output, pinned(cpus):
        started = subprocess.Popen(argv, cwd=place.home, stdout=output, stderr=output, env=env)
    try:
        for port in place.ports.values():
            until_it_accepts((FRONT, port), started, log)
        pin(started.pid, cpus)
        yield Running(name, started.pid, place.ports)
    finally:
        started.terminate()
        try:
            started.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def ports(kinds: tuple[str, ...]) -> dict[str, int]:
    """One of its own for each kind."""
    return {kind: free_port() for kind in kinds}
