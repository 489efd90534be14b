"""Brings the two legs of an announced data channel together, however each of them is opened.

In: what a protocol machine asks for one data channel (listen or dial, for either side). Out: the
events that the machine is told, and a joined relay on the session's own server. Four cases, one
class: a leg is an End that stands, and when both stand they are joined, once the machine says so.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.python.failure import Failure

from .claims import Claims, Seat
from .dial import Refused
from .ends import End
from .errors import Ended
from .facility import logger
from .facts import Note
from .protocols.actions import Side
from .reactors import Reactor
from .relay import Idle, Joined, join
from .session import Queue, Session, Stop
from .terms import Address, Ending
from .ways import Awaited, Way

log = logger(__name__)


class Told(Protocol):
    """Who hears what becomes of the data channels: the conversation that announced them."""

    def listening(self, data: int, side: Side, address: Address) -> None:
        """The listener stands here."""

    def connected(self, data: int, side: Side) -> None:
        """The leg stands."""

    def secured(self, data: int, side: Side, version: str) -> None:
        """The leg is TLS of this version."""

    def failed(self, data: int, side: Side, word: Ending) -> None:
        """The leg could not be had, or not be secured."""

    def transferred(self, data: int, joined: Joined) -> None:
        """The joined channel ended."""


class Secure(Protocol):
    """How connections of either side come to be TLS."""

    def __call__(self, side: Side, end: End, data: bool) -> Coroutine[Any, Any, None]:
        """Secure an End that nobody receives; `data`: of a data channel. Raises Ended."""


async def insecure(side: Side, end: End, data: bool) -> None:
    """Where there is no TLS, no machine asks for it."""
    raise Ended("internal-error", "TLS was asked for where there is none")


@attrs.frozen
class Circle:
    """The control connection that data channels are announced on, and what they may use."""

    reactor: Reactor
    claims: Claims
    idle: Idle
    note: Note
    session: Session
    control: Mapping[Side, End]
    ways: Mapping[Side, Way]
    """How data connections come from either side."""
    timeout: float
    """How long a leg may take to come, or to answer."""
    stall: float | None
    header: Callable[[Seat], bytes]
    """What a server leg of ours says first (PROXY), or nothing."""
    secure: Secure = insecure
    strict: bool = False
    """Whether a leg that comes and cannot be secured is a stranger's: another one may come."""


class Meeting:
    """One announced data channel."""

    def __init__(self, number: int, circle: Circle, told: Told) -> None:
        self.number = number
        self._circle = circle
        self._told = told
        self._legs: dict[Side, End] = {}
        self._coming: dict[Side, Deferred[End]] = {}
        self._listeners: dict[Side, Awaited] = {}
        self._bare: set[Side] = set()
        """The sides whose leg is to be secured yet."""
        self._shaking: dict[End, Deferred[Ended | None]] = {}
        """Handshakes that have begun, each with what comes of it."""
        self._seat: Seat | None = None
        self._wanted = False
        self._joined: Joined | None = None
        self._over = False

    @property
    def joined(self) -> bool:
        """Whether bytes flow; from then on it ends by itself, or by `abort`."""
        return self._joined is not None

    # -- what the machine asks ----------------------------------------------------------------

    def listen(self, side: Side, private: bool = False) -> None:
        """Wait for the leg at an address of our own."""
        several = private and self._circle.strict
        self._mark(side, private)
        try:
            address, listener = self._circle.ways[side].listen(self._circle.timeout, several)
        except Ended as why:
            self._told.failed(self.number, side, why.word)
            return
        self._listeners[side] = listener
        self._await(side, self._accepted(side, listener))
        self._told.listening(self.number, side, address)

    def wait(self, side: Side, seconds: float | None) -> None:
        """A leg that is listened for may take so long from now on."""
        if side in self._listeners:
            self._listeners[side].wait(seconds)

    def dial(self, side: Side, address: Address, private: bool = False) -> None:
        """Open the leg to this address."""
        self._mark(side, private)
        self._await(side, self._dialled(side, address))

    def secure(self, side: Side) -> None:
        """Put TLS on the leg, which stands."""
        end = self._legs[side]
        end.on_lost = None
        self._await(side, self._secured(side, end))

    def join(self) -> None:
        """Let bytes flow as soon as both legs stand."""
        self._wanted = True
        self._join_if_due()

    async def _secured(self, side: Side, end: End) -> End:
        """The leg; where we are strict, another that comes in a stranger's place (attack 6)."""
        listener = self._listeners.get(side) if self._circle.strict else None
        while (why := await self._shake(side, end)) is not None:
            if listener is None:
                raise why
            end.abort()
            listener.wait(self._circle.timeout)
            end = self._legs[side] = await listener.again()
        if listener is not None:
            listener.close()
        self._bare.discard(side)
        return end

    def _shake(self, side: Side, end: End) -> Deferred[Ended | None]:
        """Begin a leg's handshake, unless it has begun."""
        if end not in self._shaking:
            self._shaking[end] = Deferred.fromCoroutine(self._shaken(side, end))
        return self._shaking[end]

    async def _shaken(self, side: Side, end: End) -> Ended | None:
        try:
            await self._circle.secure(side, end, True)
        except Ended as why:
            return why
        except CancelledError:
            return Ended("client-left")
        return None

    def _spoken_to(self, side: Side, end: End) -> None:
        """A client may begin its handshake before it has said what it wants (T63)."""
        if side in self._bare and end.held and not end.lost and not self._over:
            self._shake(side, end)

    def release(self) -> None:
        """Give up what does not stand joined yet; the machine hears no more of it."""
        if self._joined is None:
            self._leave("client-left")

    def abort(self) -> None:
        """End it now, joined or not."""
        if self._joined is not None:
            self._joined.stop("client-left")
        else:
            self._leave("client-left")

    # -- how a leg comes ----------------------------------------------------------------------

    def _mark(self, side: Side, private: bool) -> None:
        if private:
            self._bare.add(side)

    def _await(self, side: Side, coming: Coroutine[Any, Any, End]) -> None:
        leg = self._coming[side] = Deferred.fromCoroutine(coming)
        leg.addCallbacks(self._stands, self._fell, callbackArgs=(side,), errbackArgs=(side,))

    async def _accepted(self, side: Side, listener: Awaited) -> End:
        end = await listener.come
        if side is Side.SERVER:
            await self._admitted(end)
        return end

    async def _dialled(self, side: Side, address: Address) -> End:
        circle = self._circle
        if side is Side.CLIENT:
            return await circle.ways[side].dial(address, circle.timeout)
        seat = await self._seated()
        end = await circle.ways[side].dial(address, circle.timeout)
        circle.claims.connected(seat)
        if first := circle.header(seat):
            end.write(first)
        return end

    async def _admitted(self, end: End) -> None:
        """The server came to us: it counts like any other connection to it."""
        try:
            seat = await self._seated()
        except BaseException:
            end.abort()
            raise
        self._circle.claims.connected(seat)

    async def _seated(self) -> Seat:
        """A seat in the session, when its server has room for one more. Raises Ended."""
        seat = self._seat = self._circle.claims.join(self._circle.session, "data")
        order = await seat.order()
        if isinstance(order, Queue):
            try:
                order = await seat.order().addTimeout(self._circle.timeout, self._circle.reactor)
            except TimeoutError:
                raise Ended("too-slow", "the server stayed at maxconn") from None
        if isinstance(order, Stop):
            raise Ended(order.word)
        seat.on_stop = self._stopped
        return seat

    # -- what becomes of the legs -------------------------------------------------------------

    def _stands(self, end: End, side: Side) -> None:
        del self._coming[side]
        known = side in self._legs
        self._legs[side] = end
        end.on_lost = lambda: self._broke(side)
        if end.lost and self._fatal(side):
            self._broke(side)
            return
        if known:
            self._told.secured(self.number, side, end.tls_version)
        else:
            if side is Side.CLIENT and side in self._bare:
                end.more().addCallback(lambda _: self._spoken_to(side, end))
                self._spoken_to(side, end)
            self._told.connected(self.number, side)
        self._join_if_due()

    def _fell(self, failure: Failure, side: Side) -> None:
        del self._coming[side]
        if self._over:
            failure.trap(CancelledError, Ended, Refused)
            return
        error = failure.value
        if isinstance(error, Ended):
            word = error.word
        elif isinstance(error, Refused):
            word = "server-refused" if side is Side.SERVER else "client-left"
        else:
            log.failure("a leg of a data channel failed", failure)
            word = "internal-error"
        self._told.failed(self.number, side, word)

    def _broke(self, side: Side) -> None:
        """A leg that stood went away before it was joined."""
        if not self._over and self._fatal(side):
            self._told.failed(
                self.number, side, "server-closed" if side is Side.SERVER else "client-left"
            )

    def _fatal(self, side: Side) -> bool:
        """Whether the loss of this leg is the channel's. One that closed in order, as a short TLS
        transfer does, has said all; in the place of one that may be a stranger's another may come.
        """
        leg = self._legs[side]
        if side in self._bare and leg.tls is None:
            return not (self._circle.strict and side in self._listeners)
        return not leg.eof

    def _join_if_due(self) -> None:
        stand = len(self._legs) == 2 and not self._coming and not self._bare
        if stand and self._wanted and not self._over and not self.joined:
            self._join()

    def _join(self) -> None:
        circle, client, server = self._circle, self._legs[Side.CLIENT], self._legs[Side.SERVER]
        client.on_lost = server.on_lost = None
        assert self._seat is not None, "a server leg has a seat"
        circle.claims.joins(self._seat, server.peer.host)
        self._joined = join(client, server, circle.reactor, self._ended, eof_waits=True)
        assert self._seat is not None, "a server leg has a seat"
        self._seat.joined = self._joined
        circle.idle.watch(circle.session, self._joined, circle.stall)
        self._joined.start()

    def _ended(self, joined: Joined) -> None:
        self._over = True
        self._circle.idle.unwatch(self._circle.session, joined)
        assert self._seat is not None, "a server leg has a seat"
        self._circle.claims.left(self._seat, joined.ending)
        self._part(joined.ending, joined.from_client, joined.from_server)
        self._told.transferred(self.number, joined)

    def _part(self, word: Ending, from_client: int, from_server: int) -> None:
        for side, leg in self._legs.items():
            self._circle.ways[side].parted(leg, word, from_client, from_server)

    def _stopped(self, word: Ending) -> None:
        if self._joined is not None:
            self._joined.stop(word)
        else:
            self._leave(word)

    def _leave(self, word: Ending) -> None:
        if self._over:
            return
        self._over = True
        for coming in list(self._coming.values()):
            coming.cancel()
        for shaking in self._shaking.values():
            shaking.cancel()
        for listener in self._listeners.values():
            listener.close()
        for end in self._legs.values():
            end.abort()
        self._part(word, 0, 0)
        if self._seat is not None:
            self._circle.claims.left(self._seat, word)
