"""Metrics for Prometheus: facts and a balancer in, the text of a scrape out.

What happened is counted here, as an observer of facts; how things stand is read at a scrape
(`standing`). Labels are configured names and our own words, never what a peer sent: neither an
address nor a user can make a series. docs/metrics.md has every name. Needs prometheus-client, of
the extra `prometheus`.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import attrs
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import Metric
from twisted.internet.interfaces import IReactorTime

from ..facts import AttackSeen, ConnectionEnded, Fact, ServerChanged, SessionEnded, TransferEnded
from ..protocols.ftp.verbs import UPLOADS
from ..service import Balancer
from ..terms import ENDINGS
from .lag import Lag
from .standing import Standing

LAGS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: from nothing to what a client takes for a hang."""

UP: Final = frozenset(verb.decode() for verb in UPLOADS)


class Metrics:
    """The observer that counts for Prometheus; joined with others by `observe.fanout`.

    `clock` measures the event loop's lag, which `lag` does as a service while it runs; `started`
    is now, in seconds since 1970. The registry is its own where none is given.
    """

    content_type: Final = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(
        self, clock: IReactorTime, started: float, registry: CollectorRegistry | None = None
    ) -> None:
        self.registry = registry or CollectorRegistry()
        self._events = _Events(self.registry)
        self._configuration = _Configuration(self.registry, started)
        self._counts: dict[type, Callable[[Any], None]] = {
            ConnectionEnded: self._events.connection,
            SessionEnded: self._events.session,
            TransferEnded: self._events.transfer,
            ServerChanged: self._events.server,
            AttackSeen: self._events.attack,
        }
        lag = Histogram(
            "twisted_lb_event_loop_lag_seconds",
            "How much later than asked for the event loop called back, twice a second.",
            buckets=LAGS,
            registry=self.registry,
        )
        self.lag = Lag(clock, lag.observe)
        self._clock = clock
        _build(self.registry)

    def __call__(self, fact: Fact) -> None:
        """Count it; facts that are not about counts are passed by."""
        count = self._counts.get(type(fact))
        if count is not None:
            count(fact)

    def watch(self, balancer: Balancer) -> None:
        """Tell of this balancer, too: how it stands at each scrape, and the lag while it runs."""
        self.registry.register(Standing(balancer, self._clock))
        self.lag.setServiceParent(balancer)

    def reloaded(self, ok: bool, when: float) -> None:
        """The configuration was read anew, and is in force or was refused; seconds since 1970."""
        self._configuration.reloaded(ok, when)

    def text(self) -> bytes:
        """What a scrape is answered, of `content_type`."""
        return generate_latest(_Exposed(self.registry))


class _Events:
    """Counts of what happened, each kind of fact by its own method."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counted(name: str, meaning: str, *labels: str) -> Callable[..., Counter]:
            """Labels' values → the counter of these, which is kept."""
            return cache(Counter(f"twisted_lb_{name}", meaning, labels, registry=registry).labels)

        self._connections = counted(
            "connections_ended_total",
            "Client connections that are over, those that were turned away among them.",
            "frontend",
            "ending",
        )
        self._bytes = counted(
            "relayed_bytes_total",
            "Bytes relayed for connections that are over; of FTP, what the control channel said.",
            "frontend",
            "direction",
        )
        self._sessions = counted(
            "sessions_ended_total", "Sessions that are over.", "group", "ending"
        )
        self._transfers = counted(
            "ftp_transfers_total", "FTP commands that moved data, or were to.", "ending"
        )
        self._transferred = counted(
            "ftp_transferred_bytes_total", "Bytes of FTP transfers that are over.", "direction"
        )
        self._servers = counted(
            "server_changes_total",
            "Changes of how a server stands: up, down, ejected, drain, ready, weight …",
            "backend",
            "server",
            "state",
        )
        self._attacks = counted(
            "attacks_total", "What only an attacker or a broken peer does.", "frontend", "kind"
        )

    def connection(self, fact: ConnectionEnded) -> None:
        self._connections(fact.frontend, word(fact.ending)).inc()
        if fact.from_client:
            self._bytes(fact.frontend, "from_client").inc(fact.from_client)
        if fact.from_server:
            self._bytes(fact.frontend, "from_server").inc(fact.from_server)

    def session(self, fact: SessionEnded) -> None:
        self._sessions(fact.group, word(fact.ending)).inc()

    def transfer(self, fact: TransferEnded) -> None:
        self._transfers(word(fact.ending)).inc()
        direction = "from_client" if fact.command in UP else "from_server"
        self._transferred(direction).inc(fact.bytes)

    def server(self, fact: ServerChanged) -> None:
        backend, _, name = fact.server.partition("/")
        self._servers(backend, name, fact.state).inc()

    def attack(self, fact: AttackSeen) -> None:
        self._attacks(fact.frontend, fact.kind).inc()


class _Configuration:
    """Which configuration is in force; the one of the start is generation 1."""

    def __init__(self, registry: CollectorRegistry, started: float) -> None:
        self._reloads = Counter(
            "twisted_lb_reloads_total",
            "How often the configuration was to be read anew.",
            ["result"],
            registry=registry,
        )
        self._good, self._bad = self._reloads.labels("ok"), self._reloads.labels("refused")
        self._last = Gauge(
            "twisted_lb_last_reload_successful",
            "1: the last reload was put in force, or there was none; 0: it was refused.",
            registry=registry,
        )
        self._when = Gauge(
            "twisted_lb_reload_success_timestamp_seconds",
            "Since when the configuration in force is: the start's, or the last good reload's.",
            registry=registry,
        )
        self._generation = Gauge(
            "twisted_lb_generation",
            "The how-manieth configuration since the start is in force.",
            registry=registry,
        )
        self._last.set(1)
        self._when.set(started)
        self._generation.set(1)

    def reloaded(self, ok: bool, when: float) -> None:
        (self._good if ok else self._bad).inc()
        self._last.set(ok)
        if ok:
            self._when.set(when)
            self._generation.inc()


@attrs.frozen
class _Exposed:
    """A registry without what OpenMetrics alone has: when each series of a counter began."""

    registry: CollectorRegistry

    # prometheus_client's Collector

    def collect(self) -> Iterator[Metric]:
        for family in self.registry.collect():
            family.samples = [one for one in family.samples if not one.name.endswith("_created")]
            yield family


def word(ending: str) -> str:
    """An ending as a label: a plugin's protocol might say anything."""
    return ending if ending in ENDINGS else "other"


def _build(registry: CollectorRegistry) -> None:
    info = Gauge(
        "twisted_lb_build_info",
        "1; the labels say what runs.",
        ["version", "python", "twisted"],
        registry=registry,
    )
    info.labels(_version("twisted-lb"), platform.python_version(), _version("twisted")).set(1)


def _version(package: str) -> str:
    """A checkout that is only put on the path has none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
