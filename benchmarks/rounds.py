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
from benchmarks.rivals import KINDS, Place, Running, at, running
from benchmarks.rows import PROXY, Idle, Row

Commands = dict[str, Callable[[Place], list[str]]]
Results = dict[str, dict[str, list[Figures]]]
"""Row → rival → the figures of each round; none where it failed."""
DIRECT = "direct"


@attrs.frozen
class Stage:
    """Where rivals live and what they are before."""

    home: Path
    load: Load
    certificates: dict[str, Path]
    most: int
    """Connections that a rival has to bear."""
    _places: Iterator[int] = attrs.field(factory=itertools.count)

    def place(self) -> Place:
        home = self.home / f"rival-{next(self._places)}"
        return at(home, self.load.port, self.certificates, self.most)

    @contextmanager
    def running(self, name: str, commands: Commands) -> Iterator[Running]:
        """This rival; or nothing, where clients talk to the server."""
        if name == DIRECT:
            yield Running(DIRECT, 0, dict.fromkeys(KINDS, self.load.port))
            return
        with running(name, commands[name], self.place(), {PROXY}) as rival:
            yield rival


@attrs.define
class Rounds:
    """The measuring itself."""

    stage: Stage
    commands: Commands
    rows: Sequence[Row | Idle]
    now: Callable[[], float]
    results: Results = attrs.field(factory=dict)
    failures: list[str] = attrs.field(factory=list)

    def run(self, times: int, until: float) -> None:
        """So many rounds; after the first, only while there is time. What fails is noted."""
        names = [DIRECT, *self.commands]
        with ExitStack() as stack:
            traffic = any(isinstance(row, Row) for row in self.rows)
            standing = {
                name: stack.enter_context(self.stage.running(name, self.commands))
                for name in (names if traffic else ())
            }
            for number, row in itertools.product(range(times), self.rows):
                if number and self.now() > until:
                    return
                print(f"round {number + 1} of {times}: {row.title}", file=sys.stderr)
                for name in reversed(names) if number % 2 else names:
                    if name not in row.without and (row.direct or name != DIRECT):
                        self._measure(row, name, standing)

    def _measure(self, row: Row | Idle, name: str, standing: dict[str, Running]) -> None:
        try:
            figures = self._figures(row, name, standing)
        except Wrong as wrong:
            self.failures.append(f"{name}: {wrong}")
            print(f"    {name} failed: {wrong}", file=sys.stderr)
            figures = {}
        self.results.setdefault(row.name, {}).setdefault(name, []).append(figures)

    def _figures(self, row: Row | Idle, name: str, standing: dict[str, Running]) -> Figures:
        load = self.stage.load
        if isinstance(row, Row):
            return measures.traffic(row, standing[name], load)
        with self.stage.running(name, self.commands) as fresh:
            return measures.idle(row, fresh, load)
