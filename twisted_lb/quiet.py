"""Listens as the reactor does, but says nothing of it in the process' log.

A listener for every data channel would fill it: two lines each, thousands of times a day.
"""

from __future__ import annotations

import socket

from twisted.internet import tcp
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory

from .reactors import Reactor
from .sockets import SocketPort, SocketReactor


class QuietPort(tcp.Port):
    """Twisted's listening TCP port, without its two lines."""

    factory: ServerFactory
    port: int
    _one = False

    def startListening(self) -> None:
        """Bind and listen. Raises CannotListenError."""
        try:
            listening = self.createInternetSocket()
        except OSError as why:
            raise CannotListenError(self.interface, self.port, why) from None
        try:
            listening.bind(_numeric(self.interface, self.port))
            listening.listen(self.backlog)
        except OSError as why:
            listening.close()
            raise CannotListenError(self.interface, self.port, why) from None
        self._realPortNumber = listening.getsockname()[1]
        self.factory.doStart()
        self.connected = True
        self.socket = listening
        self.fileno = listening.fileno  # type: ignore[method-assign]  # as tcp.Port does
        self.numberAccepts = 100
        self.startReading()

    def one_by_one(self) -> None:
        """Accept one connection at a time: who waits behind it may not be wanted then."""
        self._one = True

    def see_others(self) -> None:
        """Whoever has come was accepted, and the factory has seen him."""

    def doRead(self) -> None:
        """Accept who waits, or the first of them."""
        if self._one:
            self.numberAccepts = 1
        super().doRead()

    def _logConnectionLostMsg(self) -> None:
        pass


def _numeric(host: str, port: int) -> tuple[object, ...]:
    """What bind wants of an address, with the scope of a link-local one."""
    if not host:
        return host, port
    return socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)[0][4]


def listen_quietly(
    reactor: Reactor, port: int, factory: ServerFactory, backlog: int, host: str
) -> QuietPort | SocketPort:
    """`listenTCP`, quietly. Raises CannotListenError."""
    if isinstance(reactor, SocketReactor):
        return reactor.listen_again(port, factory, backlog, host)  # it says nothing anyway
    listening = QuietPort(port, factory, backlog, host, reactor)
    listening.startListening()
    return listening
