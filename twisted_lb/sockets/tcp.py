"""A reactor whose TCP is on our sockets: listenTCP, connectTCP and adoptStreamPort as Twisted has
them; everything else is the reactor's own.

What is here is for addresses. A host's name is dialled by the reactor, which looks it up.
"""

from __future__ import annotations

import socket
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
        try:
            handle = bound(interface, port)
        except OSError as why:
            raise CannotListenError(interface, port, why) from None
        try:
            handle.listen(backlog)
        except OSError as why:
            handle.close()
            raise CannotListenError(interface, port, why) from None
        return self._listening(handle, factory)

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
        return self._listening(handle, factory)

    def _listening(self, handle: socket.socket, factory: Any) -> SocketPort:
        port = SocketPort(self._reactor, self.loop, handle, factory)
        port.startListening()
        return port


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
