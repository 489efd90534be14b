"""The load in C: built where gcc is, started, told when to begin."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks.balancer import FRONT, SERVER, free_port
from benchmarks.machine import pin, pinned
from tests.peers import ROOT

SOURCES = Path(__file__).with_name("load")
PROGRAMS = {
    "serve": (),
    "ftpserve": ("-pthread",),
    "bulk": (),
    "talk": (),
    "secure": ("-pthread", "-l:libssl.so.3", "-l:libcrypto.so.3"),
    "ftp": ("-pthread", "-l:libssl.so.3", "-l:libcrypto.so.3"),
}
"""Program → what it is linked with. libssl-dev may be the machine's, or that of ./run peers."""
HEADERS = (ROOT / "usr/include", *ROOT.glob("usr/include/*-linux-gnu"))


class Missing(Exception):
    """What the load needs is not on this machine."""


class Wrong(Exception):
    """Bytes were lost, or a connection was not served."""


def build(into: Path) -> Path:
    """All programs, in this directory. Raises Missing."""
    if not shutil.which("gcc"):
        raise Missing("the load generator is C, and there is no gcc (apt-get install gcc)")
    for name, linked in PROGRAMS.items():
        source, headers = SOURCES / f"{name}.c", [f"-I{path}" for path in HEADERS]
        argv = ["gcc", "-O2", "-Wall", *headers, "-o", str(into / name), str(source), *linked]
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode:
            raise Missing(
                f"{name}.c does not build; ./run peers provides libssl-dev\n{done.stderr}"
            )
    return into


@attrs.frozen
class Load:
    """The programs, and the servers that all rivals lead to."""

    programs: Path
    ports: Mapping[str, int]
    """The servers': `clear`, and `ftp`."""
    servers: Sequence[int]
    """Their processes, where they are ours."""
    verify: bool
    """Whether every byte is looked at, and not only one read of sixteen."""

    @contextmanager
    def clients(
        self, port: int, words: tuple[str, ...], cpus: set[int] | None
    ) -> Iterator[Clients]:
        """PROGRAM MODE [N …] toward this port of a rival: connected, and waiting to begin.

        They and the server run on these processors, or anywhere.
        """
        cpus = cpus or os.sched_getaffinity(0)
        for server in self.servers:
            pin(server, cpus)
        program, mode, *rest = words
        host = SERVER if port in self.ports.values() else FRONT
        look = ["verify"] if self.verify and program in ("bulk", "ftp") else []
        argv = [str(self.programs / program), mode, host, str(port), *rest, *look]
        with pinned(cpus):
            started = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        clients = Clients(" ".join(words), started)
        try:
            clients.line()
            yield clients
        finally:
            started.kill()
            started.communicate()


@attrs.frozen
class Clients:
    """A program of the load that runs."""

    words: str
    process: subprocess.Popen[str]

    def line(self) -> str:
        """What it says next. Raises Wrong when it ends instead."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        line = self.process.stdout.readline()
        if not line:
            raise Wrong(f"{self.words}: {self.process.stderr.read().strip()}")
        return line

    def go(self) -> dict[str, float]:
        """Begin, and the figures at the end; connections stay."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        figures: dict[str, float] = json.loads(self.line())
        return figures


@contextmanager
def loaded(programs: Path, verify: bool = False) -> Iterator[Load]:
    """The servers behind run."""
    ports, started = {"clear": free_port(), "ftp": free_port()}, []
    try:
        for name, port in zip(("serve", "ftpserve"), ports.values(), strict=True):
            argv = [str(programs / name), SERVER, str(port), *(["verify"] if verify else [])]
            server = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
            started.append(server)
            assert server.stdout is not None
            if server.stdout.readline() != "listening\n":
                raise Wrong(f"{name} does not listen")
        yield Load(programs, ports, [server.pid for server in started], verify)
    finally:
        for server in started:
            server.kill()
            server.communicate()
