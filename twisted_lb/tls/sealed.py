"""TLS on the socket itself, with nothing between OpenSSL and the kernel.

In: a connection that was made without a socket, and what was read of its peer already. Out: after
the handshake a leg that carries what is inside.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from OpenSSL import SSL

from ..wire.tlsrecord import CONTENT_TYPES

_lib: Final[Any] = SSL._lib  # type: ignore[attr-defined]
_ffi: Final[Any] = SSL._ffi  # type: ignore[attr-defined]

_ROOM: Final = 1 << 16
_read: Final = _ffi.new("char[]", _ROOM)
"""Where OpenSSL puts what it has read, until it is copied out: one for all, since nobody waits."""
_FLIGHT: Final = 1 << 15
"""Bytes that are taken of what OpenSSL wants to send; a flight with its certificates is shorter."""
_EOF: Final = -1
"""pyOpenSSL's number for an end without close_notify."""
_NOT_YET: Final = (SSL.WantReadError, SSL.WantWriteError)


class CutOff(Exception):
    """The peer has gone in the middle of the handshake."""


class Handshaking:
    """A handshake on a socket that does not block."""

    def __init__(self, connection: SSL.Connection, handle: socket.socket, client: bool) -> None:
        self._connection = connection
        self._handle = handle
        if client:
            connection.set_connect_state()
        else:
            connection.set_accept_state()

    def begin(self, heard: bytes) -> tuple[bytes, SSL.Error | None]:
        """Take what was read of the peer already: what is to be sent first, and what is wrong with
        it, if something is. From here on OpenSSL reads and writes the socket."""
        if not heard:
            _put_on(self._connection, self._handle)
            return b"", None
        self._connection.bio_write(heard)
        wrong = None
        try:
            self._connection.do_handshake()
        except _NOT_YET:
            pass
        except SSL.Error as why:
            wrong = why
        answer = b""
        with suppress(SSL.WantReadError):
            while True:
                answer += self._connection.bio_read(_FLIGHT)
        _put_on(self._connection, self._handle)
        return answer, wrong

    def step(self) -> bool:
        """Go on as far as it goes; whether it is done. Raises CutOff, or OpenSSL's error."""
        try:
            self._connection.do_handshake()
        except _NOT_YET:
            return False
        except SSL.SysCallError as why:
            raise CutOff(str(why)) from None
        return True

    def leg(self, on_gone: Callable[[], None], tolerant: bool) -> Sealed:
        """What carries the bytes inside, when it is done."""
        return Sealed(self._connection, self._handle, on_gone, tolerant)


def _put_on(connection: SSL.Connection, handle: socket.socket) -> None:
    """Let a connection that was made without a socket go on with this one. pyOpenSSL has no way to
    say this: it is what it does when it is given the socket first. OpenSSL frees what was between.
    """
    made: Any = connection
    made._into_ssl = made._from_ssl = None
    made._socket = handle
    if _lib.SSL_set_fd(made._ssl, handle.fileno()) != 1:
        raise MemoryError("OpenSSL has no memory for a socket's BIO")


class Sealed:
    """A leg in TLS. An end is the peer's close_notify; without it the connection is broken, unless
    that is to be tolerated.

    `on_gone` is called once, before the socket is closed.
    """

    __slots__ = ("_broken", "_connection", "_on_gone", "_over", "_said", "_tolerant", "handle")

    bare = None

    def __init__(
        self,
        connection: SSL.Connection,
        handle: socket.socket,
        on_gone: Callable[[], None],
        tolerant: bool,
    ) -> None:
        self._connection: Any = connection
        self.handle = handle
        self._on_gone = on_gone
        self._tolerant = tolerant
        self._said = False
        """close_notify."""
        self._broken: OSError | None = None
        """Found out behind bytes that were read."""
        self._over = False
        """The end was found behind them: OpenSSL calls a second look at it an error."""

    # Leg

    def recv(self, most: int, /) -> bytes:
        if self._broken is not None:
            raise self._broken
        if self._over:
            return b""
        ssl, size, most = self._connection._ssl, 0, min(most, _ROOM)
        while size < most:
            result = _lib.SSL_read(ssl, _read + size, most - size)
            if result > 0:
                size += result
                continue
            try:
                self._fails(result)
                self._over = True
            except OSError as why:
                if not size:
                    raise
                if not isinstance(why, BlockingIOError):
                    self._broken = why
            break
        return _ffi.buffer(_read, size)[:]  # type: ignore[no-any-return]

    def _fails(self, result: int) -> None:
        """Why nothing was read; nothing at all: it is the end."""
        try:
            self._connection._raise_ssl_error(self._connection._ssl, result)
        except _NOT_YET:
            raise BlockingIOError from None
        except SSL.ZeroReturnError:
            return
        except SSL.SysCallError as why:
            if why.args[0] != _EOF:
                raise OSError(*why.args) from None
            if not self._tolerant:
                raise ConnectionResetError("it ended without close_notify") from None
        except SSL.Error as why:
            raise ConnectionAbortedError(f"TLS failed: {why}") from None

    def send(self, data: bytes | bytearray | memoryview, /) -> int:
        """All of it, or as much as there was room for: OpenSSL takes one record at a time."""
        view, sent = memoryview(data), 0
        try:
            while sent < len(view):
                sent += self._connection.send(view[sent:])
        except _NOT_YET:
            if not sent:
                raise BlockingIOError from None
        except SSL.Error as why:
            raise ConnectionResetError(f"TLS failed: {why}") from None
        return sent

    def finish(self) -> None:
        self.say_close_notify()
        self.handle.shutdown(socket.SHUT_WR)

    def say_close_notify(self) -> None:
        """Nothing more comes under TLS; the connection may go on. Raises OSError."""
        if self._said:
            return
        try:
            self._connection.shutdown()
        except _NOT_YET:
            raise BlockingIOError from None
        except SSL.Error as why:
            raise ConnectionResetError(f"TLS failed: {why}") from None
        self._said = True

    def close(self) -> None:
        with suppress(OSError):
            self.say_close_notify()
        self._go()
        self.handle.close()

    def abort(self) -> None:
        self._go()
        self.handle.abort()  # type: ignore[attr-defined]  # as every leg's

    def _go(self) -> None:
        gone, self._on_gone = self._on_gone, _nothing
        gone()

    # -- leaving TLS --------------------------------------------------------------------------

    def parted(self) -> Parting:
        """What carries on in the clear: close_notify is said. Raises OSError."""
        self.say_close_notify()
        return Parting(self)


class Parting:
    """Between our close_notify and what comes in the clear: the peer's last records, if it says
    some. A line in the clear begins with a letter, a record with its type."""

    __slots__ = ("_sealed", "handle", "send")

    def __init__(self, sealed: Sealed) -> None:
        self._sealed: Sealed | None = sealed
        self.handle: Any = sealed.handle
        self.send = self.handle.send

    # Leg

    @property
    def bare(self) -> Any:
        return self.handle if self._sealed is None else None

    def recv(self, most: int, /) -> bytes:
        while self._sealed is not None:
            first = self.handle.recv(1, socket.MSG_PEEK)
            record = bool(first) and first[0] in CONTENT_TYPES
            if record and (data := self._sealed.recv(most)):
                return data
            self._sealed._go()
            self._sealed = None
        data = self.handle.recv(most)
        return data  # type: ignore[no-any-return]

    def finish(self) -> None:
        self.handle.finish()

    def close(self) -> None:
        self.handle.close()

    def abort(self) -> None:
        self.handle.abort()


def _nothing() -> None:
    """It is told once."""
