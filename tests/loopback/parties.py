"""Parties to a conversation on plain sockets: what a test does to one is what happens on the wire.

Twisted's transports read ahead, know nothing urgent, and hide what the kernel holds for them; these
do not. They wait in the tests' reactor, so that a balancer there goes on.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import termios
from collections.abc import AsyncIterator, Coroutine, Iterator
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from tests.loopback.readiness import Descriptor

SIOCOUTQ = termios.TIOCOUTQ
AT_ONCE = 256 << 10
"""Bytes that are read in one turn."""


class Party(Descriptor):
    """A connected socket."""

    said = 0
    """Bytes that its kernel has taken."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # -- saying -------------------------------------------------------------------------------

    async def says(self, data: bytes) -> None:
        """All of it, as far as the kernel takes it."""
        view = memoryview(data)
        while view:
            taken = self._send(view)
            self.said += taken
            view = view[taken:]
            if view:
                await self.writable()

    async def says_in_pieces(self, data: bytes, random: Random) -> None:
        """All of it, in writes of one byte to a megabyte."""
        for piece in pieces(data, random):
            await self.says(piece)

    async def says_urgently(self, byte: bytes) -> None:
        """One byte, which TCP marks urgent."""
        while True:
            try:
                self.said += self.sock.send(byte, socket.MSG_OOB)
            except BlockingIOError:
                await self.writable()
            else:
                return

    def shuts(self) -> None:
        """It says nothing more."""
        self.sock.shutdown(socket.SHUT_WR)

    def resets(self) -> None:
        """It breaks off."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.closes()

    # -- hearing ------------------------------------------------------------------------------

    async def piece(self, most: int = AT_ONCE) -> bytes:
        """What has come, at most so much; empty: the other says nothing more. Raises OSError."""
        while True:
            try:
                return self._receive(most)
            except BlockingIOError:
                await self.readable()

    async def hears(self, count: int) -> bytes:
        """Exactly so many bytes. Raises OSError."""
        heard = bytearray()
        while len(heard) < count:
            some = await self.piece(min(AT_ONCE, count - len(heard)))
            assert some, f"it ended after {len(heard)} of {count} bytes"
            heard += some
            if len(heard) < count:
                await self.readable()  # a turn for the others
        return bytes(heard)

    async def pieces(self) -> AsyncIterator[bytes]:
        """What comes until the other says nothing more, a piece each turn. Raises OSError."""
        await self.readable()
        while some := await self.piece():
            yield some
            await self.readable()

    async def hears_all(self) -> bytes:
        """Everything until the other says nothing more. Raises OSError."""
        heard = bytearray()
        async for some in self.pieces():
            heard += some
        return bytes(heard)

    async def is_reset(self) -> None:
        """Whatever it hears until then: it ends with a reset."""
        try:
            async for _ in self.pieces():
                pass
        except ConnectionResetError:
            return
        raise AssertionError("it was closed in order")

    # -- what the kernel holds ----------------------------------------------------------------

    @property
    def unread(self) -> int:
        """Bytes that have come and were not read yet."""
        return _asked(self.sock, termios.FIONREAD)

    @property
    def unacknowledged(self) -> int:
        """Bytes, and a last word, that the other side's kernel has not got yet."""
        return _asked(self.sock, SIOCOUTQ)

    def holds(self, least: int) -> None:
        """Let its kernel hold little of what comes."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, least)

    # -- the socket ---------------------------------------------------------------------------

    def _send(self, view: memoryview) -> int:
        """How much was taken; 0: not now. Raises OSError."""
        try:
            return self.sock.send(view[: 1 << 20])
        except BlockingIOError:
            return 0

    def _receive(self, most: int) -> bytes:
        return self.sock.recv(most)


class Listener(Descriptor):
    """A server's socket, for connections one by one."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)

    async def accepts(self) -> Party:
        """The next one that came."""
        while True:
            try:
                return Party(self.sock.accept()[0])
            except BlockingIOError:
                await self.readable()


async def connects(sock: socket.socket, at: tuple[str, int]) -> Party:
    """A party that has connected to this address. Raises OSError."""
    party = Party(sock)
    failed = sock.connect_ex(at)
    if failed == errno.EINPROGRESS:
        await party.writable()
        failed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if failed:
        raise OSError(failed, os.strerror(failed))
    return party


def pieces(data: bytes, random: Random) -> Iterator[bytes]:
    """The same, cut into pieces of any magnitude."""
    at = 0
    while at < len(data):
        size = int(2 ** random.uniform(0, 20))
        yield data[at : at + size]
        at += size


def together(*doings: Coroutine[Any, Any, Any]) -> Deferred[list[Any]]:
    """All of these at once; the first that fails fails it."""
    return gatherResults([Deferred.fromCoroutine(each) for each in doings], consumeErrors=True)


def _asked(sock: socket.socket, what: int) -> int:
    answer = fcntl.ioctl(sock, what, bytes(4))
    return int(struct.unpack("i", answer)[0])
