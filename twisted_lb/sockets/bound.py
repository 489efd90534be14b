"""Sockets that are bound to a port and do not listen: who comes is refused, as if nothing were
there.

A data channel's listener takes one, listens, and gives it back: cheaper than to open, bind and
close a socket for each announcement. Their number has a cap, for each costs a descriptor.
"""

from __future__ import annotations

import resource
import socket
from typing import Final

MOST: Final = 256
"""Sockets that are kept."""
SHARE: Final = 16
"""And no more than one of so many descriptors of the process."""


class Bound:
    """Those that wait to listen again, by where they are bound."""

    def __init__(self) -> None:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = MOST if limit == resource.RLIM_INFINITY else min(MOST, limit // SHARE)
        self._kept: dict[tuple[str, int], socket.socket] = {}

    def take(self, host: str, port: int) -> socket.socket:
        """One that is bound here. Raises OSError."""
        return self._kept.pop((host, port), None) or bound(host, port)

    def keep(self, host: str, port: int, listening: socket.socket) -> None:
        """It listens no more; who waited in its queue is reset."""
        try:
            listening.shutdown(socket.SHUT_RD)
        except OSError:
            listening.close()
            return
        if len(self._kept) >= self._most:
            self._kept.pop(next(iter(self._kept))).close()
        self._kept[host, port] = listening

    def close(self) -> None:
        """Keep none."""
        while self._kept:
            self._kept.popitem()[1].close()


def bound(interface: str, port: int) -> socket.socket:
    """A socket that is bound and does not listen yet. Raises OSError."""
    host = interface or "0.0.0.0"
    named = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    family, _, _, _, at = named[0]
    handle = socket.socket(family, socket.SOCK_STREAM)
    try:
        handle.setblocking(False)
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        handle.bind(at)
    except BaseException:
        handle.close()
        raise
    return handle
