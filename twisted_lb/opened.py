"""All open listeners, by where they listen: what of them changes, comes from the process before
this one, goes to the one after it.

Rules:
- What stays the same listens on: nobody is refused meanwhile.
- A socket that another process has, too, is closed here and never shut down: shutdown(2) would end
  it for both, and so would taking away the name of a unix socket.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs
from twisted.internet import unix
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import ServerFactory

from .config.settings import Frontend
from .listeners import CannotListen, Place, listen_at, places
from .reactors import Reactor
from .sockets import SocketPort
from .terms import Address
from .wire.handover import Where


class Way(ServerFactory):
    """Leads whoever connects to the entrance that is in force."""

    noisy = False

    def __init__(self, entrance: ServerFactory) -> None:
        self.entrance = entrance

    # IFactory

    def buildProtocol(self, addr: IAddress | None) -> Any:
        return self.entrance.buildProtocol(addr)


@attrs.define(eq=False)
class Listener:
    """An open listener."""

    frontend: str
    port: IListeningPort
    way: Way
    shared: bool = False
    """Another process has its socket, or is about to."""

    @property
    def plain(self) -> bool:
        """Whether its socket is all there is to it: no endpoint of somebody's stands between."""
        bound = isinstance(getattr(self.port, "socket", None), socket.socket)
        return bound and getattr(self.port, "factory", None) is self.way

    def stop(self) -> Any:
        """Listen no more here; fires when that is so."""
        if not self.shared:
            return self.port.stopListening()
        if isinstance(self.port, SocketPort):
            self.port.let_go()
        else:
            self.pause()
        self.port.socket.close()  # type: ignore[attr-defined]  # without what Twisted does besides
        return None

    def pause(self) -> None:
        """Who comes waits in the kernel's queue."""
        self.port.stopReading()  # type: ignore[attr-defined]  # every port of a reactor has it

    def resume(self) -> None:
        """They are accepted again."""
        self.port.startReading()  # type: ignore[attr-defined]


class Listeners:
    """All open listeners, by where they listen."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        """Whose TCP it is."""
        self._open: dict[Where, Listener] = {}
        self._inherited: dict[Where, socket.socket] = {}
        self._spent: set[Place] = set()
        """Places of systemd's that we have listened at: their descriptors' numbers may be anything
        else's by now."""

    def __iter__(self) -> Iterator[Listener]:
        return iter(self._open.values())

    def change(self, wanted: Iterable[tuple[Frontend, ServerFactory]]) -> list[Listener]:
        """Listen for these frontends, and no others; those that were opened for it.

        Raises CannotListen, with nothing changed.
        """
        places = {key: each for each in wanted for key in _keys(each[0])}
        opened: dict[Where, Listener] = {}
        try:
            for key, (frontend, entrance) in places.items():
                if key not in self._open:
                    opened[key] = self._opened(key, frontend, Way(entrance))
        except BaseException:
            for listener in opened.values():
                listener.stop()
            raise
        finally:
            self._disinherit()
        for key in [key for key in self._open if key not in places]:
            self._open.pop(key).stop()
        self._open |= opened
        for key, (frontend, entrance) in places.items():
            self._open[key].frontend, self._open[key].way.entrance = frontend.name, entrance
        return list(opened.values())

    def close(self) -> Deferred[Any]:
        """Listen no more; fires when all are closed."""
        closing = [maybeDeferred(listener.stop) for listener in self]
        self._open.clear()
        return DeferredList(closing)

    def _opened(self, key: Where, frontend: Frontend, way: Way) -> Listener:
        handed = self._inherited.pop(key, None)
        if handed is None:
            self._spend(frontend, _place(key))
            port = listen_at(self.reactor, frontend, _place(key), way)
            return Listener(frontend.name, port, way)
        with handed:
            port = _adopted(self.reactor, handed, way, frontend.backlog)
        return Listener(frontend.name, port, way, shared=True)

    def _spend(self, frontend: Frontend, place: Place) -> None:
        if isinstance(place, str) and place.startswith("systemd:"):
            if place in self._spent:
                why = "systemd has given it to this process once, and a reload has closed it"
                raise CannotListen(f"frontend {frontend.name}: {place!r}: {why}; restart")
            self._spent.add(place)

    # -- from the process before, and to the one after ----------------------------------------

    def inherit(self, sockets: Mapping[Where, socket.socket]) -> None:
        """Sockets of another process, which listen. The next change takes those that are wanted,
        and closes the others."""
        self._inherited.update(sockets)

    def own(self) -> None:
        """What was shared is ours alone by now."""
        for listener in self:
            listener.shared = False

    def shared(self) -> dict[Where, int]:
        """Every socket that another process could go on with: its descriptor."""
        shared = {key: listener for key, listener in self._open.items() if listener.plain}
        for listener in shared.values():
            listener.shared = True
        return {key: listener.port.fileno() for key, listener in shared.items()}  # type: ignore[attr-defined]

    def pause(self) -> None:
        """Accept nobody for a while: whoever comes waits in the kernel's queues."""
        for listener in self:
            listener.pause()

    def resume(self) -> None:
        """Accept them."""
        for listener in self:
            listener.resume()

    def _disinherit(self) -> None:
        for left in self._inherited.values():
            left.close()
        self._inherited.clear()


def _keys(frontend: Frontend) -> Iterator[Where]:
    for number, place in enumerate(places(frontend)):
        any_port = isinstance(place, Address) and place.port == 0
        yield (place, frontend.name, number) if any_port else place


def _place(key: Where) -> Place:
    return key[0] if isinstance(key, tuple) else key


def _adopted(reactor: Any, handed: socket.socket, way: Way, backlog: int) -> IListeningPort:
    """A listening port of this socket, which accepts as many as are configured now."""
    handed.setblocking(False)
    if handed.family == socket.AF_UNIX:
        port = unix.Port._fromListeningDescriptor(reactor, handed.fileno(), way)
        # adoptStreamPort has no way to say this, and would let everybody come to the socket.
        port.mode = os.stat(handed.getsockname()).st_mode & 0o777
        port.backlog = backlog
        port.startListening()
    else:
        port = reactor.adoptStreamPort(handed.fileno(), handed.family, way)
        port.socket.listen(backlog)
    opened: IListeningPort = port
    return opened
