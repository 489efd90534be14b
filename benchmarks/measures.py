"""One row of one rival: figures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks.generator import Load
from benchmarks.rivals import Running
from benchmarks.rows import LOAD, PROXY, Idle, Row

Figures = dict[str, float]


def traffic(row: Row, rival: Running, load: Load) -> Figures:
    """What so many bytes, or seconds, of this load cost the rival. Raises Wrong."""
    words = (*row.words, f"{row.amount:.0f}" if row.per > 1 else f"{row.amount}", *row.more)
    cpus = {PROXY} if row.shared else {LOAD}
    with load.clients(rival.ports[row.kind], words, cpus) as clients:
        settled(rival)
        before = rival.cpu()
        got = clients.go()
        spent = settled(rival) - before
    units = got.get("bytes", got.get("count", 0))
    figures = {"rate": units / got["seconds"]}
    figures |= {name: got[name] for name in ("p50", "p99") if name in got}
    if rival.pid:
        figures["cpu"] = spent / units * row.per
    return figures


def settled(rival: Running, patience: float = 2.0) -> float:
    """Its CPU seconds, once it has caught up: it computes next to nothing in 20 ms."""
    deadline = time.monotonic() + patience
    before = rival.cpu()
    while time.monotonic() < deadline:
        time.sleep(0.02)
        now = rival.cpu()
        if now - before < 0.001:
            return now
        before = now
    return before


def idle(row: Idle, rival: Running, load: Load) -> Figures:
    """Memory of so many sessions that say nothing, against one of them. Raises Wrong."""
    figures, standing = {}, 0
    with ExitStack() as stack:
        stack.enter_context(_silent(load, rival, 1))
        before = rival.resident()
        for name, count in row.counts.items():
            stack.enter_context(_silent(load, rival, count - standing))
            standing = count
            figures[name] = (rival.resident() - before) / count
        figures["total"] = rival.resident()
    return figures


@contextmanager
def _silent(load: Load, rival: Running, count: int) -> Iterator[None]:
    words = ("talk", "idle", str(count), "0")
    with load.clients(rival.ports["clear"], words, {LOAD}) as clients:
        clients.go()
        settled(rival)
        yield
