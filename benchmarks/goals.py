"""What was to be reached: a ratio to a rival each. Pure."""

from __future__ import annotations

import attrs

from benchmarks.figures import Results, Spread, ratio

HAPROXY, SPLICE = "HAProxy", "HAProxy splice"


@attrs.frozen
class Goal:
    """Our figure, divided by this rival's."""

    title: str
    row: str
    figure: str
    against: str
    bound: float
    lower: bool = True
    """Whether the bound is the most, and not the least."""

    @property
    def words(self) -> str:
        return f"{'≤' if self.lower else '≥'} {self.bound:g}"

    def found(self, results: Results, ours: str) -> Spread | None:
        return ratio(results, self.row, self.figure, ours, self.against)

    def verdict(self, found: Spread | None) -> str:
        if found is None:
            return ""
        reached = found.median <= self.bound if self.lower else found.median >= self.bound
        return "✓" if reached else "✗"


BULK = [f"bulk-{way}-{connections}" for connections in (1, 16) for way in ("up", "down")]
TLS_BULK = ["tls-bulk-up", "tls-bulk-down"]
GOALS = (
    *(Goal(f"{row}: CPU per GiB", row, "cpu", SPLICE, 0.85) for row in BULK),
    *(Goal(f"{row}: throughput", row, "rate", SPLICE, 1.0, lower=False) for row in BULK),
    Goal("ping-pong, one connection: p50", "pingpong-1", "p50", HAPROXY, 1.5),
    Goal("ping-pong, 64 connections: CPU per message", "pingpong-64", "cpu", HAPROXY, 1.7),
    Goal("connections per second", "connect", "rate", HAPROXY, 0.6, lower=False),
    Goal("memory per idle session", "idle", "each-most", HAPROXY, 0.7),
    Goal("TLS handshake, ECDSA: CPU", "handshake-ecdsa", "cpu", HAPROXY, 1.3),
    Goal("TLS handshake, RSA: CPU", "handshake-rsa", "cpu", HAPROXY, 1.1),
    *(Goal(f"{row}: CPU per GiB", row, "cpu", HAPROXY, 1.25) for row in TLS_BULK),
)
