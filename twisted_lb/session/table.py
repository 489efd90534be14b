"""The table of all sessions, and the rules by which it changes.

Sans-I/O. Connections come in as (group, key, role); out come orders to their channels: claim the
decision, dial the server, stop. Whoever holds the sockets obeys the orders and says what happened.

The rules (docs/sessions.md tells them at length):

 1. One key, one session. No key: `unkeyed`; a key of two sessions that are on different servers:
    `ambiguous`.
 2. A session without a pin is decided by one channel at a time, its claimant; the others wait.
    The candidate counts the session from the moment it is tried, so that a burst spreads.
 3. The claimant leaves: the channel that waited longest claims. No candidate left: all end.
 4. A pinned session never moves while it has a channel. A late channel goes to its server,
    whatever the server's standing; at maxconn it queues there.
 5. The last channel gone: the pin is kept for the linger, and a new channel asks it first.
 6. The principal's end ends the session: at once when its server was lost, else after a grace in
    which the others may finish and nothing new is admitted.
 7. The server dies: every channel ends with one word, and the keys are free again.
 8. The table is capped: a full one evicts lingering sessions, oldest first, never one in use.

| state     | open          | connected     | refused        | last one left    | server dies      |
|-----------|---------------|---------------|----------------|------------------|------------------|
| PINNING   | wait          | pin, all dial | next candidate | gone client-left | next candidate   |
| PINNED    | dial or queue | joined        | server-refused | lingering        | gone server-down |
| CLOSING   | refused       | -             | -              | gone             | gone server-down |
| LINGERING | ask old first | -             | -              | -                | gone server-down |
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterator

from ..config.settings import Group
from ..errors import Ended
from ..terms import Ending, Key, Role, Server
from .keys import KeyTable
from .values import Channel, Claim, Dial, Drop, Gone, Orders, Place, Session, State, Stop


class Sessions:
    """The table of all sessions. Each verb returns the orders that follow from it.

    `owner` begins every session id, so that several tables (workers, nodes) stay apart; `secret`
    keys the digests that keys are stored as, so that nobody can aim at one slot of the table.
    """

    def __init__(self, *, capacity: int, secret: bytes, owner: str) -> None:
        self.capacity = capacity
        self._keys = KeyTable(secret)
        self._ids = (f"{owner}-{number:x}" for number in itertools.count(1))
        self._all: dict[str, Session] = {}
        self._by_server: dict[Server, dict[Session, None]] = {}
        self._lingering: dict[Session, None] = {}
        self._queued: dict[Server, deque[Channel]] = {}
        self._due: list[tuple[float, int, Session]] = []
        self._ticket = itertools.count()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._all.values())

    def get(self, id: str) -> Session | None:
        """The session of this id, if it lives."""
        return self._all.get(id)

    # -- a channel comes ----------------------------------------------------------------------

    def open(self, group: Group, key: Key | None, role: Role, now: float) -> tuple[Channel, Orders]:
        """A connection that shows `key`. Raises Ended: unkeyed, ambiguous, key-full, table-full."""
        if key is None:
            raise Ended("unkeyed", f"shows none of {', '.join(group.key)}")
        holders = self._keys.find(group, key)
        if len({session.server for session in holders}) > 1:
            raise Ended("ambiguous", f"{key.kind} key of {len(holders)} sessions")
        if holders:
            return self.join(holders[0], role, now)
        orders = self._make_room()
        session = Session(next(self._ids), group, now)
        self._all[session.id] = session
        self._keys.hold(session, key)
        channel, more = self.join(session, role, now)
        return channel, orders + more

    def join(self, session: Session, role: Role, now: float) -> tuple[Channel, Orders]:
        """One more channel of a session that is known: found by key, or announced by itself."""
        if session.state in (State.CLOSING, State.GONE):
            raise Ended(session.word, "the session is closing")
        if len(session.channels) >= session.group.max_channels:
            raise Ended("key-full", f"{len(session.channels)} channels")
        session.total += 1
        channel = Channel(session, role, session.total)
        session.channels[channel.number] = channel
        if session.state is State.PINNED:
            return channel, self._dial(channel)
        if session.state is State.LINGERING:
            return channel, self._return(channel)
        return channel, self._claim(session)

    def learn(self, session: Session, key: Key) -> None:
        """This key, seen from the server, also names the session from now on."""
        if session.state is not State.GONE:
            self._keys.hold(session, key)

    # -- the decision -------------------------------------------------------------------------

    def trying(self, channel: Channel, server: Server) -> None:
        """The claimant connects to this candidate; the candidate counts it at once."""
        session = channel.session
        session.tried.add(server)
        self._pin(session, server)
        self._place(channel, Place.DIALLING)

    def connected(self, channel: Channel, now: float) -> Orders | None:
        """The channel's server answered. None: the attempt no longer counts, drop what came."""
        session = channel.session
        if channel.place is not Place.DIALLING:
            return None
        self._place(channel, Place.JOINED)
        if session.state is not State.PINNING:
            return []
        session.state = State.PINNED
        session.tried.clear()
        session.preferred = None
        waiting = [c for c in session.channels.values() if c.place is Place.WAITING]
        return [order for other in waiting for order in self._dial(other)]

    def refused(self, channel: Channel, now: float) -> Orders:
        """The channel's server did not answer: the claimant goes on, a late channel ends."""
        if channel.place is not Place.DIALLING:
            return []
        session = channel.session
        if session.state is State.PINNING:
            orders = self._place(channel, Place.CLAIMING)
            self._unpin(session)
            return orders
        return [Stop(channel, "server-refused"), *self.left(channel, "server-refused", now)]

    def exhausted(self, channel: Channel, now: float) -> Orders:
        """The claimant found no candidate that answers: the session ends, with all who wait."""
        if channel.place is not Place.CLAIMING:
            return []
        return self.end(channel.session, "no-server", now)

    # -- a channel goes -----------------------------------------------------------------------

    def left(self, channel: Channel, word: Ending, now: float) -> Orders:
        """The channel is over, with this ending. Said again of the same channel: nothing."""
        if channel.place is Place.GONE:
            return []
        session, was = channel.session, channel.place
        deciding = session.state is State.PINNING and was in (Place.CLAIMING, Place.DIALLING)
        del session.channels[channel.number]
        orders = self._place(channel, Place.GONE)
        rule = session.group.roles.get(channel.role)
        if rule is not None and rule.principal and was is Place.JOINED:
            return orders + self._principal_left(session, word, now)
        if not session.channels:
            return orders + self._emptied(session, now)
        if deciding:
            self._unpin(session)
            orders += self._claim(session)
        return orders

    def _principal_left(self, session: Session, word: Ending, now: float) -> Orders:
        """Rule 6. A server that is lost takes the others along; an orderly end lets them finish."""
        lost = word in ("server-down", "server-closed", "internal-error")
        if lost or not session.channels or not session.group.grace:
            return self.end(session, "server-down" if lost else word, now)
        session.state = State.CLOSING
        session.word = word
        self._schedule(session, now + session.group.grace)
        return self._stop_unjoined(session, word, now)

    def _stop_unjoined(self, session: Session, word: Ending, now: float) -> Orders:
        orders: Orders = []
        for channel in list(session.channels.values()):
            if channel.place not in (Place.JOINED, Place.GONE):
                orders += [Stop(channel, word), *self.left(channel, word, now)]
        return orders

    def _emptied(self, session: Session, now: float) -> Orders:
        if session.state is State.PINNING:
            return self.end(session, "client-left", now)
        if session.state is State.CLOSING or not session.group.linger:
            return self.end(session, session.word, now)
        session.state = State.LINGERING
        self._lingering[session] = None
        self._schedule(session, now + session.group.linger)
        return []

    # -- a session or a server ends -----------------------------------------------------------

    def end(self, session: Session, word: Ending, now: float) -> Orders:
        """The session is over: every channel stops with this word, its keys are free."""
        if session.state is State.GONE:
            return []
        orders: Orders = []
        session.state, session.word, session.due = State.GONE, word, None
        # Those who queue go first, or the places of the others would be offered to them.
        queued_first = sorted(session.channels.values(), key=lambda c: c.place is not Place.QUEUED)
        for channel in queued_first:
            orders.append(Stop(channel, word))
            orders += self._place(channel, Place.GONE)
        session.channels.clear()
        server = session.server
        self._unpin(session)
        self._lingering.pop(session, None)
        self._keys.release(session)
        del self._all[session.id]
        return [*orders, Gone(session, word, server)]

    def down(self, server: Server, *, end: bool, now: float) -> Orders:
        """A check says that this server is down; `end`: its living sessions end as well."""
        orders = self.unavailable(server)
        if not end:
            return orders
        for session in list(self._by_server.get(server, ())):
            if session.state is not State.PINNING:
                orders += self.end(session, "server-down", now)
        return orders

    def unavailable(self, server: Server) -> Orders:
        """The server went down or drains: whoever is just being decided for it tries the next."""
        orders: Orders = []
        for session in list(self._by_server.get(server, ())):
            if session.state is State.PINNING:
                claimant = self._claimant(session)
                orders += self._place(claimant, Place.CLAIMING)
                self._unpin(session)
                orders.append(Drop(claimant))
        return orders

    def evict(self, server: Server, word: Ending, now: float) -> Orders:
        """Every session that is pinned to this server ends: the drain's deadline has come."""
        orders: Orders = []
        for session in list(self._by_server.get(server, ())):
            orders += self.end(session, word, now)
        return orders

    # -- time ---------------------------------------------------------------------------------

    def next_due(self) -> float | None:
        """When `tick` has something to do next; None: nothing waits for time."""
        while self._due and self._due[0][2].due != self._due[0][0]:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def tick(self, now: float) -> Orders:
        """End the sessions whose linger or grace is over."""
        orders: Orders = []
        while (due := self.next_due()) is not None and due <= now:
            session = heapq.heappop(self._due)[2]
            orders += self.end(session, session.word, now)
        return orders

    def _schedule(self, session: Session, due: float) -> None:
        session.due = due
        heapq.heappush(self._due, (due, next(self._ticket), session))

    # -- room ---------------------------------------------------------------------------------

    def _make_room(self) -> Orders:
        if len(self._all) < self.capacity:
            return []
        oldest = next(iter(self._lingering), None)
        if oldest is None:
            raise Ended("table-full", f"{len(self._all)} sessions, none of them lingering")
        return self.end(oldest, "done", oldest.opened)

    # -- pins, places and counts: the only lines that change them -----------------------------

    def _claimant(self, session: Session) -> Channel:
        return next(
            c for c in session.channels.values() if c.place in (Place.CLAIMING, Place.DIALLING)
        )

    def _claim(self, session: Session) -> Orders:
        """Let the channel that has waited longest decide, if nobody is at it."""
        places = [c.place for c in session.channels.values()]
        if Place.CLAIMING in places or Place.DIALLING in places:
            return []
        first = next(iter(session.channels.values()))
        first.place = Place.CLAIMING
        return [Claim(first)]

    def _return(self, channel: Channel) -> Orders:
        """A channel of a lingering session: its server is asked first, however it stands."""
        session, server = channel.session, channel.session.server
        assert server is not None, "a lingering session has a server"
        self._lingering.pop(session)
        session.due = None
        if server.full:
            session.state = State.PINNED
            return self._dial(channel)
        self._unpin(session)
        session.preferred = server
        session.state = State.PINNING
        return self._claim(session)

    def _dial(self, channel: Channel) -> Orders:
        """A channel of a pinned session: to the server, or into its queue."""
        server = channel.session.server
        assert server is not None, "a pinned session has a server"
        if server.full:
            channel.place = Place.QUEUED
            self._queued.setdefault(server, deque()).append(channel)
            return []
        self._place(channel, Place.DIALLING)
        return [Dial(channel, server)]

    def _pin(self, session: Session, server: Server) -> None:
        session.server = server
        server.sessions += 1
        self._by_server.setdefault(server, {})[session] = None

    def _unpin(self, session: Session) -> None:
        server = session.server
        if server is None:
            return
        server.sessions -= 1
        del self._by_server[server][session]
        if not self._by_server[server]:
            del self._by_server[server]
        session.server = None

    def _place(self, channel: Channel, place: Place) -> Orders:
        """Move a channel, keep its server's count, and let the queue in when room comes."""
        before, server = channel.counted, channel.session.server
        if channel.place is Place.QUEUED:
            assert server is not None, "queued for a server"
            self._unqueue(channel, server)
        channel.place = place
        if server is None or before == channel.counted:
            return []
        server.connections += 1 if channel.counted else -1
        return [] if channel.counted else self._let_in(server)

    def _let_in(self, server: Server) -> Orders:
        queue = self._queued.get(server)
        if not queue or server.full:
            return []
        channel = queue[0]
        self._unqueue(channel, server)
        channel.place = Place.WAITING
        return self._dial(channel)

    def _unqueue(self, channel: Channel, server: Server) -> None:
        queue = self._queued[server]
        queue.remove(channel)
        if not queue:
            del self._queued[server]
