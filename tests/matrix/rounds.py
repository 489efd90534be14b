"""All of a run: trials in, verdicts out; what was measured before is not had again."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import product
from pathlib import Path

import attrs

from tests.matrix.network import Network
from tests.matrix.plan import PASSED, Trial
from tests.matrix.stage import staged
from tests.peers import CHECKOUT, PEERS, VERSIONS

WORKERS = 2
NOT_HAD = "not had: fails directly"
AGAIN = 7
"""How often a direct session is had again when the same through the front has failed."""


@attrs.define
class Rounds:
    """All that one run needs; `verdicts` grows, and is on disk after each trial."""

    network: Network
    front: str
    large: bytes
    place: Path
    tell: Callable[[str], None]
    state: Path
    verdicts: dict[str, str]

    @classmethod
    def resumed(
        cls, network: Network, front: str, size: int, tell: Callable[[str], None]
    ) -> Rounds:
        """With what an interrupted run of the very same code has found."""
        place = PEERS / "matrix" / f"{front}-{size // 1_000_000}MB"
        place.mkdir(parents=True, exist_ok=True)
        state = place / f"state-{fingerprint(network)}.json"
        for stale in set(place.glob("state-*.json")) - {state}:
            stale.unlink()
        verdicts = json.loads(state.read_text()) if state.exists() else {}
        large = random.Random(size).randbytes(size)
        return cls(network, front, large, place, tell, state, verdicts)

    def have(self, trials: Iterable[Trial]) -> None:
        """Have all of these that are not known yet; through the front only what passes directly."""
        planned = list(trials)
        self._each_stage([trial for trial in planned if not trial.variant.through])
        through = [trial for trial in planned if trial.variant.through]
        hopeless = {t for t in through if self.verdicts.get(str(t.directly), PASSED) != PASSED}
        self.verdicts |= {str(trial): NOT_HAD for trial in hopeless}
        self._each_stage([trial for trial in through if trial not in hopeless])

    def _each_stage(self, trials: list[Trial]) -> None:
        """Of these the unknown ones: one kind of server, one family, one way of TLS at a time."""
        unknown = [trial for trial in trials if str(trial) not in self.verdicts]
        for kind in dict.fromkeys(trial.server for trial in unknown):
            for family, tls in product((4, 6), ("", "explicit", "implicit")):
                way = (kind, family, tls)
                some = [t for t in unknown if (t.server, t.variant.server, t.variant.served) == way]
                if some:
                    self._have(some, self.place / f"{kind}-{family}{tls}")

    def doubt(self, trials: Iterable[Trial]) -> None:
        """Have these again and again: what does not pass each time is known as unstable."""
        for trial in dict.fromkeys(trials):
            verdicts = [self.verdicts[str(trial)]]
            for _ in range(AGAIN):
                self._have([trial], self.place / "again")
                verdicts.append(self.verdicts[str(trial)])
            failed = [verdict for verdict in verdicts if verdict != PASSED]
            if failed:
                told = f"unstable, fails {len(failed)} times of {len(verdicts)}: {failed[0]}"
                self.verdicts[str(trial)] = told

    def finish(self) -> None:
        """Everything is known: the next run begins anew."""
        self.state.unlink(missing_ok=True)

    def _have(self, trials: list[Trial], visits: Path) -> None:
        """Have these, of one kind of server and one family."""
        shutil.rmtree(visits, ignore_errors=True)
        variants = list(dict.fromkeys(trial.variant for trial in trials))
        with (
            staged(
                self.network, self.front, variants, trials[0].server, self.large, visits
            ) as stage,
            ThreadPoolExecutor(WORKERS) as pool,
            closing(pool.map(stage.have, trials)) as verdicts,  # no more once interrupted
        ):
            for trial, verdict in zip(trials, verdicts, strict=True):
                self.verdicts[str(trial)] = verdict
                self.state.write_text(json.dumps(self.verdicts))
                self.tell(f"{trial}: {verdict}")


def fingerprint(network: Network) -> str:
    """Of all that verdicts depend on."""
    known = hashlib.sha256(f"{network.what} {VERSIONS.read_text()}".encode())
    for room in ("twisted_lb", "tests/peers", "tests/matrix"):
        for path in sorted((CHECKOUT / room).rglob("*.py")):
            known.update(path.read_bytes())
    return known.hexdigest()[:16]
