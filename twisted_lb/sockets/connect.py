"""Connecting: a socket that waits for its answer, as one of Twisted's connectors."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any, Final

from twisted.internet.error import (
    ConnectBindError,
    TimeoutError,
    UserError,
    getConnectError,
)
from twisted.internet.interfaces import IConnector
from twisted.python.failure import Failure
from zope.interface import implementer

from .leg import Bare
from .loop import Loop
from .transport import SocketTransport, address

_NO_PORT: Final = 24
"""IP_BIND_ADDRESS_NO_PORT of linux/in.h: bind to an address, and let connect choose the port, which
may then be in use toward others."""


@implementer(IConnector)
class Connecting:
    """One attempt to connect; told of by the factory's `buildProtocol`, or
    `clientConnectionFailed`."""

    __slots__ = (
        "_clock",
        "_deadline",
        "_descriptor",
        "_factory",
        "_leg",
        "_loop",
        "_over",
        "_target",
    )

    def __init__(self, clock: Any, loop: Loop, target: tuple[str, int], factory: Any) -> None:
        self._clock = clock
        self._loop = loop
        self._target = target
        self._factory = factory
        self._leg: Bare | None = None
        self._descriptor = -1
        self._deadline: Any = None
        self._over = False

    def begin(self, family: int, seconds: float, source: tuple[str, int] | None) -> None:
        """Ask. What comes of it is told later, never within this call."""
        try:
            self._open(family, source)
        except OSError as why:
            failed = ConnectBindError(why.errno, why.strerror)
            self._loop.soon(lambda: self._fail(failed))
            return
        assert self._leg is not None, "it was opened"
        code = self._leg.connect_ex(self._target)
        if code not in (0, errno.EINPROGRESS):
            self._loop.soon(lambda: self._fail(getConnectError((code, os.strerror(code)))))
            return
        self._descriptor = self._loop.watch(self._leg, self)
        self._deadline = self._clock.callLater(seconds, self._fail, TimeoutError())

    def _open(self, family: int, source: tuple[str, int] | None) -> None:
        self._leg = Bare.opened(family)
        # Urgent data stays in line, from the first byte on: later is too late for one that comes as
        # soon as the connection stands.
        self._leg.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        if source is not None:
            if family == socket.AF_INET and not source[1]:
                self._leg.setsockopt(socket.IPPROTO_IP, _NO_PORT, 1)
            self._leg.bind(source)

    # -- told by the loop ---------------------------------------------------------------------

    def ready(self, events: int) -> None:
        assert self._leg is not None, "nobody is told of a socket that was given up"
        code = self._leg.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._fail(getConnectError((code, os.strerror(code))))
            return
        if self._deadline.active():
            self._deadline.cancel()
        try:
            self._leg.getpeername()
        except OSError:
            return  # an event of who had this descriptor before: no answer has come yet
        self._over = True
        protocol = self._factory.buildProtocol(None)
        transport = SocketTransport(self._loop, self._leg, protocol, address(self._target))
        transport.begin(self._descriptor)
        # Who answers may have spoken, too, which is not told again; whose it is by now hears it.
        self._loop.tell(self._descriptor, events)

    def failed(self, failure: Failure) -> None:
        self._fail(failure.value)

    def _fail(self, why: Any) -> None:
        if self._over:
            return
        self._over = True
        if self._descriptor >= 0:
            self._loop.leave(self._descriptor)
        if self._leg is not None:
            self._leg.close()
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._factory.clientConnectionFailed(self, Failure(why))

    # IConnector

    def stopConnecting(self) -> None:
        self._fail(UserError())

    def disconnect(self) -> None:
        self._fail(UserError())

    def connect(self) -> None:
        raise NotImplementedError("an attempt is made once")

    def getDestination(self) -> Any:
        raise NotImplementedError("its factory knows what it asked for")
