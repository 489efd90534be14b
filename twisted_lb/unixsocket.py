"""Unix sockets for ourselves and root only: who listens there, who has come."""

from __future__ import annotations

import errno
import os
import socket
import struct
from pathlib import Path
from typing import Any, Final

import attrs
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort

from .listeners import CannotListen

_CREDENTIALS: Final = struct.Struct("3i")
"""Process, user, group: SO_PEERCRED (unix(7))."""


@attrs.frozen
class Peer:
    """The process at the other end, as the kernel knows it."""

    pid: int
    uid: int

    @property
    def ours(self) -> bool:
        """Whether it is of our own user, or root's."""
        return self.uid in (0, os.geteuid())


def peer_of(connection: socket.socket) -> Peer:
    """Who connected, or listened when we connected."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    return Peer(pid, uid)


def listen_privately(
    reactor: Any, path: str, factory: Any, key: str, backlog: int = 50
) -> IListeningPort:
    """Listen at this path, with mode 0600 from the first moment on. Raises CannotListen, which
    names the configuration's key."""
    _clear(path, key)
    before = os.umask(0o177)
    try:
        port: IListeningPort = reactor.listenUNIX(path, factory, backlog, mode=0o600)
    except CannotListenError as why:
        factory.doStop()  # Twisted has started it, and forgets that
        raise CannotListen(f"{key}: {path}: {why.socketError.strerror}") from None
    finally:
        os.umask(before)
    return port


def _clear(path: str, key: str) -> None:
    """Take away the socket of a process that is gone. Raises CannotListen for anything else."""
    with socket.socket(socket.AF_UNIX) as tried:
        try:
            tried.connect(path)
        except OSError as why:
            if why.errno == errno.ENOENT:
                return
            if why.errno != errno.ECONNREFUSED or not Path(path).is_socket():
                raise CannotListen(f"{key}: {path}: {why.strerror}") from None
        else:
            raise CannotListen(f"{key}: {path}: another process listens there")
    Path(path).unlink(missing_ok=True)
