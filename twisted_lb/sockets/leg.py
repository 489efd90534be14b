"""What a relay or a transport moves bytes over: a socket, bare or with TLS on it.

In: a socket that does not block. Out: four verbs, which say by exceptions what a socket says:
BlockingIOError (not now), another OSError (it is broken).
"""

from __future__ import annotations

import socket
import struct
from typing import Final, Protocol

_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time at all: close sends a reset."""


class Leg(Protocol):
    """One connection, as those see it who move its bytes."""

    @property
    def bare(self) -> Bare | None:
        """The socket whose bytes these are, if nothing stands between."""

    @property
    def handle(self) -> socket.socket:
        """The socket below."""

    def recv(self, most: int, /) -> bytes:
        """What has come; empty: nothing more will. Raises OSError."""

    def send(self, data: bytes | bytearray | memoryview, /) -> int:
        """How many of these were taken. Raises OSError."""

    def finish(self) -> None:
        """Nothing more is sent from here on. Raises OSError."""

    def close(self) -> None:
        """Close in order: what was taken is delivered yet."""

    def abort(self) -> None:
        """Close with a reset."""


class Bare(socket.socket):
    """A socket that does not block, as a leg: `recv`, `send` and `close` are its own."""

    __slots__ = ()

    family = socket.SocketType.family  # type: ignore[assignment]
    """As the number it is: to make an enum's member of it takes longer than to look at it."""

    @classmethod
    def opened(cls, family: int) -> Bare:
        """A new TCP socket of this family. Raises OSError."""
        made = cls(family, socket.SOCK_STREAM)
        made.setblocking(False)
        return made

    @property
    def bare(self) -> Bare:
        """Itself."""
        return self

    @property
    def handle(self) -> Bare:
        """Itself."""
        return self

    def finish(self) -> None:
        """Send FIN behind what was taken."""
        self.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Close with a reset."""
        self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close()
