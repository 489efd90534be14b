"""A reactor whose TCP is on our sockets: listenTCP, connectTCP and adoptStreamPort as Twisted has
them; everything else is the reactor's own.

What is here is for addresses. A host's name is dialled by the reactor, which looks it up.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IConnector, IListeningPort, IReactorTCP

from ..reactors import Reactor
from .connect import Connecting
from .loop import Loop
from .pipes import SIZE, Pipes
from .port import SocketPort


class SocketReactor:
    """Everything that the reactor is, but for its TCP."""

    def __init__(self, reactor: Reactor, pipes: Pipes) -> None:
        self._reactor = reactor
        self.loop = Loop(reactor, pipes)
        self.seconds = reactor.seconds
        self.callLater = reactor.callLater

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    # IReactorTCP

    def listenTCP(
        self, port: int, factory: Any, backlog: int = 50, interface: str = ""
    ) -> SocketPort:
        return self._listen(interface, port, factory, backlog, self._closed)

    def listen_again(self, port: int, factory: Any, backlog: int, interface: str) -> SocketPort:
        """The same, for a port that is listened on again and again, each time for a moment."""
        done = partial(self._kept, interface, port) if port else self._closed
        return self._listen(interface, port, factory, backlog, done)

    def _listen(
        self,
        interface: str,
        port: int,
        factory: Any,
        backlog: int,
        done: Callable[[socket.socket], None],
    ) -> SocketPort:
        try:
            handle = self.loop.bound.take(interface, port)
        except OSError as why:
            raise CannotListenError(interface, port, why) from None
        try:
            handle.listen(backlog)
        except OSError as why:
            handle.close()
            raise CannotListenError(interface, port, why) from None
        return self._listening(handle, factory, done)

    def _kept(self, interface: str, port: int, handle: socket.socket) -> None:
        if self.loop.busy:
            self.loop.bound.keep(interface, port, handle)
        else:
            handle.close()

    @staticmethod
    def _closed(handle: socket.socket) -> None:
        handle.close()

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: Any,
        timeout: float = 30.0,
        bindAddress: tuple[str, int] | None = None,
    ) -> IConnector:
        family = family_of(host)
        if family is None:
            tcp = cast(IReactorTCP, self._reactor)
            return tcp.connectTCP(host, port, factory, timeout, bindAddress)
        connecting = Connecting(self._reactor, self.loop, (host, port), factory)
        connecting.begin(family, timeout, bindAddress)
        return connecting

    # IReactorSocket, as far as it is about streams over TCP

    def adoptStreamPort(self, descriptor: int, family: int, factory: Any) -> IListeningPort:
        handle = socket.fromfd(descriptor, family, socket.SOCK_STREAM)
        handle.setblocking(False)
        return self._listening(handle, factory, self._closed)

    def _listening(
        self, handle: socket.socket, factory: Any, done: Callable[[socket.socket], None]
    ) -> SocketPort:
        port = SocketPort(self._reactor, self.loop, handle, factory, done)
        port.startListening()
        return port


def family_of(host: str) -> int | None:
    """Of which family this address is; None: it is a name, or has a scope that is one."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return family
    return None


def on_sockets(reactor: Reactor, size: int = SIZE, *, splice: bool = True) -> SocketReactor:
    """The same reactor, on our sockets, spliced through pipes of this size; without `splice`, their
    relays read and send."""
    return SocketReactor(reactor, Pipes(size, forbidden=not splice))
