"""The token server as a service: what its files hold, who may connect, TLS. Stands in for a
management server.

In: settings. Out: a service that answers `/token` (see `tokenresource`). Who connects comes through
a door as a frontend's clients do; connections have a short life: each is for a request or a few.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import (
    IDelayedCall,
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IReactorTime,
)
from twisted.internet.protocol import Factory, ServerFactory, connectionDone
from twisted.internet.threads import deferToThreadPool
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from twisted.web.server import Site
from zope.interface import implementer

from ..accept import Door, descriptors
from ..capped import CappedRequest
from ..config.settings import Frontend
from ..ends import address
from ..errors import ConfigurationError, Problem
from ..facts import Announced, ConnectionEnded, Note
from ..listeners import listen
from ..terms import Address, Ending
from ..tls import Identity, ServerContext
from .gate import choose
from .keys import SigningKey
from .logins import Passwords
from .tokenresource import TokenResource
from .tokensettings import ServerTls, TokenServerSettings
from .users import Users

LIFE: Final = 30.0
"""Seconds of a connection: a request takes well under one."""

T = TypeVar("T")

# -- what the files hold ---------------------------------------------------------------------------


@attrs.frozen
class Parts:
    """What a token server is made of, apart from its settings."""

    key: SigningKey
    users: Users
    context: ServerContext | None
    """None: no TLS."""


def read_parts(settings: TokenServerSettings, file: str) -> Parts:
    """Read every file that the settings name. Raises ConfigurationError with all that is wrong."""
    problems: list[Problem] = []

    def read(path: str, reading: Callable[[], T]) -> T | None:
        try:
            return reading()
        except OSError as why:
            problems.append(Problem(path, f"{why.filename} cannot be read: {why.strerror}"))
        except ValueError as why:
            problems.append(Problem(path, str(why)))
        return None

    key = read("issuer.key", lambda: _key(settings.issuer.key))
    users = read("users", lambda: Users(Path(settings.users).read_bytes(), settings.users))
    context = read("tls.certificate", lambda: _context(settings.tls))
    problems += _strangers(settings, users) if users else []
    if problems or key is None or users is None:
        raise ConfigurationError(file, tuple(problems))
    return Parts(key, users, context)


def _key(path: str) -> SigningKey:
    return SigningKey.of(Path(path).read_bytes(), path)


def _context(tls: ServerTls) -> ServerContext | None:
    if tls.mode == "off":
        return None
    identity = Identity.read(tls.certificate, tls.key or tls.certificate)
    return ServerContext(identity, minimum=tls.minimum)


def _strangers(settings: TokenServerSettings, users: Users) -> list[Problem]:
    """Users who are permitted something and stand in no file."""
    return [
        Problem(f"destination[#{index}].users", f"{settings.users} has no user {user!r}")
        for index, place in enumerate(settings.destinations, 1)
        for user in place.users
        if user != "*" and user not in users
    ]


# -- the service -----------------------------------------------------------------------------------


class TokenServer(Service):
    """Listens from its start to its stop. `wall` tells seconds since 1970."""

    def __init__(
        self,
        settings: TokenServerSettings,
        parts: Parts,
        reactor: Any,
        wall: Callable[[], float],
        note: Note,
    ) -> None:
        def aside(check: Callable[[], bool]) -> Deferred[bool]:
            return deferToThreadPool(reactor, reactor.getThreadPool(), check)

        passwords = Passwords(parts.users, aside)
        resource = TokenResource(settings, parts.key, passwords, reactor, wall, note)
        site = Site(resource, CappedRequest, timeout=LIFE, reactor=reactor)
        site.displayTracebacks = False
        spoken: Any = site
        if parts.context is not None:
            spoken = TLSMemoryBIOFactory(_Handshakes(parts.context), False, site, reactor)
        self._frontend = _frontend(settings)
        door = Door(self._frontend, choose, descriptors())
        self._visitors = Visitors(spoken, door, reactor, note)
        self._reactor = reactor
        self._note = note
        self._ports: list[IListeningPort] = []

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where it listens."""
        return tuple(address(port.getHost()) for port in self._ports)

    # -- IService -----------------------------------------------------------------------------

    def privilegedStartService(self) -> None:
        """Listen while the process may still bind low ports. Raises CannotListen."""
        self._ports = listen(self._reactor, self._frontend, self._visitors)
        for each in self.addresses:
            self._note(Announced("listening", f"token-server on {each}"))
        super().privilegedStartService()

    def startService(self) -> None:
        """Listen, if that was not done yet. Raises CannotListen."""
        if not self._ports:
            self.privilegedStartService()
        super().startService()

    def stopService(self) -> Deferred[object]:
        """Listen no more, and leave whoever is connected."""
        closing = [port.stopListening() for port in self._ports]
        self._ports = []
        for visitor in list(self._visitors.protocols):
            visitor.abortConnection()
        super().stopService()
        closed = DeferredList([each for each in closing if each is not None])
        return closed.addCallback(lambda _: self._note(Announced("stopped")))


def _frontend(settings: TokenServerSettings) -> Frontend:
    return Frontend(
        name="token-server",
        listen=settings.listen,
        allow=settings.allow,
        deny=settings.deny,
        maxconn=settings.maxconn,
        startups=settings.startups,
    )


@implementer(IOpenSSLServerConnectionCreator)
class _Handshakes:
    """One TLS connection after another, of one context."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context

    # IOpenSSLServerConnectionCreator

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> Any:
        return self._context.connection()


class Visitor(ProtocolWrapper):
    """A connection that ends at its deadline, whatever trickles."""

    factory: Visitors
    transport: Any
    _deadline: IDelayedCall

    # IProtocol

    def makeConnection(self, transport: Any) -> None:
        self._deadline = self.factory.clock.callLater(LIFE, transport.abortConnection)
        super().makeConnection(transport)
        self.factory.entered(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._deadline.active():
            self._deadline.cancel()
        self.factory.left(self)
        super().connectionLost(reason)


class Visitors(WrappingFactory, ServerFactory):
    """Whom the door lets in; who is turned away is told of."""

    protocol = Visitor
    noisy = False

    def __init__(self, factory: Factory, door: Door, clock: IReactorTime, note: Note) -> None:
        super().__init__(factory)
        self.clock = clock
        self._door = door
        self._note = note

    def entered(self, visitor: Visitor) -> None:
        """This one came in; it is on its way until it leaves."""
        peer = address(visitor.transport.getPeer())
        self._door.entered(visitor, peer)
        if not self._door.affords(visitor.transport.getHandle()):
            self._turned_away(peer, "full")
            visitor.transport.abortConnection()

    def left(self, visitor: Visitor) -> None:
        """One who came in is gone."""
        self._door.settled(visitor)
        self._door.left()

    def _turned_away(self, peer: Address, word: Ending) -> None:
        self._note(ConnectionEnded("", self._door.frontend.name, peer, word, 0.0))

    # IProtocolFactory

    def buildProtocol(self, addr: Any) -> Any:
        peer = address(addr)
        word = self._door.refuses(peer)
        if word is None:
            return super().buildProtocol(addr)
        self._turned_away(peer, word)
        return None
