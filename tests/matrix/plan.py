"""What is measured: servers × variants × cells; and a fixed small sample of it. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, product, starmap

import attrs

from tests.peers.abilities import cells, tls_cells
from tests.peers.cells import Cell, Tls

PASSED = "passed"
SERVERS = ("proftpd", "vsftpd", "pureftpd")
TLS_SERVERS = (*SERVERS, "pyftpdlib")
IMPLICIT = frozenset({"proftpd", "vsftpd", "pyftpdlib"})
"""Those that speak TLS from the first byte, where they are told to."""


@attrs.frozen
class Variant:
    """A way to a server: which address families, and who opens data connections to the server."""

    name: str
    client: int
    server: int
    server_data: str = ""
    """Empty: there is nothing between client and server."""
    tls: Tls | None = None
    """How the client protects its session."""
    server_tls: str = ""
    """How the balancer protects it toward the server: `starttls`, `on`, or not at all."""
    server_private: bool = True
    """Data connections to the server, too."""

    @property
    def through(self) -> bool:
        return bool(self.server_data)

    @property
    def served(self) -> str:
        """The TLS that its servers speak: `explicit`, `implicit`, or none."""
        if self.through:
            return {"starttls": "explicit", "on": "implicit"}.get(self.server_tls, "")
        return "" if self.tls is None else "implicit" if self.tls.implicit else "explicit"


VARIANTS = (
    Variant("direct-4", 4, 4),
    Variant("direct-6", 6, 6),
    Variant("same", 4, 4, "same"),
    Variant("passive", 4, 4, "passive"),
    Variant("active", 4, 4, "active"),
    Variant("6-to-4", 6, 4, "same"),
    Variant("6-to-6", 6, 6, "same"),
    Variant("4-to-6", 4, 6, "same"),
)

CLIENT_WAYS = tuple(starmap(Tls, product((False, True), ("1.2", "1.3"), (True, False))))
"""How clients protect their sessions."""
SERVER_WAYS = (("starttls", True), ("on", False), ("starttls", False), ("on", True))
"""How the balancer protects them toward servers: control connection, and whether data too."""


def _secured(number: int, tls: Tls, mode: str, private: bool) -> Variant:
    name = f"{tls}-to-{mode}-{'P' if private else 'C'}"
    return Variant(name, 4, 4, ("same", "passive", "active")[number % 3], tls, mode, private)


TLS_VARIANTS = (
    *(Variant(f"direct-{tls}", 4, 4, tls=tls) for tls in CLIENT_WAYS),
    *(
        _secured(number, tls, *SERVER_WAYS[(number + more) % 4])
        for number, tls in enumerate(CLIENT_WAYS)
        for more in (0, 1, 3)
    ),
)
"""Every way of a client's with three of the four of a server's."""


@attrs.frozen
class Trial:
    """One session to be had: which server, which way, which cell."""

    server: str
    variant: Variant
    cell: Cell

    def __str__(self) -> str:
        return f"{self.server}/{self.variant.name}/{self.cell}"

    @property
    def directly(self) -> Trial:
        """The same cell with nothing between."""
        ours, tls = self.variant, self.variant.tls
        if tls is not None and tls.implicit and self.server not in IMPLICIT:
            tls = attrs.evolve(tls, implicit=False)
        direct = next(
            v
            for v in (*VARIANTS, *TLS_VARIANTS)
            if not v.through and (v.client, v.tls) == (ours.client, tls)
        )
        return attrs.evolve(self, variant=direct)


def everything(servers: Iterable[str] = SERVERS) -> list[Trial]:
    return [
        Trial(server, variant, cell)
        for server in servers
        for variant in VARIANTS
        for cell in cells(variant.client)
    ]


def everything_in_tls(servers: Iterable[str] = TLS_SERVERS) -> list[Trial]:
    return [
        Trial(server, variant, cell)
        for server in servers
        for variant in TLS_VARIANTS
        if variant.served != "implicit" or server in IMPLICIT
        for cell in tls_cells(variant.tls)
    ]


def sample(trials: Iterable[Trial], most: int = 60) -> list[Trial]:
    """So many trials through the balancer that together have as many pairs of traits as can be.

    The same ones each time: the first of those that add most pairs.
    """
    left = [trial for trial in trials if trial.variant.through]
    seen: set[tuple[str, str]] = set()
    chosen: list[Trial] = []
    while left and len(chosen) < most:
        best = max(left, key=lambda trial: len(pairs(trial) - seen))
        if not pairs(best) - seen:
            break
        seen |= pairs(best)
        chosen.append(best)
        left.remove(best)
    return chosen


def pairs(trial: Trial) -> set[tuple[str, str]]:
    cell = trial.cell
    traits = (trial.server, *_way(trial.variant), cell.client, cell.mode, cell.operation)
    return set(combinations(traits, 2))


def _way(variant: Variant) -> tuple[str, ...]:
    tls = variant.tls
    if tls is None:
        return (variant.name,)
    private = ("server P" if variant.server_private else "server C", "P" if tls.private else "C")
    return (f"implicit {tls.implicit}", tls.version, variant.server_tls, *private)


def with_direct(trials: Iterable[Trial]) -> list[Trial]:
    """These and what each is compared with, without repetition."""
    return list(dict.fromkeys(one for trial in trials for one in (trial.directly, trial)))
