"""How many connections of one network may be on their way: the early drop of a flood. Sans-I/O.

In: who connects, who is joined or gone. Out: whether one more may come in.

Rules, which are those of sshd's MaxStartups, for each network apart (attack 12):
- Counted are connections that are not joined yet: they cost descriptors and show nothing for it.
- Below `start` all come in; from there `rate` percent are refused, in a straight line to all of
  them at `full`. Chance decides which, so that a flood cannot shut out the others of its network.
- A network is a /24 of IPv4 or a /64 of IPv6: what one attacker has many addresses of.
- Behind a proxy of ours the one that counts is whom its PROXY header names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from .config.settings import Startups
from .terms import Address
from .wire.address import ip

BITS: Final = {4: 24, 6: 64}
"""IP version → how many leading bits of an address make a network."""


class Admission:
    """The connections of one frontend that are not joined yet, by network.

    `choose(n)` gives any whole number from 0 to n - 1, each as likely.
    """

    def __init__(self, startups: Startups | None, choose: Callable[[int], int]) -> None:
        self._startups = startups
        self._choose = choose
        self._on_their_way: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._on_their_way)

    def admits(self, peer: Address) -> bool:
        """Whether one more of this peer's network may come in."""
        if self._startups is None:
            return True
        count = self._on_their_way.get(network(peer), 0)
        return self._choose(100) >= refused_percent(self._startups, count)

    def begun(self, peer: Address) -> None:
        """One came in."""
        if self._startups is not None:
            of = network(peer)
            self._on_their_way[of] = self._on_their_way.get(of, 0) + 1

    def settled(self, peer: Address) -> None:
        """One that came in is joined, or gone."""
        if self._startups is None:
            return
        of = network(peer)
        self._on_their_way[of] -= 1
        if not self._on_their_way[of]:
            del self._on_their_way[of]


def refused_percent(startups: Startups, count: int) -> float:
    """How many of a hundred are refused when `count` are on their way."""
    if count < startups.start:
        return 0.0
    if count >= startups.full:
        return 100.0
    way = (count - startups.start) / (startups.full - startups.start)
    return startups.rate + (100 - startups.rate) * way


def network(peer: Address) -> str:
    """The network of a peer; a unix socket's peers are all of one."""
    return _network(peer.host) if peer.host else ""


@lru_cache(4_096)
def _network(host: str) -> str:
    found = ip(host)
    return str(ipaddress.ip_network((found, BITS[found.version]), strict=False))
