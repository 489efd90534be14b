"""Pipes for splice(2), used again and again: bytes go from socket to socket without us.

A pipe is taken for one turn of a direction that turned out to be bulk, and given back when it is
empty; idle channels have none. Where none can be had, bytes are read and sent.
"""

from __future__ import annotations

import fcntl
import os
from typing import Final

SIZE: Final = 1 << 20
"""Bytes that a pipe is to hold. A user without privileges has 64 such (pipe-user-pages-soft of
pipe(7)); further ones are as small as the system makes them."""
SPARE: Final = 32
"""Pipes that are kept for the next who asks."""
_SIZE_OF_PIPE: Final = getattr(fcntl, "F_SETPIPE_SZ", 1031)


class Pipe:
    """One pipe, and how many bytes are in it."""

    __slots__ = ("held", "sink", "size", "source")

    def __init__(self, size: int = SIZE) -> None:
        """Raises OSError."""
        self.source, self.sink = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.held = 0
        try:
            self.size = fcntl.fcntl(self.sink, _SIZE_OF_PIPE, size)
        except OSError:
            self.size = 1 << 16

    def fill(self, socket: int) -> int:
        """Take from a socket what fits: how many bytes; 0: an end, or urgent data. Raises OSError:
        BlockingIOError when nothing has come."""
        moved = os.splice(socket, self.sink, self.size - self.held, flags=_NOT_WAITING)
        self.held += moved
        return moved

    def empty(self, socket: int) -> None:
        """Give a socket what it takes. Raises OSError: BlockingIOError when it takes nothing."""
        self.held -= os.splice(self.source, socket, self.held, flags=_NOT_WAITING)

    def close(self) -> None:
        """Drop what is in it."""
        os.close(self.source)
        os.close(self.sink)


_NOT_WAITING: Final = getattr(os, "SPLICE_F_NONBLOCK", 2) | getattr(os, "SPLICE_F_MOVE", 1)


class Pipes:
    """The pipes that nobody uses, each of this size. `forbidden`: splice(2) is of no use, so there
    never is one."""

    def __init__(self, size: int = SIZE, forbidden: bool = False) -> None:
        self.size = size
        self._forbidden = forbidden
        self._spare: list[Pipe] = []

    def take(self) -> Pipe | None:
        """An empty one, or none when the system has no more."""
        if self._spare:
            return self._spare.pop()
        try:
            return None if self._forbidden else Pipe(self.size)
        except OSError:
            return None

    def give(self, pipe: Pipe) -> None:
        """It is not used any more."""
        if pipe.held or len(self._spare) >= SPARE:
            pipe.close()
        else:
            self._spare.append(pipe)

    def close(self) -> None:
        """Keep none."""
        while self._spare:
            self._spare.pop().close()


def cannot_splice() -> str:
    """Why splice(2) is of no use here; empty: it works."""
    if not hasattr(os, "splice"):
        return "this Python has no os.splice"
    try:
        first, second = Pipe(), Pipe()
    except OSError as why:
        return f"pipe2(2): {why.strerror}"
    try:
        os.write(first.sink, b"x")
        os.splice(first.source, second.sink, 1, flags=_NOT_WAITING)
    except OSError as why:
        return f"splice(2): {why.strerror}"
    finally:
        first.close()
        second.close()
    return ""
