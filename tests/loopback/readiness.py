"""Plain sockets in the tests' reactor: that one can be read or written is awaited, not for ever."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

PATIENCE = 20.0
"""Seconds without any movement after which a test that waits has failed."""


class Descriptor:
    """A socket whose readiness can be awaited."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._reading: Deferred[None] | None = None
        self._writing: Deferred[None] | None = None

    def readable(self) -> Deferred[None]:
        """Fires when there is something to read, an end or an error included."""
        assert self._reading is None, "two read from one socket"
        self._reading = Deferred(lambda _: self._done_reading())
        reactor.addReader(self)
        return self._reading.addTimeout(PATIENCE, reactor, _stuck("nothing came"))

    def writable(self) -> Deferred[None]:
        """Fires when something can be written, or it is known that nothing can be."""
        assert self._writing is None, "two write to one socket"
        self._writing = Deferred(lambda _: self._done_writing())
        reactor.addWriter(self)
        return self._writing.addTimeout(PATIENCE, reactor, _stuck("nothing was taken"))

    def closes(self) -> None:
        """Close it, whoever waits; saying it twice does no harm."""
        for waiting in (self._done_reading(), self._done_writing()):
            if waiting is not None:
                waiting.cancel()
        self.sock.close()

    def _done_reading(self) -> Deferred[None] | None:
        waiting, self._reading = self._reading, None
        reactor.removeReader(self)
        return waiting

    def _done_writing(self) -> Deferred[None] | None:
        waiting, self._writing = self._writing, None
        reactor.removeWriter(self)
        return waiting

    # IReadDescriptor and IWriteDescriptor

    def fileno(self) -> int:
        return self.sock.fileno()

    def doRead(self) -> None:
        if (waiting := self._done_reading()) is not None:
            waiting.callback(None)

    def doWrite(self) -> None:
        if (waiting := self._done_writing()) is not None:
            waiting.callback(None)

    def connectionLost(self, reason: Any) -> None:
        self.doRead()
        self.doWrite()

    def logPrefix(self) -> str:
        return "a party of a test"


def _stuck(what: str) -> Callable[[object, float], None]:
    def complain(_: object, seconds: float) -> None:
        raise AssertionError(f"{what} for {seconds:.0f} s")

    return complain
