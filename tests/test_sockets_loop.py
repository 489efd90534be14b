"""The epoll of our sockets: there while one is watched, told in order, gone with the last."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.conftest import Errors
from twisted_lb.sockets import Loop
from twisted_lb.sockets.loop import MAY_READ, MAY_WRITE
from twisted_lb.sockets.pipes import Pipes


class Reader(Clock):
    """A reactor that watches one descriptor, and calls what is asked for at once or later."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[object] = []

    def addReader(self, reader: object) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: object) -> None:
        self.readers.remove(reader)


class Ear:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.failures: list[Failure] = []
        self.raises = False

    def ready(self, events: int) -> None:
        self.told.append(events)
        if self.raises:
            raise LookupError("nobody expected it")

    def failed(self, failure: Failure) -> None:
        self.failures.append(failure)


@pytest.fixture
def reactor() -> Reader:
    return Reader()


@pytest.fixture
def loop(reactor: Reader) -> Loop:
    return Loop(reactor, Pipes())


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_who_watches_nothing_holds_no_descriptor(reactor: Reader, loop: Loop, pair: Pair) -> None:
    """An application may make a balancer for each of its tests."""
    before = descriptors()
    for _ in range(3):
        descriptor = loop.watch(pair[0], Ear())
        assert loop.busy
        assert reactor.readers == [loop]
        assert loop.fileno() >= 0
        loop.leave(descriptor)
        assert not loop.busy
        assert reactor.readers == []
        assert loop.fileno() == -1
        assert descriptors() == before


def test_who_is_watched_is_told_once_of_each_change(loop: Loop, pair: Pair) -> None:
    ear = Ear()
    loop.watch(pair[0], ear)
    loop.doRead()
    assert ear.told == [MAY_WRITE]
    pair[1].send(b"x")
    loop.doRead()
    assert ear.told[1] & MAY_READ
    loop.doRead()
    assert len(ear.told) == 2


def test_the_last_may_leave_within_its_own_event(loop: Loop, pair: Pair) -> None:
    class Leaves(Ear):
        def ready(self, events: int) -> None:
            super().ready(events)
            loop.leave(pair[0].fileno())

    ear = Leaves()
    loop.watch(pair[0], ear)
    loop.doRead()
    assert ear.told == [MAY_WRITE]
    assert not loop.busy


def test_an_event_of_a_socket_that_left_in_the_same_turn_is_told_to_nobody(
    loop: Loop, pair: Pair
) -> None:
    class Leaves(Ear):
        def ready(self, events: int) -> None:
            super().ready(events)
            for handle in pair:
                loop.leave(handle.fileno())

    ears = [Leaves(), Leaves()]
    for handle, ear in zip(pair, ears, strict=True):
        loop.watch(handle, ear)
    loop.doRead()
    assert sorted(len(ear.told) for ear in ears) == [0, 1]


def test_one_that_fails_is_told_and_the_others_go_on(
    loop: Loop, pair: Pair, clean_reactor: Errors
) -> None:
    bad, good = Ear(), Ear()
    bad.raises = True
    for handle, ear in zip(pair, (bad, good), strict=True):
        loop.watch(handle, ear)
    loop.doRead()
    assert [failure.type for failure in bad.failures] == [LookupError]
    assert good.told == [MAY_WRITE]
    assert good.failures == []
    assert len(clean_reactor.seen) == 1
    clean_reactor.seen.clear()


def test_what_is_to_be_done_soon_is_done_in_the_next_turn(reactor: Reader, loop: Loop) -> None:
    done: list[str] = []

    def second() -> None:
        loop.soon(lambda: done.append("third"))
        done.append("second")

    loop.soon(lambda: done.append("first"))
    loop.soon(second)
    assert done == []
    reactor.advance(0)
    assert done == ["first", "second", "third"]
