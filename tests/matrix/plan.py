"""What is measured: servers × variants × cells; and a fixed small sample of it. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import attrs

from tests.peers.abilities import cells
from tests.peers.cells import Cell

PASSED = "passed"
SERVERS = ("proftpd", "vsftpd", "pureftpd")


@attrs.frozen
class Variant:
    """A way to a server: which address families, and who opens data connections to the server."""

    name: str
    client: int
    server: int
    server_data: str = ""
    """Empty: there is nothing between client and server."""

    @property
    def through(self) -> bool:
        return bool(self.server_data)


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
        direct = next(v for v in VARIANTS if not v.through and v.client == self.variant.client)
        return attrs.evolve(self, variant=direct)


def everything(servers: Iterable[str] = SERVERS) -> list[Trial]:
    return [
        Trial(server, variant, cell)
        for server in servers
        for variant in VARIANTS
        for cell in cells(variant.client)
    ]


def sample(most: int = 60) -> list[Trial]:
    """So many trials through the balancer that together have as many pairs of traits as can be.

    The same ones each time: the first of those that add most pairs.
    """
    left = [trial for trial in everything() if trial.variant.through]
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
    traits = (trial.server, trial.variant.name, cell.client, cell.mode, cell.operation)
    return set(combinations(traits, 2))


def with_direct(trials: Iterable[Trial]) -> list[Trial]:
    """These and what each is compared with, without repetition."""
    return list(dict.fromkeys(one for trial in trials for one in (trial.directly, trial)))
