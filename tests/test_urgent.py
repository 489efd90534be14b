"""Urgent data: the mark arrives where it belongs, or the bytes are left out."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.abstract import FileDescriptor

from twisted_lb.terms import TlsFacts
from twisted_lb.urgent import SYNCH, send_urgently


class Descriptor(FileDescriptor):
    """A transport of Twisted's over a real socket, which the test writes to by itself."""

    def __init__(self, handle: Any) -> None:
        super().__init__(reactor=SimpleNamespace(addWriter=lambda _: None))
        self.connected = 1
        self.handle = handle

    def getHandle(self) -> Any:
        return self.handle


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ours, and the server's, which keeps urgent data apart."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with ours, theirs:
        yield ours, theirs


def end(transport: Any, tls: TlsFacts | None = None) -> Any:
    return SimpleNamespace(transport=transport, tls=tls, write=transport.write)


def test_the_last_byte_is_marked(pair: tuple[socket.socket, socket.socket]) -> None:
    """T14: IAC IP IAC, and DM as urgent data."""
    ours, theirs = pair
    send_urgently(end(Descriptor(ours)), SYNCH)
    ours.sendall(b"ABOR\r\n")
    assert select.select([], [], [theirs], 5)[2], "no mark"
    assert theirs.recv(1, socket.MSG_OOB) == b"\xf2"
    assert theirs.recv(3, socket.MSG_WAITALL) == b"\xff\xf4\xff"
    assert theirs.recv(6, socket.MSG_WAITALL) == b"ABOR\r\n"


def test_behind_bytes_that_wait_it_would_overtake_them_and_is_left_out() -> None:
    transport = Descriptor(None)
    transport.write(b"NOOP\r\n")
    send_urgently(end(transport), SYNCH)
    transport._tempDataBuffer, transport._tempDataLen = [], 0
    transport.dataBuffer, transport.offset = b"NOOP\r\n", 2
    send_urgently(end(transport), SYNCH)


def test_tls_and_unix_sockets_and_others_have_no_urgent_data() -> None:
    """T71."""
    transport = Descriptor(None)
    send_urgently(end(transport, TlsFacts("TLSv1.3", "", "")), SYNCH)
    send_urgently(end(transport), SYNCH)
    send_urgently(end(SimpleNamespace(getHandle=lambda: None, write=None)), SYNCH)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send_urgently(end(Descriptor(ours)), SYNCH)
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)


class Full(socket.socket):
    """The kernel takes so much of it; -1: nothing."""

    takes = -1

    def send(self, data: Any, flags: int = 0) -> int:
        assert flags == socket.MSG_OOB
        if self.takes < 0:
            raise BlockingIOError
        return self.takes


def test_a_full_kernel_takes_nothing_or_the_rest_later() -> None:
    with Full() as handle:
        transport = Descriptor(handle)
        send_urgently(end(transport), SYNCH)
        assert not transport._tempDataBuffer
        handle.takes = 1
        send_urgently(end(transport), SYNCH)
        assert transport._tempDataBuffer == [SYNCH[1:]]
