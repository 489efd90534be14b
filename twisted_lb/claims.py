"""The table of sessions with sockets behind it: every channel has a seat that its orders come to.

In: a route, or the announcement of a data channel. Out: a Seat, whose holder awaits its orders one
by one until it is joined, and is interrupted afterwards only to stop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from .config.settings import Group
from .ends import End
from .errors import Ended
from .facts import Announced, Note, SessionEnded
from .session import Channel, Drop, Gone, Order, Orders, Session, Sessions, State, Stop
from .terms import Ending, Key, Pin, Role, Server
from .wire.address import same

REFUSALS: Final = frozenset({"unkeyed", "ambiguous", "key-full", "table-full"})
"""Why there is no seat; any other word is how a session ends that is closing."""


class Counts(Protocol):
    """What knows how many bytes a channel has moved."""

    @property
    def from_client(self) -> int:
        """From the client to the server."""

    @property
    def from_server(self) -> int:
        """From the server to the client."""


class Seat:
    """A channel's place at the table: its orders wait here until they are asked for."""

    __slots__ = (
        "_attempt",
        "_orders",
        "_waiter",
        "channel",
        "interrupted",
        "joined",
        "on_stop",
        "told",
        "why",
    )

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.on_stop: Callable[[Ending], None] | None = None
        """Set by whoever joined the channel: how to end it."""
        self.joined: Counts | None = None
        """Set by whoever joined the channel: what it has moved so far."""
        self.interrupted = False
        """The attempt under way was given up by order, not because the client left."""
        self.told = b""
        """What the last server said that refused it."""
        self.why = ""
        """Which one that was, and why, for the log."""
        self._orders: tuple[Order, ...] = ()  # one or two, and none once it is joined
        self._waiter: Deferred[Order] | None = None
        self._attempt: Deferred[End] | None = None

    @property
    def session(self) -> Session:
        """The session it belongs to."""
        return self.channel.session

    def order(self) -> Deferred[Order]:
        """The next order, in turn."""
        if self._orders:
            return succeed(self._next())
        self._waiter = Deferred()
        return self._waiter

    def attempting(self, attempt: Deferred[End] | None) -> None:
        """What is to be cancelled when the attempt under way no longer counts."""
        self._attempt = attempt

    def hand(self, order: Order) -> None:
        """An order for this channel."""
        if isinstance(order, Stop) and self.on_stop is not None:
            self.on_stop(order.word)
            return
        if not isinstance(order, Drop):
            self._orders += (order,)
        if isinstance(order, (Drop, Stop)) and self._attempt is not None:
            attempt, self._attempt = self._attempt, None
            self.interrupted = True
            attempt.cancel()
        waiter = self._waiter
        if waiter is not None and self._orders:
            self._waiter = None
            if not waiter.called:  # it may have been given up
                waiter.callback(self._next())

    def _next(self) -> Order:
        order, *rest = self._orders
        self._orders = tuple(rest)
        return order


class Claims:
    """Sessions, and the seats of their channels. Every change of the table goes through here."""

    def __init__(self, sessions: Sessions, clock: IReactorTime, note: Note) -> None:
        self.sessions = sessions
        self.asked: Counter[tuple[str, Role, str]] = Counter()
        """Seats that were asked for, ever, by group, role and what came of it: `new`, `joined` or
        `returned` (of a session that lingered), `announced`, or why there was none."""
        self.astray = 0
        """Channels that were joined to another server than their session's, ever."""
        self._clock = clock
        self._note = note
        self._seats: dict[Channel, Seat] = {}
        self._timer: IDelayedCall | None = None

    async def claim(self, group: Group, key: Key | None, role: Role) -> Seat:
        """A seat in the session that this key names. Raises Ended with the refusal's word.

        Awaitable, because the table may be another process's one day.
        """
        try:
            channel, orders = self.sessions.open(group, key, role, self._clock.seconds())
        except Ended as why:
            self._turned_away(group, role, why)
            raise
        return self._sit(channel, orders, _found(channel))

    def join(self, session: Session, role: Role) -> Seat:
        """A seat for a channel that the session itself announced. Raises Ended."""
        try:
            channel, orders = self.sessions.join(session, role, self._clock.seconds())
        except Ended as why:
            self._turned_away(session.group, role, why)
            raise
        return self._sit(channel, orders, "announced")

    @property
    def living(self) -> int:
        """How many channels there are."""
        return len(self._seats)

    def seats(self, session: Session) -> Iterator[Seat]:
        """Those of its living channels, in order of arrival."""
        for channel in session.channels:
            yield self._seats[channel]

    def learn(self, session: Session, key: Key) -> None:
        """The session's server gave this key: it names the session from now on."""
        self.sessions.learn(session, key)

    def trying(self, seat: Seat, server: Server) -> None:
        """The seat's channel decides, and asks this server now."""
        self.sessions.trying(seat.channel, server)

    def connected(self, seat: Seat) -> bool:
        """The server answered. False: the attempt no longer counts, drop the connection."""
        orders = self.sessions.connected(seat.channel, self._clock.seconds())
        self._obey(orders or [])
        return orders is not None

    def joins(self, seat: Seat, host: str, server: Server | None = None) -> None:
        """The seat's channel is joined to this host, which `server` was asked at, if it was asked.

        Both must be its session's: here is looked, not trusted, and what is astray is counted.
        """
        session = seat.session
        right = server is None or server is session.server
        if right and (not session.address or same(host, session.address)):
            return
        self.astray += 1
        told = f"session {session.id} is on {session.server}, its {seat.channel.role} at {host}"
        self._note(Announced("astray", told))

    def refused(self, seat: Seat) -> None:
        """The server did not answer."""
        self._obey(self.sessions.refused(seat.channel, self._clock.seconds()))

    def exhausted(self, seat: Seat) -> None:
        """No candidate answered."""
        self._obey(self.sessions.exhausted(seat.channel, self._clock.seconds()))

    def left(self, seat: Seat, word: Ending) -> None:
        """The channel is over. Saying it twice does no harm."""
        self._seats.pop(seat.channel, None)
        self._obey(self.sessions.left(seat.channel, word, self._clock.seconds()))

    def end(self, session: Session, word: Ending) -> None:
        """End a session with all its channels."""
        self._obey(self.sessions.end(session, word, self._clock.seconds()))

    def end_all(self, word: Ending) -> None:
        """End every session."""
        for session in list(self.sessions):
            self.end(session, word)

    def down(self, server: Server, *, end: bool) -> None:
        """A check says that the server is down."""
        self._obey(self.sessions.down(server, end=end, now=self._clock.seconds()))

    def room(self, server: Server) -> None:
        """The server may have more connections than before."""
        self._obey(self.sessions.room(server))

    def unavailable(self, server: Server) -> None:
        """The server takes no new sessions from now on."""
        self._obey(self.sessions.unavailable(server))

    def forget(self, server: Server) -> None:
        """Who lingers on this server does not come back to it."""
        self._obey(self.sessions.forget(server, self._clock.seconds()))

    def evict(self, server: Server, word: Ending) -> None:
        """End every session on this server."""
        self._obey(self.sessions.evict(server, word, self._clock.seconds()))

    def keep(self, pin: Pin, group: Group, server: Server) -> None:
        """A session of another process: its later channels go to this server."""
        self.sessions.keep(pin, group, server, self._clock.seconds())
        self._wind()

    def stop(self) -> None:
        """No timer is left behind."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _turned_away(self, group: Group, role: Role, why: Ended) -> None:
        reason = why.word if why.word in REFUSALS else "closing"
        self.asked[group.name, role, reason] += 1

    def _sit(self, channel: Channel, orders: Orders, found: str) -> Seat:
        self.asked[channel.session.group.name, channel.role, found] += 1
        seat = self._seats[channel] = Seat(channel)
        self._obey(orders)
        return seat

    def _obey(self, orders: Orders) -> None:
        for order in orders:
            if isinstance(order, Gone):
                self._note(self._ended(order))
                continue
            seat = self._seats.get(order.channel)
            if seat is not None:
                seat.hand(order)
        self._wind()

    def _ended(self, gone: Gone) -> SessionEnded:
        session = gone.session
        server = str(gone.server or "")
        seconds = self._clock.seconds() - session.opened
        return SessionEnded(
            session.id,
            session.group.name,
            server,
            gone.word,
            seconds,
            session.total,
            session.kind,
        )

    def _wind(self) -> None:
        """Keep one timer, for whatever is due next."""
        due = self.sessions.next_due()
        if self._timer is not None and self._timer.active():
            if due is not None and self._timer.getTime() <= due:
                return
            self._timer.cancel()
        self._timer = None
        if due is not None:
            wait = max(0.0, due - self._clock.seconds())
            self._timer = self._clock.callLater(wait, self._tick)

    def _tick(self) -> None:
        self._obey(self.sessions.tick(self._clock.seconds()))


def _found(channel: Channel) -> str:
    """What its key led to."""
    session = channel.session
    if channel.number == 1:
        return "new"
    alone = len(session.channels) == 1
    return "returned" if alone and session.state is State.RETURNING else "joined"
