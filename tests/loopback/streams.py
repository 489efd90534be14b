"""Endless talkers and bottomless listeners for tests on real sockets, and what they cost us."""

from __future__ import annotations

import gc
import os
import socket

from twisted.internet import reactor
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import deferLater
from zope.interface import implementer

from tests.loopback.site import Talk

PIECE = b"x" * 65_536


@implementer(IPushProducer)
class Source(Talk):
    """Sends `total` bytes as fast as its peer takes them, without a line end, and closes."""

    total = 0
    sent = 0

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        while not self._paused and self.sent < self.total:
            self.sent += len(PIECE)
            self.transport.write(PIECE)
        if self.sent >= self.total:
            self.transport.unregisterProducer()
            self.closes()

    def pauseProducing(self) -> None:
        self._paused = True

    def stopProducing(self) -> None:
        self.total = self.sent


def source(total: int) -> type[Source]:
    """Sources of this many bytes."""
    return type("Source", (Source,), {"total": total})


class Sink(Talk):
    """Counts what it hears instead of keeping it."""

    count = 0

    def dataReceived(self, data: bytes) -> None:
        self.count += len(data)
        self._look()


def resident() -> int:
    """Bytes of memory that this process holds now."""
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def small_window(talk: Talk) -> None:
    """Let the kernel hold little for this side, so that a test sees who else holds the rest."""
    talk.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)


async def stands_still(count: object, turns: int = 40) -> None:
    """Wait until `count()` has not changed for a while."""
    assert callable(count)
    last, still = count(), 0
    while still < turns:
        await deferLater(reactor, 0.005)
        last, still = count(), still + 1 if count() == last else 0
