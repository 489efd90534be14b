"""What runs in a scene, and what stands behind everything: FTP servers that say which one they are,
and hosts for terminals.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from twisted.application.service import Service
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver
from twisted.protocols.ftp import FTPFactory, FTPRealm
from zope.interface import implementer

from ..ends import address
from ..reactors import Reactor
from ..terms import Address

USER, PASSWORD = "demo", "demo"
MARKER = "server-name"
"""The file of an FTP server that names it."""


GREETING, ECHO, BYE = b"demo host ready; bye ends", b"you said ", b"bye"
"""What a terminal host says first, says before what it heard, and goes at."""

S = TypeVar("S", bound=Service)


class Site:
    """What runs: what was started last is stopped first."""

    def __init__(self) -> None:
        self._running: list[Service] = []

    def start(self, service: S) -> S:
        """Start it. What that raises means that it does not run."""
        service.startService()
        self._running.append(service)
        return service

    async def stop(self) -> None:
        """Stop everything, one after the other."""
        while self._running:
            await maybeDeferred(self._running.pop().stopService)


class Host(Service):
    """Something that listens, from its start to its stop."""

    _port: IListeningPort

    def __init__(self, reactor: Reactor, at: Address, factory: Any) -> None:
        self._reactor = reactor
        self._at = at
        self._factory = factory

    @property
    def address(self) -> Address:
        """Where it listens."""
        return address(self._port.getHost())

    # IService

    def startService(self) -> None:
        self._port = self._reactor.listenTCP(self._at.port, self._factory, interface=self._at.host)
        super().startService()

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        return maybeDeferred(self._port.stopListening)


@implementer(ICredentialsChecker)
class OneUser:
    """Knows one user. Twisted's own checker compares the FTP server's text with bytes."""

    credentialInterfaces = (IUsernamePassword,)

    # ICredentialsChecker

    def requestAvatarId(self, credentials: Any) -> Deferred[Any]:
        if (credentials.username, credentials.password) == (USER, PASSWORD):
            return succeed(USER)
        return fail(UnauthorizedLogin())


def home_of(homes: Path, name: str) -> Path:
    """Where the files of the user lie on this FTP server."""
    return homes / name / USER


def ftp_server(homes: Path, name: str) -> FTPFactory:
    """Twisted's own FTP server for one user, whose home holds a file that names the server."""
    home = home_of(homes, name)
    home.mkdir(parents=True)
    (home / MARKER).write_text(name)
    realm = FTPRealm("/nonexistent", userHome=str(homes / name))
    return FTPFactory(Portal(realm, [OneUser()]))


class TerminalHost(LineReceiver):
    """A host for terminals: greets, says each line back, and goes when it is told `bye`."""

    # LineReceiver

    def connectionMade(self) -> None:
        self.sendLine(GREETING)

    def lineReceived(self, line: bytes) -> None:
        if line.strip() == BYE:
            self.transport.loseConnection()  # type: ignore[union-attr]  # it is connected
        else:
            self.sendLine(ECHO + line)


def terminal_host() -> Factory:
    """One for whoever comes."""
    return Factory.forProtocol(TerminalHost)
