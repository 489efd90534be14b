"""What is measured, as data: a row is one load, with its figures."""

from __future__ import annotations

import os

import attrs

from benchmarks.rivals import DIRECT, FTP_KINDS

GIB = 1 << 30
_processors = sorted(os.sched_getaffinity(0))
PROXY, LOAD = _processors[0], _processors[-1]
"""The processors of the rivals and of the load, where they do not share one."""


@attrs.frozen
class Figure:
    """One column of a row."""

    name: str
    title: str
    unit: str
    scale: float = 1.0
    """From what is measured to the unit."""
    lower: bool = True
    """Whether less is better."""


CPU_GIB = Figure("cpu", "CPU", "s/GiB")
SPEED = Figure("rate", "throughput", "MiB/s", 1 / (1 << 20), lower=False)
P50 = Figure("p50", "p50", "µs", 1e6)
P99 = Figure("p99", "p99", "µs", 1e6)
CPU_EACH = Figure("cpu", "CPU each", "µs", 1e6)
RATE = Figure("rate", "rate", "/s", lower=False)


@attrs.frozen
class Row:
    """A load of one of the generator's programs."""

    name: str
    title: str
    words: tuple[str, ...]
    """Program and mode, and how many connections."""
    figures: tuple[Figure, ...]
    amount: float = 0
    """Bytes, or seconds."""
    kind: str = "clear"
    """Which of the rivals' ports."""
    shared: bool = False
    """Whether all run on one processor."""
    per: float = 1
    """Of so many bytes, or messages, the CPU is told."""
    without: tuple[str, ...] = ()
    """Rivals that cannot do it."""
    more: tuple[str, ...] = ()
    """What the program is told after the amount."""
    against: str = "HAProxy"
    """Whose figures ratios are to."""


def bulk(way: str, connections: int) -> Row:
    some = "one connection" if connections == 1 else f"{connections} connections"
    words = ("bulk", way, str(connections))
    return Row(
        f"bulk-{way}-{connections}",
        f"bulk {way}, {some}",
        words,
        (CPU_GIB, SPEED),
        amount=GIB,
        per=GIB,
    )


def pingpong(connections: int) -> Row:
    some = "one connection" if connections == 1 else f"{connections} connections"
    words = ("talk", "pingpong", str(connections))
    figures = (P50, P99, CPU_EACH, RATE)
    return Row(
        f"pingpong-{connections}",
        f"64 bytes to and fro, {some}",
        words,
        figures,
        amount=2,
        shared=True,
    )


def handshake(kind: str, mode: str) -> Row:
    title = f"TLS handshake, {kind.upper()}{', resumed' if mode == 'resumed' else ''}"
    name = f"handshake-{kind}{'-resumed' if mode == 'resumed' else ''}"
    return Row(
        name,
        title,
        ("secure", mode, "4"),
        (CPU_EACH, RATE),
        amount=2,
        kind=kind,
        without=("portforward",) if mode == "resumed" else (),  # Twisted gives no tickets
    )


def tls_bulk(way: str) -> Row:
    return Row(
        f"tls-bulk-{way}",
        f"TLS bulk {way}, one connection",
        ("secure", way, "1"),
        (CPU_GIB, SPEED),
        amount=GIB,
        kind="ecdsa",
        per=GIB,
    )


def ftp(kind: str, mode: str) -> Row:
    """Of FTP, or of FTPS that ends at the rival; the server behind has no TLS."""
    titles = {"login": "logins, 4 at once", "small": "files of 4 KiB, 4 sessions"}
    title = f"{kind.upper()} {titles.get(mode, mode.upper())}"
    once = mode in titles
    return Row(
        f"{kind}-{mode}",
        title,
        ("ftp", mode, "4" if once else "1"),
        (CPU_EACH, RATE) if once else (CPU_GIB, SPEED),
        amount={"login": 2, "small": 1000}.get(mode, GIB),
        kind=kind,
        per=1 if once else GIB,
        more=("tls",) if kind == "ftps" else (),
        against="mod_proxy",
    )


@attrs.frozen
class Idle:
    """Sessions that have said a word and are silent: memory, in a process of its own."""

    name: str = "idle"
    title: str = "idle sessions"
    most: int = 9_000
    """So many at last; fewer where descriptors do not suffice."""
    kind: str = "clear"
    without: tuple[str, ...] = (DIRECT,)
    against: str = "HAProxy"

    @property
    def counts(self) -> dict[str, int]:
        """The figure of each count."""
        steps = {f"each-{step}": step for step in (1_000, 5_000) if step < self.most}
        return steps | {"each-most": self.most}

    @property
    def figures(self) -> tuple[Figure, ...]:
        each = [Figure(name, f"memory each, {n:,}", "bytes") for name, n in self.counts.items()]
        return (*each, Figure("total", f"memory in all, {self.most:,}", "MB", 1e-6))


def scaled(row: Row | Idle, factor: float) -> Row | Idle:
    """So much of its load."""
    if isinstance(row, Idle):
        return attrs.evolve(row, most=int(row.most * factor))
    return attrs.evolve(row, amount=row.amount * factor)


TRAFFIC = (
    *(bulk(way, connections) for connections in (1, 16) for way in ("up", "down")),
    pingpong(1),
    pingpong(64),
    Row(
        "connect",
        "connections of one message, 32 at once",
        ("talk", "connect", "32"),
        (RATE, CPU_EACH, P50),
        amount=2,
        shared=True,
    ),
    handshake("ecdsa", "full"),
    handshake("rsa", "full"),
    handshake("ecdsa", "resumed"),
    tls_bulk("up"),
    tls_bulk("down"),
    *(ftp(kind, mode) for kind in FTP_KINDS for mode in ("login", "small", "retr", "stor")),
)
