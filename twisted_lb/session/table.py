"""The table of all sessions, and the rules by which it changes.

Sans-I/O. Connections come in as (group, key, role); out come orders to their channels: claim the
decision, dial the server, stop. Whoever holds the sockets obeys the orders and says what happened.

The rules (docs/sessions.md tells them at length):

 1. One key, one session. No key: `unkeyed`; a key of two sessions that are not on one server:
    `ambiguous`. A key that servers give (tls-session) opens no session by itself, a role may.
 2. A session without a pin is decided by one channel at a time, its claimant; the others wait.
    The candidate counts the session from the moment it is tried, so that a burst spreads.
 3. The claimant leaves: the channel that waited longest claims. No candidate left: all end.
 4. A pinned session never moves while it has a channel. A late channel goes to its server,
    whatever the server's standing; at maxconn it queues there.
 5. The last channel gone: the pin is kept for the linger. A new channel dials its server first;
    only if that refuses, the session is decided afresh. It brings the group's rules of its own day.
 6. The last principal's end ends the session: at once when its server was lost, else after a grace
    in which the others may finish and nothing new is admitted but another principal.
 7. The server dies: every channel ends with one word, and the keys are free again.
 8. The table is capped: a full one evicts lingering sessions, oldest first, never one in use.

| state     | open          | connected     | refused        | last one left    | server dies      |
|-----------|---------------|---------------|----------------|------------------|------------------|
| PINNING   | wait          | pin, all dial | next candidate | gone client-left | next candidate   |
| PINNED    | dial or queue | joined        | server-refused | lingering        | gone server-down |
| CLOSING   | refused       | -             | -              | gone             | gone server-down |
| LINGERING | dial or queue | -             | -              | -                | gone server-down |
| RETURNING | wait          | pin, all dial | decide afresh  | lingering        | decide afresh    |
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from ..config.settings import Group
from ..errors import Ended
from ..terms import ALONE, LEARNED, Ending, Key, Pin, Role, Server
from .deadlines import Deadlines
from .keys import KeyTable
from .places import Places
from .values import NOBODY, Channel, Claim, Drop, Gone, Orders, Place, Session, State, Stop

ASKING: Final = (State.PINNING, State.RETURNING)
"""No channel has reached a server yet: one asks, the others wait."""

LOST: Final = ("server-down", "server-closed")
"""How a principal ends that lost its server: so did the others."""


class Sessions:
    """The table of all sessions. Each verb returns the orders that follow from it.

    `owner` begins every session id, so that several tables (workers, nodes) stay apart; `secret`
    keys the digests that keys are stored as, so that nobody can aim at one slot of the table.
    """

    def __init__(self, *, capacity: int, secret: bytes, owner: str) -> None:
        self.capacity = capacity
        self._keys = KeyTable(secret)
        self._places = Places()
        self._deadlines = Deadlines()
        self._ids = (f"{owner}-{number:x}" for number in itertools.count(1))
        self._all: dict[str, Session] = {}
        # Ordered, because the first of a plain dict is slow to find when many before it are gone.
        self._lingering: OrderedDict[Session, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._all.values())

    def __reversed__(self) -> Iterator[Session]:
        return reversed(self._all.values())

    def get(self, id: str) -> Session | None:
        """The session of this id, if it lives."""
        return self._all.get(id)

    # -- a channel comes ----------------------------------------------------------------------

    def open(self, group: Group, key: Key | None, role: Role, now: float) -> tuple[Channel, Orders]:
        """A connection that shows `key`. Raises Ended: unkeyed, ambiguous, key-full, table-full."""
        known = self._find(group, key) if key is not None else None
        if known is not None:
            if known.state is State.LINGERING:
                known.group = group  # the rules may have changed while nobody was there
            return self.join(known, role, now)
        if key is not None and key.kind == LEARNED:
            key = None  # nobody gave it to anybody
        if key is None and not group.rule(role).opens:
            raise Ended("unkeyed", f"shows none of {', '.join(group.key)}")
        orders = self._make_room(now)
        session = Session(next(self._ids), group, now, LEARNED if key is None else key.kind)
        self._all[session.id] = session
        if key is not None:
            self._keys.hold(session, key)
        channel, more = self.join(session, role, now)
        return channel, orders + more

    def join(self, session: Session, role: Role, now: float) -> tuple[Channel, Orders]:
        """One more channel of a session that is known: found by key, or announced by itself.

        Raises Ended: key-full, or how the session ends when it is closing or gone.
        """
        reopened = session.state is State.CLOSING and session.group.rule(role).principal
        if session.state is State.GONE or (session.state is State.CLOSING and not reopened):
            raise Ended(session.word, "the session is closing")
        if len(session.channels) >= session.group.max_channels:
            raise Ended("key-full", f"{len(session.channels)} channels")
        session.total += 1
        channel = Channel(session, role, session.total)
        session.channels += (channel,)
        if reopened or session.state is State.LINGERING:
            self._revive(session)
        if session.state is State.PINNED:
            return channel, self._places.dial(channel)
        return channel, self._ask(session)

    def learn(self, session: Session, key: Key) -> None:
        """This key, seen from the server, also names the session from now on."""
        if session.state is not State.GONE:
            self._keys.hold(session, key)

    def _find(self, group: Group, key: Key) -> Session | None:
        """The session that this key names. Raises Ended: ambiguous."""
        holders = self._keys.find(group, key)
        if len(holders) > 1:
            servers = {None if s.state is State.PINNING else s.server for s in holders}
            if len(servers) > 1 or None in servers:
                raise Ended("ambiguous", f"{key.kind} key of {len(holders)} sessions")
        return holders[0] if holders else None

    def _revive(self, session: Session) -> None:
        """A new channel came in time: the linger or the grace ends nothing any more."""
        self._deadlines.clear(session)
        self._lingering.pop(session, None)
        lingered = session.state is State.LINGERING
        session.state, session.word = State.RETURNING if lingered else State.PINNED, "done"

    # -- the decision -------------------------------------------------------------------------

    def trying(self, channel: Channel, server: Server) -> None:
        """The claimant connects to this candidate; the candidate counts it at once."""
        assert channel.place is Place.CLAIMING, "only the claimant tries candidates"
        channel.session.tried |= {server}
        self._places.pin(channel.session, server)
        self._places.move(channel, Place.DIALLING)

    def connected(self, channel: Channel, now: float) -> Orders | None:
        """The channel's server answered. None: the attempt no longer counts, drop what came."""
        session = channel.session
        if channel.place is not Place.DIALLING:
            return None
        self._places.move(channel, Place.JOINED)
        if session.state not in ASKING:
            return []
        session.state = State.PINNED
        session.tried = NOBODY
        waiting = [c for c in session.channels if c.place is Place.WAITING]
        return [order for other in waiting for order in self._places.dial(other)]

    def refused(self, channel: Channel, now: float) -> Orders:
        """The channel's server did not answer: the claimant goes on, a late channel ends."""
        if channel.place is not Place.DIALLING:
            return []
        session = channel.session
        if session.state not in ASKING:
            return [Stop(channel, "server-refused"), *self.left(channel, "server-refused", now)]
        orders = self._places.move(channel, Place.CLAIMING)
        if session.state is State.RETURNING:
            return orders + self._decide_afresh(session)
        self._places.unpin(session)
        return orders

    def exhausted(self, channel: Channel, now: float) -> Orders:
        """The claimant found no candidate that answers: the session ends, with all who wait."""
        if channel.place is not Place.CLAIMING:
            return []
        return self.end(channel.session, "no-server", now)

    def _ask(self, session: Session) -> Orders:
        """Let the channel that has waited longest look for the server, if nobody is at it."""
        first = session.first
        if first.place is not Place.WAITING:
            return []
        if session.state is State.RETURNING:
            return self._places.dial(first)
        return [*self._places.move(first, Place.CLAIMING), Claim(first)]

    def _decide_afresh(self, session: Session) -> Orders:
        """The server that a returning session was on does not take it back."""
        asker = session.first
        drop: Orders = [Drop(asker)] if asker.place is Place.DIALLING else []
        orders = self._places.move(asker, Place.CLAIMING)
        server = self._places.unpin(session)
        assert server is not None, "a returning session has a server"
        session.state = State.PINNING
        session.tried |= {server}
        return [*drop, *orders, Claim(asker)]

    # -- a channel goes -----------------------------------------------------------------------

    def left(self, channel: Channel, word: Ending, now: float) -> Orders:
        """The channel is over, with this ending. Said again of the same channel: nothing."""
        if channel.place is Place.GONE:
            return []
        session, was = channel.session, channel.place
        session.channels = tuple(each for each in session.channels if each is not channel)
        closing = was is Place.JOINED and self._was_last_principal(channel)
        if closing:
            self._places.unqueue(session)
        orders = self._places.move(channel, Place.GONE)
        if closing:
            return orders + self._principal_left(session, word, now)
        if not session.channels:
            return orders + self._emptied(session, now)
        if session.state is State.PINNING and was is Place.DIALLING:
            # The candidate did not refuse: the next claimant may try it.
            session.tried -= {self._places.unpin(session)}
        return orders + (self._ask(session) if session.state in ASKING else [])

    def _was_last_principal(self, channel: Channel) -> bool:
        group, others = channel.session.group, channel.session.channels
        return group.rule(channel.role).principal and not any(
            group.rule(other.role).principal for other in others
        )

    def _principal_left(self, session: Session, word: Ending, now: float) -> Orders:
        """Rule 6. A server that is lost takes the others along; an orderly end lets them finish."""
        if word in LOST:
            return self.end(session, "server-down", now)
        if word == "internal-error" or not session.channels or not session.group.grace:
            return self.end(session, word, now)
        session.state, session.word = State.CLOSING, word
        self._deadlines.set(session, now + session.group.grace)
        orders: Orders = []
        for channel in session.channels:
            if channel.place is not Place.JOINED:
                orders += [Stop(channel, word), *self.left(channel, word, now)]
        return orders

    def _emptied(self, session: Session, now: float) -> Orders:
        if session.state is State.PINNING:
            return self.end(session, "client-left", now)
        due = max(now, session.elsewhere) + session.group.linger
        if session.state is State.CLOSING or due <= now:
            return self.end(session, session.word, now)
        self._linger(session, due)
        return []

    def _linger(self, session: Session, due: float) -> None:
        session.state = State.LINGERING
        self._lingering[session] = None
        self._deadlines.set(session, due)

    # -- a session or a server ends -----------------------------------------------------------

    def end(self, session: Session, word: Ending, now: float) -> Orders:
        """The session is over: every channel stops with this word, its keys are free."""
        if session.state is State.GONE:
            return []
        decided = session.state is not State.PINNING
        session.state, session.word = State.GONE, word
        self._places.unqueue(session)
        orders: Orders = []
        for channel in session.channels:
            orders += [Stop(channel, word), *self._places.move(channel, Place.GONE)]
        session.channels = ()
        server = self._places.unpin(session)
        session.server = server if decided else None
        self._deadlines.clear(session)
        self._lingering.pop(session, None)
        self._keys.release(session)
        del self._all[session.id]
        return [*orders, Gone(session, word, session.server)]

    def down(self, server: Server, *, end: bool, now: float) -> Orders:
        """A check says that this server is down; `end`: its living sessions end as well."""
        return self.evict(server, "server-down", now) if end else self.unavailable(server)

    def unavailable(self, server: Server) -> Orders:
        """The server went down or drains: whoever is just being decided for it tries the next."""
        orders: Orders = []
        for session in self._places.sessions(server):
            if session.state is State.PINNING:
                claimant = session.first
                orders += [Drop(claimant), *self._places.move(claimant, Place.CLAIMING)]
                self._places.unpin(session)
        return orders

    def room(self, server: Server) -> Orders:
        """The server's maxconn was raised: who queues for it may come."""
        return self._places.let_in(server)

    def evict(self, server: Server, word: Ending, now: float) -> Orders:
        """Every session on this server ends: it died, or the drain's deadline has come.

        A session of which no channel reached it yet is decided afresh.
        """
        orders = self.unavailable(server)
        sessions = self._places.sessions(server)
        for session in sessions:
            self._places.unqueue(session)
        for session in sessions:
            if session.state is State.RETURNING:
                orders += self._decide_afresh(session)
            else:
                orders += self.end(session, word, now)
        return orders

    def forget(self, server: Server, now: float) -> Orders:
        """The server is no one's any more: sessions that linger there are over."""
        lingering = [s for s in self._places.sessions(server) if s.state is State.LINGERING]
        return [order for session in lingering for order in self.end(session, "done", now)]

    # -- another process' table ---------------------------------------------------------------

    @property
    def secret(self) -> bytes:
        """What keys are stored by: whoever is told of our pins needs it."""
        return self._keys.secret

    def pins(self, lives: float, now: float) -> Iterator[Pin]:
        """What a process needs to bring later channels to their sessions' servers, when ours live
        for so many seconds yet. Whose key is their connection have no later ones."""
        for session in self._all.values():
            kept = session.state in (State.PINNED, State.RETURNING, State.LINGERING)
            if not kept or session.server is None or session.kind == ALONE:
                continue
            until = max(now + lives if session.channels else now, session.elsewhere)
            lingers = session.group.linger if session.due is None else session.due - until
            yield Pin(
                session.id,
                session.group.name,
                session.kind,
                tuple(digest.hex() for digest in session.digests),
                (session.server.backend, session.server.name, session.server.host),
                until - now,
                lingers,
            )

    def inherit(self, secret: bytes) -> None:
        """Store keys as the table did whose pins come. Only while there are no sessions."""
        assert not self._all, "their keys are stored already"
        self._keys = KeyTable(secret)

    def keep(self, pin: Pin, group: Group, server: Server, now: float) -> None:
        """A pin of another process' table: kept like one that lingers here."""
        if pin.session in self._all or len(self._all) >= self.capacity:
            return
        session = Session(pin.session, group, now, pin.kind)
        self._all[session.id] = session
        self._keys.restore(session, map(bytes.fromhex, pin.digests))
        self._places.pin(session, server)
        session.elsewhere = now + pin.lives
        self._linger(session, session.elsewhere + pin.lingers)

    # -- time and room ------------------------------------------------------------------------

    def next_due(self) -> float | None:
        """When `tick` has something to do next; None: nothing waits for time."""
        return self._deadlines.next()

    def tick(self, now: float) -> Orders:
        """End the sessions whose linger or grace is over."""
        orders: Orders = []
        while (session := self._deadlines.pop(now)) is not None:
            orders += self.end(session, session.word, now)
        return orders

    def _make_room(self, now: float) -> Orders:
        if len(self._all) < self.capacity:
            return []
        oldest = next(iter(self._lingering), None)
        if oldest is None:
            raise Ended("table-full", f"{len(self._all)} sessions, none of them lingering")
        return self.end(oldest, "done", now)
