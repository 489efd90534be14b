"""What was to be reached: a ratio to a rival each. Pure."""

from __future__ import annotations

import attrs

from benchmarks.figures import Results, Spread, ratio

HAPROXY, SPLICE, MOD_PROXY = "HAProxy", "HAProxy splice", "mod_proxy"


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


BULK = {
    f"bulk-{way}-{connections}": f"bulk {way}, {connections} connection{'s' * (connections > 1)}"
    for connections in (1, 16)
    for way in ("up", "down")
}
GOALS = (
    *(Goal(f"{title}: CPU per GiB", row, "cpu", SPLICE, 0.85) for row, title in BULK.items()),
    *(
        Goal(f"{title}: throughput", row, "rate", SPLICE, 1, lower=False)
        for row, title in BULK.items()
    ),
    Goal("64 bytes to and fro, 1 connection: p50", "pingpong-1", "p50", HAPROXY, 1.5),
    Goal("64 bytes to and fro, 64 connections: CPU each", "pingpong-64", "cpu", HAPROXY, 1.7),
    Goal("connections per second", "connect", "rate", HAPROXY, 0.6, lower=False),
    Goal("memory per idle session", "idle", "each-most", HAPROXY, 0.7),
    Goal("TLS handshake, ECDSA: CPU", "handshake-ecdsa", "cpu", HAPROXY, 1.3),
    Goal("TLS handshake, RSA: CPU", "handshake-rsa", "cpu", HAPROXY, 1.1),
    Goal("TLS bulk up: CPU per GiB", "tls-bulk-up", "cpu", HAPROXY, 1.25),
    Goal("TLS bulk down: CPU per GiB", "tls-bulk-down", "cpu", HAPROXY, 1.25),
    Goal("FTP RETR: CPU per GiB", "ftp-retr", "cpu", MOD_PROXY, 0.5),
    Goal("FTP small files per second", "ftp-small", "rate", MOD_PROXY, 2.0, lower=False),
    Goal("FTP logins per second", "ftp-login", "rate", MOD_PROXY, 2.0, lower=False),
    Goal("FTPS RETR: CPU per GiB", "ftps-retr", "cpu", MOD_PROXY, 1.0),
    Goal("FTPS small files per second", "ftps-small", "rate", MOD_PROXY, 1.5, lower=False),
    Goal("FTPS logins per second", "ftps-login", "rate", MOD_PROXY, 1.5, lower=False),
)
