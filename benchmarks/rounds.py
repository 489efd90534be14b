"""Rows and rivals in turn, so often: results out.

A round is every row, and in it every rival: what is compared was measured within seconds. Every
other round goes through the rivals backwards, so that none always follows the same one.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from benchmarks import measures
from benchmarks.generator import Load, Wrong
from benchmarks.measures import Figures
from benchmarks.rivals import DIRECT, Place, Rival, Running, ports, running
from benchmarks.rows import PROXY, Idle, Row

Rivals = dict[str, Rival]
Results = dict[str, dict[str, list[Figures]]]
"""Row → rival → the figures of each round; none where it failed."""
PASSIVE, LAST = 10_000, 10
"""Where ports for FTP data begin, and the last range of 2,000: below those that the kernel gives to
clients. Rivals that come after all others, one at a time, share it."""


@attrs.frozen
class Stage:
    """Where rivals live and what they are before."""

    home: Path
    load: Load
    certificates: dict[str, Path]
    most: int
    """Connections that a rival has to bear."""
    _places: Iterator[int] = attrs.field(factory=itertools.count)

    def place(self, kinds: tuple[str, ...]) -> Place:
        """A new one."""
        number = next(self._places)
        home, passive = self.home / f"rival-{number}", PASSIVE + min(number, LAST) * 2000
        home.mkdir()
        servers, certificates = self.load.ports, self.certificates
        return Place(home, ports(kinds), servers, certificates, self.most, passive)

    @contextmanager
    def running(self, name: str, rivals: Rivals) -> Iterator[Running]:
        """This rival; or nothing, where clients talk to the servers."""
        if name == DIRECT:
            yield Running(DIRECT, 0, self.load.ports)
            return
        rival = rivals[name]
        with running(name, rival, self.place(rival.kinds), {PROXY}) as one:
            yield one


@attrs.define
class Rounds:
    """The measuring itself."""

    stage: Stage
    rivals: Rivals
    rows: Sequence[Row | Idle]
    now: Callable[[], float]
    results: Results = attrs.field(factory=dict)
    failures: list[str] = attrs.field(factory=list)

    def run(self, times: int, until: float) -> None:
        """So many rounds; after the first, only while there is time. What fails is noted."""
        names = [DIRECT, *self.rivals]
        traffic = [row for row in self.rows if isinstance(row, Row)]
        with ExitStack() as stack:
            standing = {
                name: stack.enter_context(self.stage.running(name, self.rivals))
                for name in names
                if any(self._can(name, row) for row in traffic)
            }
            for number, row in itertools.product(range(times), self.rows):
                if number and self.now() > until:
                    return
                print(f"round {number + 1} of {times}: {row.title}", file=sys.stderr)
                for name in reversed(names) if number % 2 else names:
                    if self._can(name, row):
                        self._measure(row, name, standing)

    def _can(self, name: str, row: Row | Idle) -> bool:
        """Whether this rival has such a port, and does such a thing."""
        kinds = self.stage.load.ports if name == DIRECT else self.rivals[name].kinds
        return row.kind in kinds and name not in row.without

    def _measure(self, row: Row | Idle, name: str, standing: dict[str, Running]) -> None:
        try:
            figures = self._figures(row, name, standing)
        except Wrong as wrong:
            self.failures.append(f"{name}: {wrong}")
            print(f"    {name} failed: {wrong}", file=sys.stderr)
            figures = {}
        self.results.setdefault(row.name, {}).setdefault(name, []).append(figures)

    def _figures(self, row: Row | Idle, name: str, standing: dict[str, Running]) -> Figures:
        if isinstance(row, Row):
            return measures.traffic(row, standing[name], self.stage.load)
        with self.stage.running(name, self.rivals) as fresh:
            return measures.idle(row, fresh, self.stage.load)
