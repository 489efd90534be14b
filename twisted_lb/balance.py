"""Choosing: a pool of servers and a session's key in, the candidates in the order to try out.

Sans-I/O. The rules:

 1. Choosing gives every candidate in order, not one: who is refused goes on with the next.
 2. Only eligible servers are candidates: up, ready, not ejected, of some weight, and with room
    for as many channels as the session's group declares.
 3. Ejection never empties the pool. When every server that is fit has been ejected, the ejected
    ones are candidates again: to try one costs a connect, to try none costs the client.
 4. A policy sees weights as they are at this moment (slow start), never the configured ones.
 5. A policy that counts, counts what `Server` counts: the decision itself is counted when a
    candidate is tried, so that a burst spreads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from math import log
from typing import Final, Literal, Protocol

import attrs

from .config.settings import Backend, Eject
from .terms import Server

Choose = Callable[[int], int]
"""Chance: `choose(n)` gives any whole number from 0 to n - 1, each as likely."""

SLOW_START_FLOOR: Final = 0.05
"""A server that just came up gets at least this part of its weight: none would never warm it."""

GRAIN: Final = 1 << 52
"""How finely chance and hashes divide the interval from 0 to 1; a double holds it exactly."""


class Policy(Protocol):
    """How a backend's candidates are ordered: a value chosen by configuration."""

    def order(self, weights: Mapping[Server, float], key: str, now: float) -> list[Server]:
        """All the servers of `weights`, in the order to try.

        `weights` holds at least one server, in the configured order, each weight above 0.
        """


PolicyFactory = Callable[[Backend, Choose], Policy]


# -- who may be chosen ---------------------------------------------------------------------------


def fit(server: Server) -> bool:
    """Whether checks, operator and weight let it take new sessions."""
    return server.up and server.admin == "ready" and server.weight > 0


def ejected(server: Server, now: float) -> bool:
    """Whether connect failures keep new sessions away from it for now."""
    return now < server.ejected_until


def has_room(server: Server, reserve: int) -> bool:
    """Whether `reserve` more channels stay within its maxconn."""
    return server.maxconn is None or server.connections + reserve <= server.maxconn


def eligible(server: Server, now: float, reserve: int) -> bool:
    """Whether a new session, whose group declares `reserve` channels, may be decided for it."""
    return fit(server) and not ejected(server, now) and has_room(server, reserve)


def has_late(server: Server, reserve: int) -> bool:
    """Whether it takes what belongs to work that is under way there, as a drained server does."""
    return server.up and server.admin != "maintenance" and has_room(server, reserve)


def effective_weight(server: Server, slow_start: float, now: float) -> float:
    """Its weight now: rises in a straight line for `slow_start` seconds after it came up."""
    if server.up_since is None or slow_start <= 0:
        return float(server.weight)
    warm = (now - server.up_since) / slow_start
    return server.weight * min(1.0, max(SLOW_START_FLOOR, warm))


@attrs.frozen(eq=False)
class Pool:
    """One backend's servers, in the configured order, and how to choose among them."""

    servers: tuple[Server, ...]
    policy: Policy
    slow_start: float = 0.0

    def candidates(
        self,
        key: str,
        reserve: int,
        now: float,
        *,
        hint: Server | None = None,
    ) -> list[Server]:
        """The servers to try, in order; empty when there is none.

        `hint` is a remembered preference: first when it is a candidate anyway.
        """
        weights = self._weights(reserve, now)
        order = self.policy.order(weights, key, now) if weights else []
        if hint not in weights:
            return order
        return [hint, *(server for server in order if server is not hint)]

    def fail_back(self) -> bool:
        """New sessions return to the primary; False when the policy knows no primary."""
        if not isinstance(self.policy, First):
            return False
        self.policy.turn_to(self.servers[0])
        return True

    def _weights(self, reserve: int, now: float) -> dict[Server, float]:
        chosen = [s for s in self.servers if eligible(s, now, reserve)]
        if not chosen:  # rule 3
            chosen = [s for s in self.servers if fit(s) and has_room(s, reserve)]
        return {s: effective_weight(s, self.slow_start, now) for s in chosen}


# -- what connecting teaches ---------------------------------------------------------------------


def refused(server: Server, eject: Eject, now: float) -> bool:
    """A connect failed. True when this failure ejects the server.

    The row of failures outlives the ejection: the first one after it ejects again, so that a dead
    server costs one attempt per period, not `after` of them.
    """
    server.refusals += 1
    if not eject.after or server.refusals < eject.after or ejected(server, now):
        return False
    server.ejected_until = now + eject.period
    return True


def accepted(server: Server) -> None:
    """A connect succeeded: whatever failures taught before is out of date."""
    server.refusals = 0
    server.ejected_until = 0.0


# -- the policies --------------------------------------------------------------------------------


@attrs.define(eq=False)
class RoundRobin:
    """In turn, by weight, evenly spread: a 3 beside a 1 gives a a b a, never a a a b."""

    _credit: dict[Server, float] = attrs.field(factory=dict, init=False)

    def order(self, weights: Mapping[Server, float], key: str, now: float) -> list[Server]:
        """Each earns its weight; the richest goes first and pays what all have earned."""
        credit = {s: self._credit.get(s, 0.0) + weight for s, weight in weights.items()}
        order = sorted(credit, key=credit.__getitem__, reverse=True)
        credit[order[0]] -= sum(weights.values())
        self._credit = credit
        return order


@attrs.define(eq=False)
class Least:
    """The least loaded first, load being (count + 1) / weight: as if it had been chosen."""

    count: Callable[[Server], int]
    _turn: int = attrs.field(default=0, init=False)
    _last: dict[Server, int] = attrs.field(factory=dict, init=False)

    def order(self, weights: Mapping[Server, float], key: str, now: float) -> list[Server]:
        """Of equals, the one whose last turn is longest ago."""

        def rank(server: Server) -> tuple[float, int]:
            return (self.count(server) + 1) / weights[server], self._last.get(server, 0)

        order = sorted(weights, key=rank)
        self._turn += 1
        self._last[order[0]] = self._turn
        return order


def _arrival(point: int, weight: float) -> float:
    """When a racer of this weight arrives, `point` being its luck, below GRAIN.

    Sorting by it draws without replacement with odds as the weights, and one racer's time does not
    depend on who else runs: that is what keeps rendezvous hashing from moving bystanders.
    """
    return -log((point + 0.5) / GRAIN) / weight


class SourceHash:
    """Weighted rendezvous hashing: a key's order depends on the names and weights alone.

    The same on every node and after every restart; a server that leaves moves only its own keys.
    """

    def order(self, weights: Mapping[Server, float], key: str, now: float) -> list[Server]:
        """By each server's luck with this key."""
        salt = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()

        def arrival(server: Server) -> float:
            name = server.name.encode("utf-8", "surrogatepass")
            digest = blake2b(name, key=salt, digest_size=8).digest()
            return _arrival(int.from_bytes(digest, "big") >> 12, weights[server])

        return sorted(weights, key=arrival)


@attrs.frozen(eq=False)
class RandomTwo:
    """Two drawn at random by weight, the less loaded of them first, the rest as drawn."""

    choose: Choose

    def order(self, weights: Mapping[Server, float], key: str, now: float) -> list[Server]:
        """Nearly as even as `least-sessions`, without balancers that all rush to one server."""
        order = sorted(weights, key=lambda s: _arrival(self.choose(GRAIN), weights[s]))
        order[:2] = sorted(order[:2], key=lambda s: (s.sessions + 1) / weights[s])
        return order


@attrs.define(eq=False)
class First:
    """A primary with standbys, in the configured order: everybody on one server.

    `failback` says when new sessions return to an earlier server that came back: `manual` only by
    `turn_to`, `when-idle` when no session is left on the later one, `at-once`.
    """

    failback: Literal["manual", "when-idle", "at-once"]
    _current: Server | None = attrs.field(default=None, init=False)

    def order(self, weights: Mapping[Server, float], key: str, now: float) -> list[Server]:
        """The current one first; one that is merely full stays current, its overflow goes on."""
        servers = list(weights)
        if self.failback == "at-once":
            return servers
        # A new policy finds its place by where sessions live: a reload is no failback.
        current = self._current or next((s for s in servers if s.sessions), servers[0])
        lost = not fit(current) or ejected(current, now)
        if lost or (self.failback == "when-idle" and not current.sessions):
            current = servers[0]
        self._current = current
        return sorted(servers, key=lambda server: server is not current)

    def turn_to(self, server: Server) -> None:
        """An operator's word: new sessions go to this server from now on, while it is fit."""
        self._current = server


POLICIES: Final[Mapping[str, PolicyFactory]] = {
    "round-robin": lambda backend, choose: RoundRobin(),
    "least-sessions": lambda backend, choose: Least(lambda server: server.sessions),
    "least-connections": lambda backend, choose: Least(lambda server: server.connections),
    "source-hash": lambda backend, choose: SourceHash(),
    "random-two": lambda backend, choose: RandomTwo(choose),
    "first": lambda backend, choose: First(backend.failback),
}

KEYLESS: Final = frozenset(POLICIES) - {"source-hash"}
"""Those that do not look at the key."""


def policy(
    backend: Backend, choose: Choose, extra: Mapping[str, PolicyFactory] | None = None
) -> Policy:
    """The policy that the backend names; `extra` holds those of plugins.

    Raises KeyError for a name that nobody defines: the configuration was not checked.
    """
    factories = {**(extra or {}), **POLICIES}
    return factories[backend.balance](backend, choose)
