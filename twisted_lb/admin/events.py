"""Counts of what happened: facts in, Prometheus' counters and histograms out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from itertools import product
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from ..config.settings import Frontend
from ..facts import (
    AttackSeen,
    Checked,
    ConnectionEnded,
    Fact,
    Secured,
    ServerChanged,
    SessionEnded,
    TransferEnded,
)
from ..protocols.ftp.verbs import UPLOADS
from ..terms import ENDINGS

UP: Final = frozenset(verb.decode() for verb in UPLOADS)

CHECKS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: from a connect next door to a login that is slow."""

COUNTERS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "connections_ended_total": (
        "Client connections that are over, those that were turned away among them.",
        ("frontend", "ending"),
    ),
    "relayed_bytes_total": (
        "Bytes relayed for connections that are over; of FTP, what the control channel said.",
        ("frontend", "direction"),
    ),
    "sessions_ended_total": ("Sessions that are over.", ("group", "ending")),
    "ftp_transfers_total": ("FTP commands that moved data, or were to.", ("ending",)),
    "ftp_transferred_bytes_total": ("Bytes of FTP transfers that are over.", ("direction",)),
    "server_changes_total": (
        "Changes of how a server stands: up, down, ejected, drain, ready, weight …",
        ("backend", "server", "state"),
    ),
    "checks_total": ("Answers of checks.", ("backend", "server", "result")),
    "tls_handshakes_total": (
        "TLS handshakes that are done, with a peer that was taken.",
        ("side", "version", "resumed"),
    ),
    "attacks_total": ("What only an attacker or a broken peer does.", ("frontend", "kind")),
}


class Events:
    """Counts facts, each kind by its own method. The counter of each label's values is kept."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.expiries: dict[str, float] = {}
        """When the certificate of each server ends whose checks have seen one."""
        self._counters: dict[str, Callable[..., Counter]] = {
            name: cache(Counter(f"twisted_lb_{name}", meaning, labels, registry=registry).labels)
            for name, (meaning, labels) in COUNTERS.items()
        }
        durations = Histogram(
            "twisted_lb_check_duration_seconds",
            "How long checks took.",
            ["backend"],
            buckets=CHECKS,
            registry=registry,
        )
        self._durations = cache(durations.labels)
        self._by_kind: dict[type, Callable[[Any], None]] = {
            ConnectionEnded: self._connection,
            SessionEnded: self._session,
            TransferEnded: self._transfer,
            ServerChanged: self._server,
            Checked: self._check,
            Secured: self._handshake,
            AttackSeen: self._attack,
        }

    def __call__(self, fact: Fact) -> None:
        """Count it; facts that nobody counts are passed by."""
        count = self._by_kind.get(type(fact))
        if count is not None:
            count(fact)

    def expect(self, frontends: Iterable[Frontend]) -> None:
        """These may have connections, which may end in any way: none yet is 0, not missing.

        Else nobody would see the first, since `increase()` wants two figures of a series.
        """
        for frontend, ending in product(frontends, ENDINGS):
            self._counters["connections_ended_total"](frontend.name, ending)

    def _connection(self, fact: ConnectionEnded) -> None:
        self._counters["connections_ended_total"](fact.frontend, word(fact.ending)).inc()
        moved = self._counters["relayed_bytes_total"]
        if fact.from_client:
            moved(fact.frontend, "from_client").inc(fact.from_client)
        if fact.from_server:
            moved(fact.frontend, "from_server").inc(fact.from_server)

    def _session(self, fact: SessionEnded) -> None:
        self._counters["sessions_ended_total"](fact.group, word(fact.ending)).inc()

    def _transfer(self, fact: TransferEnded) -> None:
        self._counters["ftp_transfers_total"](word(fact.ending)).inc()
        direction = "from_client" if fact.command in UP else "from_server"
        self._counters["ftp_transferred_bytes_total"](direction).inc(fact.bytes)

    def _server(self, fact: ServerChanged) -> None:
        self._counters["server_changes_total"](*_named(fact.server), fact.state).inc()

    def _check(self, fact: Checked) -> None:
        backend, name = _named(fact.server)
        self._counters["checks_total"](backend, name, "good" if fact.ok else "bad").inc()
        self._durations(backend).observe(fact.seconds)
        if fact.expires is not None:
            self.expiries[fact.server] = fact.expires

    def _handshake(self, fact: Secured) -> None:
        resumed = "yes" if fact.resumed else "no"
        self._counters["tls_handshakes_total"](fact.side, fact.version, resumed).inc()

    def _attack(self, fact: AttackSeen) -> None:
        self._counters["attacks_total"](fact.frontend, fact.kind).inc()


def _named(server: str) -> tuple[str, str]:
    """Backend and server, whose names have no slash."""
    backend, _, name = server.partition("/")
    return backend, name


def word(ending: str) -> str:
    """An ending as a label: a plugin's protocol might say anything."""
    return ending if ending in ENDINGS else "other"
