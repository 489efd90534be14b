"""Relays on our own sockets: bulk goes from kernel to kernel by splice(2), the rest is read and
sent.

In: two Ends on sockets of ours; their transports are left behind. Out: one ending.

Rules, the same as of the other way:
- What cannot be sent waits, and nothing more is read before it is gone: back-pressure.
- The end of one side is passed on when everything before it was sent.
- A reset of one side is a reset of the other, unless its last byte had come: then the other side
  still gets all of it, and what it says itself is read and dropped.
- When both have said all, and it was sent, both are closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ..ends import End
from ..sockets import Loop, SocketTransport
from ..terms import Ending
from .flow import Side
from .joined import FLUSH_TIMEOUT, Joined, Watching


class SocketsJoined:
    """A channel between two sockets of ours. See `joined.Joined`."""

    __slots__ = (
        "_client",
        "_clock",
        "_eof_waits",
        "_flush",
        "_loop",
        "_on_end",
        "_over",
        "_resets",
        "_server",
        "_taken",
        "ending",
        "moved",
    )

    def __init__(
        self,
        client: End,
        server: End,
        clock: IReactorTime,
        on_end: Callable[[Joined], None],
        *,
        eof_waits: bool = False,
        watch: Watching | None = None,
        overhear: Watching | None = None,
    ) -> None:
        self.ending: Ending = ""
        self.moved = clock.seconds()
        self._taken = 0
        self._clock = clock
        self._eof_waits = eof_waits
        self._on_end = on_end
        self._over = False
        self._resets: Sequence[Callable[[], None]] = ()
        """What is to be done when the end was told."""
        self._flush: IDelayedCall | None = None
        self._loop = loop_of(client)
        self._client = Side(self, client, "client-left", overhear)
        self._server = Side(self, server, "server-closed", watch)
        self._client.other, self._server.other = self._server, self._client

    @property
    def from_client(self) -> int:
        return self._client.count

    @property
    def from_server(self) -> int:
        return self._server.count

    def start(self) -> None:
        for side in (self._client, self._server):
            side.take_over()
        for side in (self._client, self._server):
            if side.lost and not self._over:
                self._went(side)
        for side in (self._client, self._server):
            if not self._over:
                side.move()

    def look(self) -> None:
        taken = sum(side.taken for side in (self._client, self._server))
        if taken != self._taken:
            self._taken = taken
            self.moved = self._clock.seconds()

    def stop(self, word: Ending) -> None:
        self._end(word)
        self._abort()

    # -- told by the sides --------------------------------------------------------------------

    @property
    def loop(self) -> Loop:
        """Who tells of both sockets."""
        return self._loop

    def has_moved(self) -> None:
        """Bytes came."""
        self.moved = self._clock.seconds()

    def ended(self, side: Side) -> None:
        """The last byte of this side has come."""
        if side.other.done:
            self._set_deadline()
        if self._eof_waits:
            side.waits = self._clock.callLater(0, self._waited, side)
        else:
            self.pass_end(side)

    def _waited(self, side: Side) -> None:
        side.waits = None
        self.pass_end(side)

    def pass_end(self, side: Side) -> None:
        """Everything that it said is sent, if it is: now its end."""
        if side.waits is not None or side.stuck or self._over:
            return
        if not side.passed and not side.other.lost:
            if not side.other.finish_for(side):
                return
            side.passed = True
        self._mind_the_end()

    def lost(self, side: Side) -> None:
        """Its connection is broken."""
        if side.lost or self._over:
            return
        side.goes()
        self._went(side)

    def speaks_to_nobody(self, side: Side) -> None:
        """It is told so by a reset, as its peer's kernel would, once it has all that was for it."""
        if side.taken >= side.other.count:
            self._abort()

    # -- how it ends --------------------------------------------------------------------------

    def _went(self, side: Side) -> None:
        if side.other.lost:
            self._abort()
            return
        if not side.clean:
            self._end(self._fault(side))
        if not side.done:
            self._abort()
            return
        self._set_deadline()
        side.move()
        if not self._over:
            side.other.move()

    def _fault(self, broken: Side) -> Ending:
        """Who broke it off: a reset may answer a side that ended at once, having said nothing."""
        other = broken.other
        return other.fault if other.done and not other.count else broken.fault

    def _mind_the_end(self) -> None:
        if self._client.over and self._server.over:
            self._end("done")
            self._finish()

    def _set_deadline(self) -> None:
        if self._flush is None:
            self._flush = self._clock.callLater(FLUSH_TIMEOUT, self._abort)

    def _end(self, word: Ending) -> None:
        if not self.ending:
            self.ending = word

    def _abort(self) -> None:
        """Reset both, after it was told: the answer to a reset must find everybody knowing why."""
        if self._over:
            return
        self._resets = [side.abort() for side in (self._client, self._server)]
        self._finish()

    def _finish(self) -> None:
        if self._over:
            return
        self._over = True
        for side in (self._client, self._server):
            side.leave()
        for call in (self._flush, self._client.waits, self._server.waits):
            if call is not None and call.active():
                call.cancel()
        self._end("done")
        self._loop.soon(self._tell)

    def _tell(self) -> None:
        try:
            self._on_end(self)
        finally:
            for reset in self._resets:
                reset()


def on_our_sockets(end: End) -> bool:
    """Whether this End can be relayed by its socket."""
    return isinstance(end.transport, SocketTransport)


def loop_of(end: End) -> Loop:
    """Who tells of its socket."""
    assert isinstance(end.transport, SocketTransport), "it is on a socket of ours"
    return end.transport.loop
