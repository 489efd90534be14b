"""Has the sessions: trials in, verdicts out; what was measured before is not had again."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import attrs

from tests.matrix.fronts import SERVER_PORT, port, standing
from tests.matrix.network import Network
from tests.matrix.plan import Trial
from tests.matrix.report import PASSED
from tests.peers import CHECKOUT, PEERS, VERSIONS
from tests.peers.cells import Target, Visit
from tests.peers.clients import measure
from tests.peers.servers import KINDS, PASSWORD, Server, Site, running

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
        open_ = [trial for trial in trials if str(trial) not in self.verdicts]
        for kind in dict.fromkeys(trial.server for trial in open_):
            for family in (4, 6):
                some = [t for t in open_ if t.server == kind and t.variant.server == family]
                if some:
                    self._have(kind, family, some)
        self.state.unlink(missing_ok=True)

    def _have(self, kind: str, family: int, trials: list[Trial]) -> None:
        ground = self.place / f"{kind}-{family}"
        shutil.rmtree(ground, ignore_errors=True)
        ground.mkdir(parents=True)
        variants = list(dict.fromkeys(t.variant for t in trials if t.variant.through))
        with ExitStack() as stack:
            with self.network.servers.entered():
                servers = [
                    stack.enter_context(running(kind, self._site(ground, name, host), self.large))
                    for name, host in zip("ab", self.network.servers_at[family], strict=True)
                ]
            if variants:
                stack.enter_context(standing(self.front, self.network, variants, ground / "front"))
            pool = stack.enter_context(ThreadPoolExecutor(WORKERS))
            for trial, verdict in pool.map(lambda t: (t, self._one(t, servers, ground)), trials):
                self.verdicts[str(trial)] = verdict
                self.state.write_text(json.dumps(self.verdicts))
                self.tell(f"{trial}: {verdict}")

    @staticmethod
    def _site(ground: Path, name: str, host: str) -> Site:
        return Site(name, host, SERVER_PORT, ground / f"server-{name}")

    def _one(self, trial: Trial, servers: list[Server], ground: Path) -> str:
        """The verdict on one trial; the files of a visit that failed are left to be looked at."""
        variant = trial.variant
        namespace = self.network.client if variant.through else self.network.front
        host = self.network.front_at[variant.client] if variant.through else servers[0].site.host
        number = port(variant) if variant.through else SERVER_PORT
        target = Target(host, number, KINDS[trial.server][1], PASSWORD)
        place = ground / f"{variant.name}-{trial.cell}".replace("/", "-")
        homes = {server.site.name: server.site.home for server in servers}
        with namespace.entered():
            complaint = measure(Visit(trial.cell, target, place, self.large), homes)
        for home in homes.values():
            (home / "put" / place.name).unlink(missing_ok=True)
        if not complaint:
            shutil.rmtree(place)
        return complaint or PASSED


def fingerprint(front: str, size: int, network: Network) -> str:
    """Of all that verdicts depend on."""
    known = hashlib.sha256(f"{front} {size} {network.what} {VERSIONS.read_text()}".encode())
    for room in ("twisted_lb", "tests/peers", "tests/matrix"):
        for path in sorted((CHECKOUT / room).rglob("*.py")):
            known.update(path.read_bytes())
    return known.hexdigest()[:16]
