"""A listener that says nothing of itself: as good as the reactor's own, on real sockets."""

from __future__ import annotations

import socket

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.logger import LogEvent, globalLogPublisher

from twisted_lb.ends import address
from twisted_lb.quiet import listen_quietly


class Hall(ServerFactory):
    """Tells who comes."""

    noisy = False

    def __init__(self) -> None:
        self.came: Deferred[str] = Deferred()

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        assert addr is not None
        self.came.callback(address(addr).host)
        return None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest_twisted.ensureDeferred
async def test_who_comes_is_let_in_and_nothing_is_logged(host: str) -> None:
    lines: list[LogEvent] = []
    globalLogPublisher.addObserver(lines.append)
    try:
        hall = Hall()
        port = listen_quietly(reactor, 0, hall, 8, host)  # type: ignore[arg-type]
        with socket.create_connection((host, address(port.getHost()).port)):
            assert await hall.came == host
        await port.stopListening()
    finally:
        globalLogPublisher.removeObserver(lines.append)
    assert lines == []


def test_a_port_that_is_taken_cannot_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CannotListenError):
        listen_quietly(reactor, taken.getsockname()[1], Hall(), 8, "127.0.0.1")  # type: ignore[arg-type]


def test_an_address_that_is_not_ours_cannot_be_listened_on() -> None:
    with pytest.raises(CannotListenError):
        listen_quietly(reactor, 0, Hall(), 8, "192.0.2.1")  # type: ignore[arg-type]


@pytest_twisted.ensureDeferred
async def test_who_comes_second_may_be_let_wait() -> None:
    came: list[str] = []

    class One(ServerFactory):
        noisy = False

        def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
            came.append("one")
            port.stopReading()
            told.pop(0).callback(None)
            return None

    told = [Deferred[None](), Deferred[None]()]
    first, second = told
    port = listen_quietly(reactor, 0, One(), 8, "127.0.0.1")  # type: ignore[arg-type]
    port.one_by_one()
    at = ("127.0.0.1", address(port.getHost()).port)
    with socket.create_connection(at), socket.create_connection(at):
        await first
        assert came == ["one"]
        port.startReading()
        await second
        assert came == ["one", "one"]
    await port.stopListening()
