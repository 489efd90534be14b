"""One epoll for all our sockets, nested in a reactor as one reader.

Rules:
- Edge-triggered, for reading and writing at once: a socket is registered when it is opened, and
  never again. Whoever is told that something may be read or written does it until the kernel has no
  more, or asks to go on in the next turn (`soon`).
- An event is a hint. A descriptor may have been closed and opened again within the events of one
  turn; what an event says is only what to try.
- Whoever fails is told so and forgotten; the others go on.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from ..facility import logger
from .bound import Bound
from .pipes import Pipes
from .reserve import Reserve

MAY_READ: Final = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
MAY_WRITE: Final = select.EPOLLOUT
TO_THE_END: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR | select.EPOLLPRI
"""After one of these a short read is not the last: an end or an urgent byte stands behind it."""
EVERYTHING: Final = (
    select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLPRI | select.EPOLLET
)
EVENTS: Final = 256
"""Events that are asked for at once."""
ROUNDS: Final = 8
"""How often more events are asked for before the reactor has its turn."""

log = logger(__name__)


class Watched(Protocol):
    """Whose socket is watched."""

    def ready(self, events: int) -> None:
        """Something may be read or written, as poll(2) says it."""

    def failed(self, failure: Failure) -> None:
        """`ready` has raised this, which nobody expected: nothing is told any more."""


@implementer(IReadDescriptor)
class Loop:
    """The sockets that are watched, by descriptor."""

    def __init__(self, reactor: Any, pipes: Pipes) -> None:
        self.pipes = pipes
        """What its sockets may be spliced through."""
        self.bound = Bound()
        self.reserve = Reserve()
        self._reactor = reactor
        self._epoll: select.epoll | None = None
        """While it watches any."""
        self._watched: dict[int, Watched] = {}
        self._soon: list[Callable[[], None]] = []
        self._turning = False

    @property
    def busy(self) -> bool:
        """Whether it watches any."""
        return bool(self._watched)

    # -- for those who are watched ------------------------------------------------------------

    def watch(self, handle: socket.socket, watched: Watched) -> int:
        """Tell `watched` of this socket from now on; its descriptor."""
        if self._epoll is None:
            self._epoll = select.epoll()
            self._reactor.addReader(self)
            self.reserve.open()
        descriptor = handle.fileno()
        self._watched[descriptor] = watched
        self._epoll.register(descriptor, EVERYTHING)
        return descriptor

    def hand(self, descriptor: int, watched: Watched) -> None:
        """Tell somebody else of this socket from now on. What it could read or write is not told
        again: it tries."""
        self._watched[descriptor] = watched

    def leave(self, descriptor: int) -> None:
        """Tell nobody of it. Call it before the socket is closed, which takes it from the epoll."""
        del self._watched[descriptor]
        if not self._watched and self._epoll is not None:
            self._reactor.removeReader(self)
            self._epoll.close()
            self._epoll = None
            self.forget()
            self.reserve.close()

    def forget(self) -> None:
        """Keep nothing for those who may come."""
        self.pipes.close()
        self.bound.close()

    def drop(self, descriptor: int) -> None:
        """The same, of a socket that stays open, here or in another process."""
        if self._epoll is not None:
            self._epoll.unregister(descriptor)
        self.leave(descriptor)

    def soon(self, call: Callable[[], None]) -> None:
        """Call this when what is being done is done, after the others' events."""
        if not self._soon and not self._turning:
            self._reactor.callLater(0, self._go_on)
        self._soon.append(call)

    # IReadDescriptor and ILoggingContext

    def fileno(self) -> int:
        return self._epoll.fileno() if self._epoll is not None else -1

    def doRead(self) -> None:
        self._turning = True
        try:
            for _ in range(ROUNDS):
                events = self._epoll.poll(0, EVENTS) if self._epoll is not None else []
                for descriptor, event in events:
                    self.tell(descriptor, event)
                if not events:
                    break
        finally:
            self._turning = False
        if self._soon:
            self._reactor.callLater(0, self._go_on)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops."""

    def logPrefix(self) -> str:
        return "sockets"

    # -- inside -------------------------------------------------------------------------------

    def tell(self, descriptor: int, event: int) -> None:
        """Tell whose socket it is now."""
        watched = self._watched.get(descriptor)
        if watched is None:
            return
        try:
            watched.ready(event)
        except Exception:
            log.failure("a socket failed")
            self._fail(watched)

    def _fail(self, watched: Watched) -> None:
        try:
            watched.failed(Failure())
        except Exception:
            log.failure("a socket failed, and then its owner")

    def _go_on(self) -> None:
        calls, self._soon = self._soon, []
        for call in calls:
            try:
                call()
            except Exception:
                log.failure("a socket failed")
