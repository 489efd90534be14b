"""All of a run: trials in, verdicts out; what was measured before is not had again."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from tests.matrix.network import Network
from tests.matrix.plan import Trial
from tests.matrix.stage import staged
from tests.peers import CHECKOUT, PEERS, VERSIONS

WORKERS = 2


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
        place = PEERS / "matrix" / front
        place.mkdir(parents=True, exist_ok=True)
        state = place / f"state-{fingerprint(front, size, network)}.json"
        verdicts = json.loads(state.read_text()) if state.exists() else {}
        large = random.Random(size).randbytes(size)
        return cls(network, front, large, place, tell, state, verdicts)

    def have(self, trials: Iterable[Trial]) -> None:
        """Have all of these that are not known yet: one kind of server and one family at a time."""
        unknown = [trial for trial in trials if str(trial) not in self.verdicts]
        for kind in dict.fromkeys(trial.server for trial in unknown):
            for family in (4, 6):
                some = [t for t in unknown if t.server == kind and t.variant.server == family]
                if some:
                    self._have(kind, family, some)
        self.state.unlink(missing_ok=True)

    def _have(self, kind: str, family: int, trials: list[Trial]) -> None:
        visits = self.place / f"{kind}-{family}"
        shutil.rmtree(visits, ignore_errors=True)
        variants = list(dict.fromkeys(trial.variant for trial in trials))
        with (
            staged(self.network, self.front, variants, kind, self.large, visits) as stage,
            ThreadPoolExecutor(WORKERS) as pool,
        ):
            for trial, verdict in zip(trials, pool.map(stage.have, trials), strict=True):
                self.verdicts[str(trial)] = verdict
                self.state.write_text(json.dumps(self.verdicts))
                self.tell(f"{trial}: {verdict}")


def fingerprint(front: str, size: int, network: Network) -> str:
    """Of all that verdicts depend on."""
    known = hashlib.sha256(f"{front} {size} {network.what} {VERSIONS.read_text()}".encode())
    for room in ("twisted_lb", "tests/peers", "tests/matrix"):
        for path in sorted((CHECKOUT / room).rglob("*.py")):
            known.update(path.read_bytes())
    return known.hexdigest()[:16]
