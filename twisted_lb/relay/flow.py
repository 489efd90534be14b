"""One side of a relay on sockets: its leg, and the way of what comes from it to the other side.

Bytes are read and sent as they come. After two full reads they are bulk, and go through a pipe
without being seen; after eight small ones they are not bulk any more.
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from ..ends import End, taken_from
from ..sockets import MAY_READ, MAY_WRITE, TO_THE_END, Leg, Pipe, SocketTransport
from ..terms import Ending
from .joined import Watching

if TYPE_CHECKING:
    from .splice import SocketsJoined

READ: Final = 1 << 16
"""Bytes of one read."""
FULL: Final = 2
"""Full reads in a row after which a direction is bulk."""
SMALL: Final = 8
"""Splices in a row of less than one read after which it is not."""
TURNS: Final = 8
"""Reads of one direction in a turn of the loop; then the others have theirs."""

_NOTSENT_LOWAT: Final = 25
"""TCP_NOTSENT_LOWAT of linux/tcp.h: bytes that wait to be sent at most."""


class Side:
    """One leg, and what comes from it."""

    __slots__ = (
        "_bulk",
        "_descriptor",
        "_end",
        "_end_came",
        "_joined",
        "_leg",
        "_pipe",
        "_readable",
        "_row",
        "_thorough",
        "_unsent",
        "_watch",
        "broken",
        "clean",
        "count",
        "done",
        "fault",
        "lost",
        "other",
        "passed",
        "stuck",
        "waits",
    )

    other: Side
    _leg: Leg

    def __init__(
        self, joined: SocketsJoined, end: End, fault: Ending, watch: Watching | None
    ) -> None:
        self._joined = joined
        self._end: End | None = end
        """Until its socket is taken over."""
        self._watch = watch
        self._descriptor = -1
        self._unsent: bytes | memoryview = b""
        self._pipe: Pipe | None = None
        """Holds what was spliced from here and not yet to the other side."""
        self._readable = False
        """There may be more to read than was."""
        self._thorough = False
        """A short read is not the last."""
        self._end_came = False
        """The kernel has it, though it may not be read yet."""
        self._bulk = False
        self._row = 0
        """Full reads, or small splices, in a row."""
        self.fault = fault
        """The ending when this side is the first to go without a word."""
        self.count = 0
        """Bytes that came from here."""
        self.done = False
        """The last of them has come."""
        self.passed = False
        """And the end was passed on."""
        self.stuck = False
        """The other side does not take what came from here; nothing more is read."""
        self.broken = False
        """The peer takes nothing more."""
        self.lost = False
        """The connection is gone."""
        self.clean = False
        """In order."""
        self.waits: IDelayedCall | None = None
        """Passes the end on."""

    @property
    def over(self) -> bool:
        """Whether everything that came from here has found its end."""
        return self.passed or (self.other.lost and self.done)

    @property
    def taken(self) -> int:
        """Bytes that the peer has acknowledged."""
        if self._end is not None:
            return self._end.taken
        return 0 if self.lost else taken_from(self._leg.handle)

    def take_over(self) -> None:
        """The socket, and what was held."""
        end, self._end = self._end, None
        assert end is not None, "once"
        transport = end.transport
        assert isinstance(transport, SocketTransport), "it is on a socket of ours"
        held, end.held = bytes(end.held), bytearray()
        self.done, self.lost, self.clean = end.eof, end.lost, end.eof
        if self.lost:
            self._leg = transport.leg
        else:
            left = transport.detach(self)
            self._leg, self._descriptor = left.leg, left.descriptor
            self._readable, self._thorough = left.readable, left.thorough
            self.other._unsent = left.unsent + bytes(self.other._unsent)
        if held:
            self._seen(held)
            self._unsent = bytes(self._unsent) + held

    # -- told by the loop ---------------------------------------------------------------------

    def ready(self, events: int) -> None:
        if events & MAY_WRITE and self.other.stuck:
            self.other.move()
        if events & MAY_READ and not self.lost:
            self._readable = True
            if events & TO_THE_END:
                self._thorough = True
                if events & select.EPOLLRDHUP and not events & select.EPOLLERR:
                    self._end_came = True
            if not self.stuck:
                self.move()
            elif events & select.EPOLLERR:
                self._look_for_errors()

    def failed(self, failure: Failure) -> None:
        self._joined.stop("internal-error")

    def _look_for_errors(self) -> None:
        """What comes from here is not read now. A reset is told at once, but behind the end of all
        that it said it takes nothing away: that is read later.

        EPIPE says that the end had come, where ours had not gone out yet. To ask takes the error
        away, so that a read would find an end: if it is none, nothing is read any more.
        """
        if self._end_came:
            return
        error = self._leg.handle.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error and error != errno.EPIPE:
            self._joined.lost(self)

    # -- moving -------------------------------------------------------------------------------

    def move(self) -> None:
        """Move on what has come, until one of the sides can do no more."""
        for _ in range(TURNS):
            if (self._unsent or self._pipe is not None) and not self._rest_goes():
                return
            self.stuck = False
            if self.done:
                self._joined.pass_end(self)
                return
            if not self._readable or self.lost:
                return
            if self._bulk and not self.other.lost:
                self._splice()
            else:
                self._read()
        self._joined.loop.soon(self._move_on)

    def _move_on(self) -> None:
        if not self.lost and not self.stuck:
            self.move()

    def _rest_goes(self) -> bool:
        """Send what waits; whether nothing is left of it."""
        other = self.other
        if other.broken or other.lost:
            self._drop()
            return True
        try:
            if self._unsent:
                sent = other._leg.send(self._unsent)
                self._unsent = self._unsent[sent:]
            elif self._pipe is not None:
                while self._pipe.held:
                    self._pipe.empty(other._descriptor)
                self._give_pipe_back()
        except BlockingIOError:
            self.stuck = True
            return False
        except OSError:
            other.breaks()
            return False
        if self._unsent or self._pipe is not None:
            self.stuck = True
            return False
        return True

    def _read(self) -> None:
        """Read once, and send it."""
        try:
            data = self._leg.recv(READ)
        except BlockingIOError:
            self._readable = self._thorough = False
            return
        except OSError:
            self._joined.lost(self)
            return
        if not data:
            self._no_more()
            return
        self._look_at_size(len(data))
        if self.other.broken or self.other.lost:
            if self.other.lost:
                self._joined.speaks_to_nobody(self)
            return
        self._seen(data)
        self._send(data)

    def _send(self, data: bytes) -> None:
        try:
            sent = self.other._leg.send(data)
        except BlockingIOError:
            self._unsent, self.stuck = data, True
        except OSError:
            self.other.breaks()
        else:
            if sent < len(data):
                self._unsent = memoryview(data)[sent:]

    def _seen(self, data: bytes) -> None:
        self.count += len(data)
        self._joined.has_moved()
        if self._watch is not None and not self._watch(data):
            self._watch = None

    def _look_at_size(self, size: int) -> None:
        """What the size of a read tells."""
        if size == READ:
            self._row += 1
            if self._row == FULL:
                self._is_bulk()
        else:
            self._row = 0
            if not self._thorough and self._leg.bare is not None:
                self._readable = False

    def _is_bulk(self) -> None:
        """From here on it is spliced, if it can be. What the kernel keeps of it for a reader that
        does not read is bounded: left to itself it lets a fast sender fill tens of megabytes."""
        if self.other.lost:
            return  # nobody gets it
        most = self._joined.loop.pipes.size
        self._leg.handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, most)
        self.other._leg.handle.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, most)
        bare = self._leg.bare is not None and self.other._leg.bare is not None
        if bare and self._watch is None:
            self._bulk, self._row = True, 0

    def _splice(self) -> None:
        """Take what has come through a pipe, as much as the other side takes."""
        pipe = self._pipe = self._joined.loop.pipes.take()
        if pipe is None:
            self._read()
            return
        try:
            moved = pipe.fill(self._descriptor)
        except BlockingIOError:
            self._readable = self._thorough = False
            self._give_pipe_back()
            return
        except OSError:
            self._joined.lost(self)
            return
        if not moved:
            self._give_pipe_back()
            self._read()  # which tells an end from an urgent byte
            return
        self.count += moved
        self._joined.has_moved()
        self._row = 0 if moved >= READ else self._row + 1
        if self._row >= SMALL:
            self._bulk, self._row = False, 0

    def _give_pipe_back(self) -> None:
        if self._pipe is not None:
            self._joined.loop.pipes.give(self._pipe)
            self._pipe = None

    def _drop(self) -> None:
        """Nobody wants what waits."""
        self._unsent = b""
        self._give_pipe_back()

    # -- ending -------------------------------------------------------------------------------

    def _no_more(self) -> None:
        self._readable = False
        if self.broken:
            self._joined.lost(self)
        else:
            self.done = True
            self._joined.ended(self)

    def breaks(self) -> None:
        """The peer takes nothing more. What it has said before is read yet."""
        self.broken = True
        self.other._drop()
        self.other.stuck = False
        if self.done:
            self._joined.lost(self)
        else:
            self._readable = self._thorough = True
            self._joined.loop.soon(self._move_on)
            self._joined.loop.soon(self.other._move_on)

    def finish_for(self, side: Side) -> bool:
        """Send the end of what came from that side; whether it is sent."""
        try:
            self._leg.finish()
        except BlockingIOError:
            side.stuck = True
            return False
        except OSError:
            self.breaks()
            return False
        return True

    def goes(self) -> None:
        """The connection is broken. Who has said close_notify may go without reading ours."""
        self.clean = self.done and self._leg.bare is None
        self.leave()

    def leave(self) -> None:
        """The connection is no more; what was for it is dropped."""
        if not self.lost:
            self._go()
            self._leg.close()
        self.other._drop()

    def abort(self) -> Callable[[], None]:
        """Nothing more is moved; what resets the connection, if there still is one."""
        reset = self._leg.abort if not self.lost else _nothing
        if not self.lost:
            self._go()
        self._drop()
        return reset

    def _go(self) -> None:
        self.lost = True
        self._joined.loop.leave(self._descriptor)


def _nothing() -> None:
    """It is gone already."""
