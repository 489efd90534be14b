"""Peers that send more than anybody should hold, and a measure of what is held."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet import reactor
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from tests.loopback.site import Talk

PIECE = 65_536


@implementer(IPushProducer)
class Pour:
    """Writes the same bytes again and again, as fast as the other side reads, and no faster."""

    def __init__(self, talk: Talk, pattern: bytes, total: int) -> None:
        self.poured = 0
        self._talk = talk
        self._piece = pattern * (PIECE // len(pattern))
        self._total = total
        self._flowing = False
        talk.transport.registerProducer(self, True)
        self.resumeProducing()

    @property
    def done(self) -> bool:
        return self.poured >= self._total

    # IPushProducer

    def resumeProducing(self) -> None:
        self._flowing = True
        while self._flowing and not self.done:
            piece = self._piece[: self._total - self.poured]
            self.poured += len(piece)
            self._talk.says(piece)
        if self.done:
            self._talk.transport.unregisterProducer()

    def pauseProducing(self) -> None:
        self._flowing = False

    def stopProducing(self) -> None:
        self._flowing = False


class Drain(Talk):
    """Counts what it hears, and keeps nothing but a digest."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.digest = hashlib.sha256()

    def dataReceived(self, data: bytes) -> None:
        self.count += len(data)
        self.digest.update(data)
        self._look()


def digest(pattern: bytes, total: int) -> bytes:
    """What a Drain has when all of it came."""
    return hashlib.sha256((pattern * (total // len(pattern) + 1))[:total]).digest()


def unsent() -> int:
    """Bytes that wait in transports of this process for somebody to read."""
    everyone = {*reactor.getReaders(), *reactor.getWriters()}
    buffers = [each for each in everyone if hasattr(each, "dataBuffer")]
    return sum(len(each.dataBuffer) + each._tempDataLen for each in buffers)


@contextmanager
def holding_less_than(most: int) -> Iterator[None]:
    """Fails when all of Python's memory grew by more than that many bytes at any time."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < most, f"{peak - before} bytes were held"
