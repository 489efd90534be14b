"""Sends TCP's urgent data, which Twisted's transports do not know.

In: an End, bytes of which the last one is to be marked. Out: they are on their way, or left out.
"""

from __future__ import annotations

import socket
from typing import Final

from twisted.internet.abstract import FileDescriptor

from .ends import End
from .sockets import SocketTransport

SYNCH: Final = b"\xff\xf4\xff\xf2"
"""Telnet's Interrupt Process, and its Data Mark, which is urgent (RFC 959 section 4.1.3)."""


def send_urgently(end: End, data: bytes) -> None:
    """Send it now, the last byte marked urgent.

    It is left out where the mark would get lost or go astray: over TLS, on a unix socket, behind
    bytes that wait to be sent. What it announces is to be understood without it.
    """
    transport = end.transport
    handle = transport.getHandle()
    if end.tls is not None or _waits(transport):
        return
    if not isinstance(handle, socket.socket) or handle.family == socket.AF_UNIX:
        return
    try:
        sent = handle.send(data, socket.MSG_OOB)
    except OSError:
        return  # full: what follows will wait; gone: that is told where it is read from
    if sent < len(data):
        end.write(data[sent:])


def _waits(transport: object) -> bool:
    """Whether bytes were written and not sent yet, or who knows."""
    if isinstance(transport, SocketTransport):
        return transport.waits
    if isinstance(transport, FileDescriptor):
        return bool(transport._tempDataLen) or len(transport.dataBuffer) > transport.offset
    return True
