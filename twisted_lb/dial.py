"""Connects to one address: an End, or Refused with the reason. Cancelling closes the attempt."""

from __future__ import annotations

import errno
import socket

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectBindError, ConnectError, TimeoutError
from twisted.internet.interfaces import IAddress, IConnector, IReactorTime
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from .ends import DEFAULT_TUNING, End, Tuning, line
from .errors import Ended
from .reactors import Reactor
from .terms import Address

HOLD = 65_536
"""Bytes kept of a server that talks before it is joined."""


SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Why the system gives no socket: out of descriptors, or of memory for one."""


def shortage(error: BaseException | None) -> bool:
    """Whether a connect failed because this process had nothing to connect with.

    That may also be a port of its own: EADDRNOTAVAIL, unless it was asked to come from an address.
    """
    if not isinstance(error, ConnectError):
        return False
    unasked = not isinstance(error, ConnectBindError)
    return error.osError in SHORTAGES or (unasked and error.osError == errno.EADDRNOTAVAIL)


class Refused(Exception):
    """The other side did not take the connection; says why."""

    def __init__(self, why: str, said: bytes = b"") -> None:
        super().__init__(why)
        self.said = said
        """The words that it refused with, if it spoke."""


class _Dialling(ClientFactory):
    noisy = False

    def __init__(self, clock: IReactorTime, tuning: Tuning) -> None:
        self.answered: Deferred[End] = Deferred(self._cancel)
        self.connector: IConnector | None = None
        """Until the attempt is over."""
        self._clock = clock
        self._tuning = tuning

    # IClientFactory

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return line(self._connected, HOLD)

    def clientConnectionFailed(
        self, connector: IConnector, reason: Failure = connectionDone
    ) -> None:
        self.connector = None
        if not self.answered.called:
            self.answered.errback(_why(reason))

    def _connected(self, end: End) -> None:
        self.connector = None
        self._tuning.apply(end)
        if self.answered.called:
            end.abort()
        else:
            self.answered.callback(end)

    def _cancel(self, answered: Deferred[End]) -> None:
        answered.errback(CancelledError())
        # In the reactor's next turn: in this one an event may be left for its descriptor, and would
        # be given to whoever opens the same number. A listener that is told to write is closed.
        self._clock.callLater(0, self._give_up)

    def _give_up(self) -> None:
        if self.connector is not None:
            self.connector.disconnect()


def _why(reason: Failure) -> Refused | Ended:
    error = reason.value
    if shortage(error):
        return Ended("full", str(error))
    if isinstance(error, TimeoutError):
        return Refused("no answer in time")
    return Refused(str(error) if isinstance(error, ConnectError) else reason.getErrorMessage())


def dial(
    reactor: Reactor,
    target: Address,
    seconds: float,
    *,
    tuning: Tuning = DEFAULT_TUNING,
    source: str = "",
) -> Deferred[End]:
    """Connect to `target` within `seconds`, from the local address `source` if one is given.

    Fails with Refused, or with Ended("full") when it is this process that has no socket to give:
    the other side was never asked.
    """
    factory = _Dialling(reactor, tuning)
    bind = (source, 0) if source else None
    factory.connector = reactor.connectTCP(target.host, target.port, factory, seconds, bind)
    _in_line(factory.connector)
    return factory.answered


def _in_line(connector: IConnector | None) -> None:
    """Let urgent data stay in line from the first byte on.

    Tuning says so too, but too late for a byte that comes as soon as the connection stands: the
    reactor would not be woken for it again.
    """
    handle = getattr(getattr(connector, "transport", None), "socket", None)
    if isinstance(handle, socket.socket):
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
