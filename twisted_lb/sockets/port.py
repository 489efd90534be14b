"""A listening port: accepts whoever comes and asks a factory for a protocol, as Twisted's does."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort
from twisted.python.failure import Failure
from zope.interface import implementer

from .leg import Bare
from .loop import Loop
from .transport import SocketTransport, address

ACCEPTS: Final = 64
"""Connections that are accepted in one turn; then the others have theirs."""
SHORT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Why the system has nothing to accept with, for now."""
TRY_AGAIN: Final = 0.1
"""Seconds after which it may have: nobody tells."""


@implementer(IListeningPort)
class SocketPort:
    """A socket that listens, or will."""

    def __init__(
        self,
        clock: Any,
        loop: Loop,
        handle: socket.socket,
        factory: Any,
        done: Callable[[socket.socket], None],
    ) -> None:
        """`done` is given the socket when it is to listen no more."""
        self._done = done
        self.socket = handle
        self.factory = factory
        self._clock = clock
        self._loop = loop
        self._descriptor = -1
        self._reading = False
        self._waits: IDelayedCall | None = None
        """Accepts again when the system has something to accept with."""

    @property
    def connected(self) -> bool:
        """Whether it listens."""
        return self._descriptor >= 0

    # IListeningPort

    def startListening(self) -> None:
        self.factory.doStart()
        self._reading = True
        self._descriptor = self._loop.watch(self.socket, self)

    def stopListening(self) -> None:
        """Who comes from now on is refused."""
        if not self.connected:
            return
        self.let_go()
        self._done(self.socket)
        self.factory.doStop()

    def getHost(self) -> IAddress:
        return address(self.socket.getsockname())

    # -- as every port of a reactor -----------------------------------------------------------

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self.socket.fileno()

    def stopReading(self) -> None:
        """Whoever comes waits in the kernel's queue."""
        self._reading = False

    def startReading(self) -> None:
        """They are accepted again."""
        if not self._reading:
            self._reading = True
            self._loop.soon(self._accept)

    def one_by_one(self) -> None:
        """Accept one connection at a time: so it is done anyway."""

    def see_others(self) -> None:
        """Before it stops: who has come beside the one that was waited for is shown to the factory,
        which takes nobody any more."""
        while (come := self._next()) is not None:
            self._came(*come)

    def let_go(self) -> None:
        """Accept no more; the socket listens on."""
        self._reading = False
        descriptor, self._descriptor = self._descriptor, -1
        self._loop.drop(descriptor)
        if self._waits is not None and self._waits.active():
            self._waits.cancel()

    # -- told by the loop ---------------------------------------------------------------------

    def ready(self, events: int) -> None:
        self._accept()

    def failed(self, failure: Failure) -> None:
        """The next one may be luckier."""
        self._loop.soon(self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTS):
            if not self._reading:
                return
            come = self._next()
            if come is None:
                return
            self._came(*come)
        self._loop.soon(self._accept)

    def _next(self) -> tuple[int, tuple[Any, ...]] | None:
        """The next who has come; None: nobody, or nothing to accept him with."""
        while True:
            try:
                return self.socket._accept()  # type: ignore[attr-defined,no-any-return]
            except BlockingIOError:
                return None
            except OSError as why:
                if why.errno in SHORT and not self._turns_away():
                    self._waits = self._clock.callLater(TRY_AGAIN, self._accept)
                    return None
                # else whoever came has left, or was turned away

    def _turns_away(self) -> bool:
        """Close one who comes, with the descriptor that is kept for it; whether that was so."""
        with self._loop.reserve.spent():
            try:
                descriptor, _ = self.socket._accept()  # type: ignore[attr-defined]
            except OSError:
                return False
            os.close(descriptor)
            return True

    def _came(self, descriptor: int, peer: tuple[Any, ...]) -> None:
        leg = Bare(self.socket.family, socket.SOCK_STREAM, 0, descriptor)
        leg.setblocking(False)
        named = address(peer)
        try:
            protocol = self.factory.buildProtocol(named)
        except BaseException:
            leg.close()
            raise
        if protocol is None:
            leg.close()
        else:
            SocketTransport(self._loop, leg, protocol, named).begin()
