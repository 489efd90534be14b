"""The admin endpoint as a service: where it listens, who may come as far as to it.

In: settings, what answers. Out: listeners. Other settings are put in force as a balancer's are:
what is new is opened first, and when that fails nothing has changed.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import connectionDone
from twisted.internet.task import deferLater
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.server import Site

from ..capped import CappedRequest
from ..config.settings import AdminEndpoint
from ..ends import address
from ..facts import Announced, Note
from ..listeners import CannotListen
from ..reactors import Reactor
from ..terms import Address
from ..unixsocket import listen_privately, peer_of
from .web import Access, AdminResource

CONNECTIONS: Final = 64
"""At a time: a few people and a few programs. More find it closed."""
LIFE: Final = 60.0
"""Seconds of a connection on which nothing is said."""
TOKEN_LEAST: Final = 16
Place = Address | str
"""Where it listens: an address, or a unix socket's path."""


@attrs.frozen(eq=False)
class Open:
    """An open listener, and who came by it."""

    port: IListeningPort
    visitors: Visitors

    def close(self) -> Deferred[Any]:
        """Listen no more, and cut off whoever came by it."""
        for visitor in self.visitors.inside():
            visitor.cut()
        return maybeDeferred(self.port.stopListening)


@attrs.frozen
class Change:
    """Other settings, not in force yet: one of the two is to be said."""

    commit: Callable[[], None]
    undo: Callable[[], None]


class Endpoint(Service):
    """Listens where its settings say, from its start to its stop."""

    def __init__(
        self, settings: AdminEndpoint, resource: AdminResource, reactor: Reactor, note: Note
    ) -> None:
        site = Site(resource, CappedRequest, timeout=LIFE, reactor=reactor)
        site.displayTracebacks = False
        self._site = site
        self._settings = settings
        self._resource = resource
        self._reactor = reactor
        self._note = note
        self._open: dict[Place, Open] = {}
        self._visitors: set[Visitor] = set()
        """Who is connected."""
        resource.access = access(settings)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where it listens by TCP."""
        return tuple(
            address(each.port.getHost())
            for place, each in self._open.items()
            if isinstance(place, Address)
        )

    def change(self, settings: AdminEndpoint) -> Change:
        """Open what these settings add. Raises CannotListen, OSError, ValueError, with nothing
        changed."""
        newer = access(settings)
        opened = self._listen(settings) if self.running else {}

        def commit() -> None:
            self._settings, self._resource.access = settings, newer
            for place in self._open.keys() - set(_places(settings)):
                self._open.pop(place).close()
            self._open |= opened
            self._tell(opened)

        def undo() -> None:
            for each in opened.values():
                each.close()

        return Change(commit, undo)

    # IService

    def startService(self) -> None:
        """Listen. Raises CannotListen, with nothing left open."""
        opened = self._listen(self._settings)
        super().startService()
        self._open |= opened
        self._tell(opened)

    def stopService(self) -> Deferred[Any]:
        """Listen no more; who is connected is cut off."""
        super().stopService()
        closing = [each.close() for each in self._open.values()]
        self._open.clear()
        closing.append(deferLater(self._reactor, 0))  # the reactor tells them in its next turn
        return DeferredList(closing)

    # -- listening ----------------------------------------------------------------------------

    def _listen(self, settings: AdminEndpoint) -> dict[Place, Open]:
        opened: dict[Place, Open] = {}
        try:
            for place in _places(settings):
                if place not in self._open:
                    opened[place] = self._listen_at(place)
        except CannotListen:
            for each in opened.values():
                each.close()
            raise
        return opened

    def _listen_at(self, place: Place) -> Open:
        factory = Visitors(self._site, self._visitors)
        if isinstance(place, str):
            return Open(listen_privately(self._reactor, place, factory, "admin.socket"), factory)
        host = "" if place.host == "*" else place.host
        try:
            port = self._reactor.listenTCP(place.port, factory, 50, host)  # type: ignore[arg-type]
        except CannotListenError as why:
            raise CannotListen(f"admin.listen: {place}: {why.socketError.strerror}") from None
        return Open(port, factory)

    def _tell(self, opened: dict[Place, Open]) -> None:
        for place, each in opened.items():
            where = place if isinstance(place, str) else address(each.port.getHost())
            self._note(Announced("listening", f"admin on {where}"))


def access(settings: AdminEndpoint) -> Access:
    """What who comes by TCP may do. Raises OSError, ValueError for the token's file."""
    token = b""
    if settings.token_file:
        token = Path(settings.token_file).read_bytes().strip()
        if len(token) < TOKEN_LEAST or not token.isascii() or not token.decode().isprintable():
            wanted = f"a line of {TOKEN_LEAST} printable characters or more"
            raise ValueError(f"admin.token_file: {settings.token_file} holds no token: {wanted}")
    return Access(token, settings.allow == "act")


def _places(settings: AdminEndpoint) -> tuple[Place, ...]:
    return (*((settings.socket,) if settings.socket else ()), *settings.listen)


# -- who comes -------------------------------------------------------------------------------------


class Visitor(ProtocolWrapper):
    """A connection; by a unix socket only of our own user, or root's."""

    uid: int | None = None
    """Whose process it is, where the kernel says so."""

    def makeConnection(self, transport: Any) -> None:
        handle = transport.getHandle()
        if getattr(handle, "family", None) == socket.AF_UNIX:
            peer = peer_of(handle)
            self.uid = peer.uid
            if not peer.ours:
                transport.abortConnection()
        super().makeConnection(transport)
        self.factory.visitors.add(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.visitors.discard(self)
        super().connectionLost(reason)

    def cut(self) -> None:
        """Close it now."""
        transport: Any = self.transport
        transport.abortConnection()


class Visitors(WrappingFactory):
    """Lets in so many at a time, whichever way they come."""

    protocol = Visitor
    noisy = False

    def __init__(self, site: Site, visitors: set[Visitor]) -> None:
        super().__init__(site)
        self.visitors = visitors

    def inside(self) -> list[Visitor]:
        """Who came this way."""
        return [visitor for visitor in self.visitors if visitor.factory is self]

    def buildProtocol(self, addr: Any) -> Any:
        return super().buildProtocol(addr) if len(self.visitors) < CONNECTIONS else None
