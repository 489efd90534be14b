"""A whole balancer on a reactor without a network, and the metrics that watch it."""

from __future__ import annotations

from typing import Any

from tests.fakes import Wire, World
from tests.loopback.site import backend
from tests.promlint import families
from twisted_lb.admin.metrics import Metrics
from twisted_lb.config.settings import (
    Frontend,
    FtpRules,
    Group,
    Limits,
    RoleRule,
    ServerRule,
    Settings,
)
from twisted_lb.facts import Fact
from twisted_lb.observe import fanout
from twisted_lb.service import balancer
from twisted_lb.terms import Address

STARTED = 1_800_000_000.0
PEER = "203.0.113.77"
SERVERS = ("198.51.100.1", "198.51.100.2")


class Told:
    """Metrics that have heard these facts, and what they say by then."""

    def __init__(self, *facts: Fact) -> None:
        self.world = World()
        self.metrics = Metrics(self.world, STARTED)
        self.note = fanout(self.metrics)
        for fact in facts:
            self.note(fact)

    def value(self, name: str, **labels: str) -> float | None:
        """Of one series, as a scraper reads it; None: there is none."""
        for family in families(self.metrics.text()).values():
            for sample in family.samples:
                if sample.name == f"twisted_lb_{name}" and sample.labels == labels:
                    return sample.value
        return None


class Running(Told):
    """A balancer with two frontends, `ftp` and `any`, before two servers; the metrics watch it."""

    def __init__(self, *facts: Fact, **rules: Any) -> None:
        super().__init__(*facts)
        self.balancer = balancer(settings(**rules), self.world, self.note)  # type: ignore[arg-type]
        self.metrics.watch(self.balancer)
        self.balancer.startService()
        for ports in self.balancer.parts["ftp"].spoken.ports.values():  # type: ignore[attr-defined]
            ports.listen = World.listenTCP

    def comes(self, port: int, peer: str = PEER) -> Wire:
        """A client connects to the frontend of this port."""
        [listener] = [one for one in self.world.listeners if one.port == port]
        wire = listener.comes(peer)
        assert wire is not None
        return wire

    def joins(self, port: int = 3000, peer: str = PEER, greeting: bytes = b"") -> tuple[Wire, Wire]:
        """A client that reaches its server: both wires."""
        client = self.comes(port, peer)
        server = self.world.dialled[-1].answers()
        if greeting:
            server.says(greeting)
        return client, server


def settings(**rules: Any) -> Settings:
    """Port 2121 speaks FTP, port 3000 anything, of sessions by source that linger a minute."""
    own = {"control": RoleRule(True, 21), "data": RoleRule()}
    ftp = FtpRules(passive_ports=(40_000, 40_009), sticky=("source",))
    maxconn = rules.pop("maxconn", None)
    servers = tuple(
        ServerRule(name, host, maxconn=maxconn) for name, host in zip("ab", SERVERS, strict=True)
    )
    pool = backend("pool", **{"servers": servers, "balance": "first", **rules})
    return Settings(
        frontends=(
            Frontend("ftp", (Address("192.0.2.1", 2121),), "", "ftp", "ftp", "control", ftp=ftp),
            Frontend("any", (Address("192.0.2.1", 3000),), "", "opaque", "site"),
        ),
        groups={
            "ftp": Group("ftp", "pool", key=("connection",), linger=0.0, roles=own),
            "site": Group(
                "site",
                "pool",
                key=("source",),
                linger=60.0,
                max_channels=3,
                roles={"any": RoleRule(server_port=3000)},
            ),
        },
        backends={"pool": pool},
        limits=Limits(drain=0.0),
    )
