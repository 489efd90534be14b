"""The process that takes over from one that serves: it gets its listening sockets, puts them in
force and serves.

In: the path where the other one offers them. Out: sockets. Until the reactor runs, we wait here and
now, for nobody is served by us yet. docs/how-to/upgrade.md has the conversation.

Rules:
- Every wait has a deadline. Whatever fails before we serve ends this process, and the other one
  goes on as if nothing had been.
- Nobody at the path: there is nothing to take over. Somebody who may not be there: an error.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from twisted.internet.protocol import Factory

from .errors import WireError
from .handover import LONGEST, Lines
from .unixsocket import peer_of
from .wire.handover import VERSION, Where, line, said, where_heard

ANSWER: Final = 10.0
"""Seconds for each answer of the process that serves."""
LEAVE: Final = 10.0
"""Seconds until it has left, when we serve already."""
_AT_ONCE: Final = 253
"""Descriptors in one message: SCM_MAX_FD of Linux."""


class CannotTakeOver(Exception):
    """The process that serves goes on to do so; says why."""


class Gone(CannotTakeOver):
    """It has ended, or does not talk to us any more."""


class Former:
    """The process that serves, as its successor meets it. Raises CannotTakeOver."""

    def __init__(self, connection: socket.socket, clock: Callable[[], float]) -> None:
        self.pid = peer_of(connection).pid
        self._connection = connection
        self._clock = clock
        self._read = b""
        self._descriptors: list[int] = []

    def sockets(self) -> dict[Where, socket.socket]:
        """Ask for all that it listens with, and where that is."""
        self._says(takeover=VERSION)
        answer = self._hears("takeover")
        sockets = [socket.socket(fileno=number) for number in self._descriptors]
        try:
            if answer["takeover"] != VERSION:
                raise WireError(f"it speaks version {answer['takeover']!r}, we speak {VERSION}")
            listeners = [where_heard(told) for told in answer.get("listeners", ())]
            return dict(zip(listeners, sockets, strict=True))
        except (ValueError, TypeError, WireError) as why:
            for each in sockets:
                each.close()
            raise CannotTakeOver(f"process {self.pid}: {why}") from None

    def ready(self) -> list[dict[str, Any]]:
        """All is in force here: wait until nobody accepts there any more; what it knows."""
        self._says(ready=True)
        known: list[dict[str, Any]] = []
        with suppress(Gone):  # it has ended: who else should serve?
            count = self._hears("yours").get("lines", 0)
            known = [self._hears("known")["known"] for _ in range(count)]
        return known

    async def serving(self, reactor: Any) -> dict[str, Any]:
        """We accept whoever comes: tell it, and wait until it has left; what it says then. Raises
        Broken."""
        lines = Lines(reactor)
        self._connection.setblocking(False)
        with self._connection as connection:
            reactor.adoptStreamConnection(
                connection.fileno(), socket.AF_UNIX, Factory.forProtocol(lambda: lines)
            )
        lines.says(serving=True)
        try:
            return await lines.hears("left", LEAVE)
        finally:
            lines.leaves()

    def _says(self, **what: Any) -> None:
        self._connection.settimeout(ANSWER)
        with suppress(OSError):  # it says why, or is gone: both are read
            self._connection.sendall(line(**what))

    def _hears(self, word: str) -> dict[str, Any]:
        """The next line, which is to have this word."""
        deadline = self._clock() + ANSWER
        while b"\n" not in self._read:
            self._receive(max(0.001, deadline - self._clock()))
        first, _, self._read = self._read.partition(b"\n")
        try:
            says = said(first)
        except WireError as why:
            raise CannotTakeOver(f"process {self.pid}: {why}") from None
        if word not in says:
            refusal = says.get("error") or f"says {', '.join(says)} where {word} is awaited"
            raise CannotTakeOver(f"process {self.pid}: {refusal}")
        return says

    def _receive(self, seconds: float) -> None:
        self._connection.settimeout(seconds)
        try:
            data, descriptors, _, _ = socket.recv_fds(
                self._connection, LONGEST, _AT_ONCE, socket.MSG_CMSG_CLOEXEC
            )
        except TimeoutError:
            why = f"process {self.pid} says nothing for {ANSWER:g} s"
            raise CannotTakeOver(why) from None
        except OSError:
            data, descriptors = b"", []
        self._descriptors += descriptors
        if not data:
            raise Gone(f"process {self.pid} has left in the middle of it")
        self._read += data
        if len(self._read) > LONGEST and b"\n" not in self._read:
            raise CannotTakeOver(f"process {self.pid} says a line without an end")


def former(path: str, clock: Callable[[], float]) -> Former | None:
    """The process that offers its sockets at this path; None: there is none. Raises
    CannotTakeOver."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(ANSWER)
    try:
        connection.connect(path)
    except OSError as why:
        connection.close()
        if why.errno in (errno.ENOENT, errno.ECONNREFUSED):
            return None
        raise CannotTakeOver(f"{path}: {why.strerror or why}") from None
    peer = peer_of(connection)
    if not (peer.ours or os.geteuid() == 0):  # root may look after anybody's
        connection.close()
        raise CannotTakeOver(f"{path}: process {peer.pid} there is of user {peer.uid}")
    return Former(connection, clock)
