"""A table of sessions in the hand: channels have names, orders are words, time stands still.

`Desk` says to the table what the I/O would say, and keeps what the table ordered: `heard()` gives
`claim 1`, `dial 2 a`, `drop 1`, `stop 2 drained`, `gone done a` …, channels by order of arrival.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from twisted_lb.config.settings import Group, RoleRule
from twisted_lb.errors import Ended
from twisted_lb.session import (
    Channel,
    Claim,
    Dial,
    Drop,
    Gone,
    Order,
    Orders,
    Place,
    Queue,
    Session,
    Sessions,
)
from twisted_lb.terms import ENDINGS, Key, Server

OPAQUE = Group("mail", "pool", linger=60.0)
"""Channels of one kind, none of them principal."""

GATEWAY = Group(
    "gateway",
    "pool",
    linger=60.0,
    grace=10.0,
    roles={"control": RoleRule(principal=True), "data": RoleRule(), "notification": RoleRule()},
)
"""Three channels, of which the control channel is principal."""


def farm(maxconn: int | None = None) -> tuple[Server, Server]:
    """Servers a and b."""
    return (
        Server("pool", "a", "10.0.0.1", maxconn=maxconn),
        Server("pool", "b", "10.0.0.2", maxconn=maxconn),
    )


class Desk:
    """One table, one group unless said otherwise, and the time."""

    def __init__(self, group: Group = OPAQUE, capacity: int = 100) -> None:
        self.sessions = Sessions(capacity=capacity, secret=b"secret", owner="w1")
        self.now = 1000.0
        self._group = group
        self._names: dict[Channel, str] = {}
        self._heard: list[str] = []
        self.queued: list[str] = []

    # -- channels -----------------------------------------------------------------------------

    def come(
        self,
        key: str = "alice",
        role: str = "any",
        kind: str = "source",
        group: Group | None = None,
    ) -> Channel:
        """A connection that shows this key."""
        shown = Key(kind, key)
        return self._named(self.sessions.open(group or self._group, shown, role, self.now))

    def announce(self, session: Session, role: str = "any") -> Channel:
        """A channel that the session itself announced."""
        return self._named(self.sessions.join(session, role, self.now))

    def trying(self, channel: Channel, server: Server) -> None:
        self.sessions.trying(channel, server)

    def connected(self, channel: Channel) -> bool:
        """False: the attempt no longer counts."""
        orders = self.sessions.connected(channel, self.now)
        self.told(orders or [])
        return orders is not None

    def refused(self, channel: Channel) -> None:
        self.told(self.sessions.refused(channel, self.now))

    def exhausted(self, channel: Channel) -> None:
        self.told(self.sessions.exhausted(channel, self.now))

    def left(self, channel: Channel, word: str = "done") -> None:
        self.told(self.sessions.left(channel, word, self.now))

    # -- servers, sessions and time -----------------------------------------------------------

    def down(self, server: Server, *, end: bool) -> None:
        self.told(self.sessions.down(server, end=end, now=self.now))

    def unavailable(self, server: Server) -> None:
        self.told(self.sessions.unavailable(server))

    def evict(self, server: Server) -> None:
        self.told(self.sessions.evict(server, "drained", self.now))

    def end(self, session: Session, word: str = "killed") -> None:
        self.told(self.sessions.end(session, word, self.now))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.told(self.sessions.tick(self.now))

    # -- short ways to a situation ------------------------------------------------------------

    def joined(self, server: Server, key: str = "alice", role: str = "any") -> Channel:
        """A new session that is pinned to this server, and its only channel."""
        channel = self.come(key, role)
        self.trying(channel, server)
        self.connected(channel)
        self.heard()
        return channel

    def late(self, key: str = "alice", role: str = "any") -> Channel:
        """One more channel of a pinned session, joined."""
        channel = self.come(key, role)
        assert self.connected(channel)
        self.heard()
        return channel

    def lingering(self, server: Server, key: str = "alice") -> Session:
        """A session that had a channel on this server, and has none now."""
        channel = self.joined(server, key)
        self.left(channel)
        return channel.session

    # -- orders -------------------------------------------------------------------------------

    def told(self, orders: Orders) -> None:
        """Note what the table ordered; who is told to queue stands in a list of its own."""
        queue = [order for order in orders if isinstance(order, Queue)]
        assert all(order.channel.place is Place.QUEUED for order in queue)
        self.queued += (self._names[order.channel] for order in queue)
        self._heard += (self._word(order) for order in orders if order not in queue)

    def heard(self) -> list[str]:
        """The orders since the last call."""
        heard, self._heard = self._heard, []
        return heard

    def _named(self, opened: tuple[Channel, Orders]) -> Channel:
        channel, orders = opened
        self._names[channel] = str(len(self._names) + 1)
        self.told(orders)
        return channel

    def _word(self, order: Order) -> str:
        if isinstance(order, Gone):
            return f"gone {order.word} {order.server.name if order.server else '-'}"
        name = self._names[order.channel]
        if isinstance(order, Claim):
            return f"claim {name}"
        if isinstance(order, Dial):
            return f"dial {name} {order.server.name}"
        return f"drop {name}" if isinstance(order, Drop) else f"stop {name} {order.word}"


def refusal(verb: Callable[[], object]) -> str:
    """The word that this is refused with."""
    with pytest.raises(Ended) as caught:
        verb()
    assert caught.value.word in ENDINGS
    return caught.value.word
