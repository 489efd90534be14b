"""A balancer in a process of its own: one opaque frontend, told of by lines on stdout.

    python -m tests.loopback.process SERVER-HOST SERVER-PORT [--limit N] [--spare N]

Prints `listening PORT` when it stands, and the word of every connection that ends. `--limit` is the
descriptor limit that it starts with; with `--spare` it may open so many more than it has when it
stands, and does not know. SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet import reactor

from tests.loopback.test_opaque import one_frontend
from twisted_lb.facts import ConnectionEnded, Fact
from twisted_lb.service import balancer


def told(fact: Fact) -> None:
    if isinstance(fact, ConnectionEnded):
        print(fact.ending, flush=True)


def main(host: str, port: int, limit: int | None, spare: int | None) -> None:
    """Run until SIGTERM."""
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    service = balancer(one_frontend(port, host), reactor, told)
    service.startService()
    if spare is not None:
        most = len(os.listdir("/proc/self/fd")) - 1 + spare
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print("listening", service.address("in").port, flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()


class Balancing:
    """The process, from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.pid = process.pid
        self._process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening"), line
        self.port = int(line.split()[1])
        os.set_blocking(process.stdout.fileno(), False)
        self.words: list[str] = []

    def ended(self) -> list[str]:
        """The words of the connections that have ended so far."""
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            self.words.append(line.strip())
        return self.words

    def cpu(self) -> float:
        """Seconds that it has computed."""
        with open(f"/proc/{self.pid}/stat") as stat:
            user, system = stat.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> int:
        """Bytes of memory that it holds."""
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))


@contextmanager
def balancing(host: str, port: int, *options: str) -> Iterator[Balancing]:
    """A balancer before this server; ended at the end."""
    argv = [sys.executable, "-m", "tests.loopback.process", host, str(port), *options]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        yield Balancing(process)
    finally:
        process.terminate()
        process.communicate(timeout=20)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    for name in ("port", "--limit", "--spare"):
        parser.add_argument(name, type=int)
    main(**vars(parser.parse_args()))
