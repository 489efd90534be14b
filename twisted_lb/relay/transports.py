"""Relays by Twisted's own transports: works on every reactor, for every kind of transport.

Flow control is the transports' own, both ways: a side that does not read pauses the other side.
A half-close is passed on when everything before it was sent. A reset of one side is a reset of
the other, unless its last byte had come: then the other side still gets all of it.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ..ends import End
from ..terms import Ending
from .joined import FLUSH_TIMEOUT, Joined, Watching

READ_IN_TLS = 96 << 10
"""Bytes that are read at once where one side is in TLS: fewer turns of the reactor than with
Twisted's 64 KiB. From 128 KiB on malloc would map each read anew (docs/decisions/tls-relay.md)."""


class TransportsJoined:
    """A channel between two transports. See `joined.Joined`."""

    __slots__ = (
        "_client",
        "_clock",
        "_eof_waits",
        "_flush",
        "_living",
        "_on_end",
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
        """Bytes that both peers had taken at the last look."""
        self._clock = clock
        self._eof_waits = eof_waits
        self._on_end = on_end
        self._flush: IDelayedCall | None = None
        self._living = 2
        self._client = _flow(self, client, server, "client-left", overhear)
        self._server = _flow(self, server, client, "server-closed", watch)
        if client.tls is not None or server.tls is not None:
            client.read_at_once(READ_IN_TLS)
            server.read_at_once(READ_IN_TLS)
        client.fed_by(server.transport)
        server.fed_by(client.transport)

    @property
    def from_client(self) -> int:
        return self._client.count

    @property
    def from_server(self) -> int:
        return self._server.count

    def start(self) -> None:
        self._client.source.give(self._client)
        self._server.source.give(self._server)

    def look(self) -> None:
        taken = self._client.source.taken + self._server.source.taken
        if taken != self._taken:
            self._taken = taken
            self.moved = self._clock.seconds()

    def stop(self, word: Ending) -> None:
        self._end(word)
        self._client.source.abort()
        self._server.source.abort()

    # -- told by the flows --------------------------------------------------------------------

    def _data(self, flow: _Flow, data: bytes) -> None:
        if flow.target.lost:
            self._speaks_to_nobody(flow)
            return
        flow.count += len(data)
        self.moved = self._clock.seconds()
        flow.target.write(data)

    def _speaks_to_nobody(self, flow: _Flow) -> None:
        """It is told so by a reset, as its peer's kernel would, once it has all that was for it."""
        if flow.source.taken >= self._other(flow).count:
            flow.source.abort()

    def _eof(self, flow: _Flow) -> None:
        if self._eof_waits:
            flow.waits = self._clock.callLater(0, self._pass_eof, flow)
        else:
            self._pass_eof(flow)

    def _pass_eof(self, flow: _Flow) -> None:
        if flow.target.lost:
            self._close(flow.source)
        elif self._client.done and self._server.done:
            self._end("done")
            self._close(self._client.source)
            self._close(self._server.source)
        else:
            flow.passes()

    def _lost(self, flow: _Flow, clean: bool) -> None:
        self._living -= 1
        if not self._living:
            self._finished()
            return
        if not clean:
            self._end(self._fault(flow))
        if flow.done:
            self._let_go(flow)
        else:
            flow.target.abort()

    def _fault(self, broken: _Flow) -> Ending:
        """Who broke it off: a reset may answer a side that ended at once, having said nothing."""
        other = self._other(broken)
        return other.fault if other.done and not other.count else broken.fault

    def _other(self, flow: _Flow) -> _Flow:
        return self._server if flow is self._client else self._client

    def _close(self, end: End) -> None:
        self._set_deadline()
        end.close()

    def _let_go(self, flow: _Flow) -> None:
        """The source has said all and is gone. The target gets all of that; what it says itself
        until then is read and dropped: a socket that is closed with bytes unread is reset, and
        loses what was yet to be sent.
        """
        self._set_deadline()
        if flow.target.eof:
            flow.target.close()
        else:
            flow.passes()
            flow.target.read_on()

    def _set_deadline(self) -> None:
        # First of all: a side that was finished already is lost within close().
        if self._flush is None:
            self._flush = self._clock.callLater(FLUSH_TIMEOUT, self._give_up)

    def _give_up(self) -> None:
        self._client.source.abort()
        self._server.source.abort()

    def _end(self, word: Ending) -> None:
        if not self.ending:
            self.ending = word

    def _finished(self) -> None:
        for call in (self._flush, self._client.waits, self._server.waits):
            if call is not None and call.active():
                call.cancel()
        self._end("done")
        self._on_end(self)


class _Flow:
    """One direction: what comes from `source` goes to `target`."""

    __slots__ = ("_joined", "_passed", "count", "done", "fault", "source", "target", "waits")

    def __init__(self, joined: TransportsJoined, source: End, target: End, fault: Ending) -> None:
        self._joined = joined
        self.source = source
        self.target = target
        self.fault = fault
        """The ending when this source is the first to go without a word."""
        self.count = 0
        self.done = False
        """The last byte of this direction has come."""
        self.waits: IDelayedCall | None = None
        """With `eof_waits`: passes the end on."""
        self._passed = False

    def passes(self) -> None:
        """The last byte is passed on, once."""
        if not self._passed:
            self._passed = True
            self.target.finish()

    # Receiver

    def data(self, data: bytes) -> None:
        self._joined._data(self, data)

    def eof(self) -> None:
        self.done = True
        self._joined._eof(self)

    def lost(self, clean: bool) -> None:
        self.done = self.done or clean
        self._joined._lost(self, clean)


class _WatchedFlow(_Flow):
    """A direction of which somebody looks at the beginning."""

    __slots__ = ("_watch",)

    def __init__(
        self,
        joined: TransportsJoined,
        source: End,
        target: End,
        fault: Ending,
        watch: Watching,
    ) -> None:
        super().__init__(joined, source, target, fault)
        self._watch: Watching | None = watch

    # Receiver

    def data(self, data: bytes) -> None:
        if self._watch is not None and not self._watch(data):
            self._watch = None
        super().data(data)


def _flow(
    joined: TransportsJoined, source: End, target: End, fault: Ending, watch: Watching | None
) -> _Flow:
    if watch is None:
        return _Flow(joined, source, target, fault)
    return _WatchedFlow(joined, source, target, fault, watch)
