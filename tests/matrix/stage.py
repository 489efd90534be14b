"""A stage: two servers of a kind and what stands before them, running; trials in, verdicts out."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from tests.matrix.fronts import port, standing
from tests.matrix.network import Network
from tests.matrix.plan import PASSED, Trial, Variant
from tests.peers.cells import Target, Visit
from tests.peers.measure import measure
from tests.peers.servers import KINDS, PASSWORD, Server, Site, running


@attrs.frozen
class Stage:
    network: Network
    servers: list[Server]
    large: bytes
    visits: Path
    """Where clients work. What a client that failed has left is not taken away."""

    def have(self, trial: Trial) -> str:
        """The verdict: passed, or why not."""
        place = self.visits / f"{trial.variant.name}-{trial.cell}".replace("/", "-")
        shutil.rmtree(place, ignore_errors=True)
        homes = {server.site.name: server.site.home for server in self.servers}
        through = trial.variant.through
        with (self.network.client if through else self.network.front).entered():
            visit = Visit(trial.cell, self._target(trial), place, self.large)
            complaint = measure(visit, homes)
        for home in homes.values():
            (home / visit.put).unlink(missing_ok=True)
        if not complaint:
            shutil.rmtree(place)
        return complaint or PASSED

    def _target(self, trial: Trial) -> Target:
        user = KINDS[trial.server][1]
        if trial.variant.through:
            host = self.network.front_at[trial.variant.client]
            at = Target(host, port(self.network, trial.variant), user, PASSWORD)
        else:
            at = Target(self.servers[0].site.host, self.network.port, user, PASSWORD)
        return attrs.evolve(at, tls=trial.variant.tls, ca=self.network.ca)


@contextmanager
def staged(
    network: Network, front: str, variants: list[Variant], kind: str, large: bytes, visits: Path
) -> Iterator[Stage]:
    """Servers `a` and `b` of this kind, and the front with a port for each variant.

    All variants reach servers by the same family, and in the same TLS. Servers live where any
    account may look, which the checkout need not be.
    """
    visits.mkdir(parents=True, exist_ok=True)
    addresses = network.servers_at[variants[0].server]
    through, tls = [variant for variant in variants if variant.through], variants[0].served
    with ExitStack() as stack:
        ground = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lb-stage-")))
        ground.chmod(0o755)
        with network.servers.entered():
            sites = [
                Site(name, host, network.port, ground / name, tls, network.pem)
                for name, host in zip("ab", addresses, strict=True)
            ]
            servers = [stack.enter_context(running(kind, site, large)) for site in sites]
        if through:
            stack.enter_context(standing(front, network, through, visits / "front"))
        yield Stage(network, servers, large, visits)
