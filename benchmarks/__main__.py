"""./run bench: rivals in, their figures side by side out."""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from benchmarks import machine, report
from benchmarks.balancer import FRONT
from benchmarks.generator import Missing, build, loaded
from benchmarks.others import OTHERS
from benchmarks.ours import KINDS, known_ways
from benchmarks.page import Run, told_versions, write
from benchmarks.rivals import DIRECT
from benchmarks.rounds import Rivals, Rounds, Stage
from benchmarks.rows import TRAFFIC, Idle, Row, scaled
from tests.certificates import Key, self_signed
from tests.peers import CHECKOUT

ROUNDS = 5
QUICK_ROUNDS, QUICK_SCALE, QUICK_SECONDS = 3, 0.25, 140.0
"""The last: when no row of another round is begun."""
SPARE = 1000
"""Descriptors that a rival needs for itself, at most."""
SESSIONS = 0.44
"""Sessions for a descriptor: each needs two, and lb-proxy keeps a tenth from clients."""


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run bench",
        description="Compare lb-proxy with HAProxy, nginx, Twisted's portforward and nothing"
        " at all, and write docs/benchmarks.md.",
        epilog=f"Rows: {', '.join(row.name for row in TRAFFIC)}, idle.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="within three minutes; only print the tables"
    )
    parser.add_argument(
        "--only", metavar="NAME,...", help="rows whose names begin so; only print the tables"
    )
    parser.add_argument("--rivals", metavar="NAME,...", help="only whose names begin so")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"{ROUNDS}, quick {QUICK_ROUNDS}")
    parser.add_argument("--scale", type=float, metavar="X", help="so much of each load")
    parser.add_argument(
        "--verify", action="store_true", help="look at every byte that is moved, not at some"
    )
    parser.add_argument("--write", type=Path, metavar="DIR", help="the page; a whole run: docs")
    options = parser.parse_args(words)
    if not (options.quick or options.only or options.rivals or options.scale or options.write):
        options.write = CHECKOUT / "docs"
    options.scale = options.scale or (QUICK_SCALE if options.quick else 1.0)
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    return options


def begins(name: str, words: str | None) -> bool:
    """Whether it is one of those that are asked for, by the beginnings of their names."""
    return name.startswith(tuple((words or "").split(",")))


def chosen(options: argparse.Namespace, descriptors: int) -> list[Row | Idle]:
    """The rows that are asked for. Raises SystemExit when there are none."""
    idle = Idle(most=min(Idle().most, int(descriptors * SESSIONS)))
    rows: list[Row | Idle] = [*TRAFFIC, idle]
    rows = [row for row in rows if begins(row.name, options.only)]
    if not rows:
        sys.exit(f"--only: there is no row {options.only}; --help names them")
    return [scaled(row, options.scale) for row in rows]


def certificates(home: Path) -> dict[str, Path]:
    """Of both kinds, each in a file with its key."""
    keys: dict[str, Key] = {
        "ecdsa": ec.generate_private_key(ec.SECP256R1()),
        "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    }
    paths = {}
    for kind, key in keys.items():
        paths[kind] = home / f"{kind}.pem"
        paths[kind].write_bytes(self_signed(FRONT, key=key))
    return paths


def compared(stage: Stage, only: str | None) -> Rivals:
    """The rivals that are asked for, and can take part; who cannot is told."""
    known = OTHERS | known_ways(stage.place(KINDS))
    asked = {name: rival for name, rival in known.items() if begins(name, only)}
    for name, rival in asked.items():
        if rival.lacks():
            print(f"{name} is left out: {rival.lacks()}", file=sys.stderr)
    return {name: rival for name, rival in asked.items() if not rival.lacks()}


def show(rounds: Rounds) -> None:
    """The tables, on a terminal."""
    rivals = [DIRECT, *rounds.rivals]
    for rows, some in report.groups(rounds.results, rounds.rows, rivals):
        print(report.text(report.table(rounds.results, rows, some)))
        if rows[0].against in some:
            print(
                f"\nRatios to {rows[0].against}: the median of the rounds, the least and the most"
            )
            print(report.text(report.ratios(rounds.results, rows, some)) + "\n")
    print("Goals\n" + report.text(report.goals(rounds.results, rivals)))
    print("\n".join(f"FAILED {failure}" for failure in rounds.failures))


def in_memory() -> str | None:
    """Where logs and tables cost no disk's time: that is not what is compared."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def measured(options: argparse.Namespace) -> tuple[Rounds, dict[str, str]]:
    """The run, and the machine that it ran on. Raises Missing."""
    about = machine.described(machine.into_own_network())
    descriptors, began = machine.many_descriptors(), time.monotonic()
    with ExitStack() as stack:
        programs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=in_memory())))
        load = stack.enter_context(loaded(build(programs), options.verify))
        stage = Stage(home, load, certificates(home), (descriptors - SPARE) // 2)
        rivals, rows = compared(stage, options.rivals), chosen(options, descriptors)
        rounds = Rounds(stage, rivals, rows, time.monotonic)
        rounds.run(options.rounds, began + QUICK_SECONDS if options.quick else math.inf)
    took = f"{time.monotonic() - began:.0f} s"
    words = {"command": " ".join(["./run bench", *sys.argv[1:]])}
    return rounds, {"day": f"{datetime.now(UTC):%Y-%m-%d}", **words, **about, "took": took}


def main() -> int:
    """Measure, print, and write the page when all of it was measured."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # and so are all rivals
    try:
        rounds, about = measured(options)
    except Missing as missing:
        print(f"./run bench is skipped: {missing}", file=sys.stderr)
        return 0
    show(rounds)
    print("; ".join(f"{key}: {value}" for key, value in about.items()))
    if options.write:
        rivals = [DIRECT, *rounds.rivals]
        run = Run(about, told_versions(rivals), rounds.results, rounds.rows, rivals)
        write(options.write, run)
    return 1 if rounds.failures else 0


if __name__ == "__main__":
    sys.exit(main())
