"""The demo's clients: FTP sessions and terminals, and what each of them saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine
from io import BytesIO
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredQueue
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.protocols.ftp import FTPClient, FTPError
from twisted.python.failure import Failure

from ..ends import address
from ..reactors import Reactor
from ..terms import Address
from .hosts import BYE, ECHO, GREETING, MARKER, PASSWORD, USER

ROUNDS = 3
"""Uploads and downloads of each session."""
SIZE = 100_000
"""Bytes of an upload."""
PATIENCE = 15.0
"""Seconds that a visit may take."""

T = TypeVar("T")


@attrs.define
class Visit:
    """What one client saw."""

    number: int
    kind: str
    port: int = 0
    """Its own: by this the logs of others know it."""
    channels: Counter[str] = attrs.field(factory=Counter)
    """How many it had of each role."""
    named: set[str] = attrs.field(factory=set)
    """The servers that the marker file named, read over the session's data channels."""
    damaged: int = 0
    """Answers that were not what had been sent."""
    broken: str = ""
    """Why it could not be made to its end."""

    @property
    def whole(self) -> bool:
        """Whether it came to its end, and everything it sent came back."""
        return not self.damaged and not self.broken


def within(doing: Coroutine[Any, Any, T], reactor: Reactor) -> Deferred[T]:
    """The same, with a deadline."""
    return Deferred.fromCoroutine(doing).addTimeout(PATIENCE, reactor)


def own_port(client: Protocol) -> int:
    """Where a client comes from."""
    transport: Any = client.transport
    return address(transport.getHost()).port


# -- FTP -------------------------------------------------------------------------------------------


class Client(FTPClient):
    """An FTP client that tells when its control connection is gone: what it asks for then, nobody
    answers."""

    def __init__(self, passive: bool) -> None:
        super().__init__(USER, PASSWORD, passive=passive)
        self.gone: Deferred[None] = Deferred()

    # IProtocol

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self.gone.callback(None)


class Gather(Protocol):
    """Takes a whole download."""

    def __init__(self) -> None:
        self._buffer = BytesIO()
        self.done: Deferred[bytes] = Deferred()

    # IProtocol

    def dataReceived(self, data: bytes) -> None:
        self._buffer.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.done.callback(self._buffer.getvalue())


async def download(client: FTPClient, name: str) -> bytes:
    """All bytes of one file."""
    gather = Gather()
    await client.retrieveFile(name, gather)
    return await gather.done


async def upload(client: FTPClient, name: str, data: bytes) -> None:
    """Store one file."""

    def send(consumer: Any) -> None:
        consumer.transport.write(data)
        consumer.finish()

    opened, finished = client.storeFile(name)
    opened.addCallbacks(send, lambda failure: None)  # `finished` fails of the same
    await finished


async def ftp_session(reactor: Reactor, at: Address, number: int) -> Visit:
    """One FTP session from login to QUIT: odd ones are passive, even ones active."""
    passive = number % 2 == 1
    visit = Visit(number, "FTP passive" if passive else "FTP active")
    endpoint = TCP4ClientEndpoint(reactor, at.host, at.port)
    client: Client = await connectProtocol(endpoint, Client(passive))
    visit.port = own_port(client)
    visit.channels["control"] = 1
    transfers = Deferred.fromCoroutine(_transfers(client, visit))
    client.gone.addCallback(lambda _: transfers.cancel())
    try:
        await transfers
    except CancelledError:
        visit.broken = "its control connection was lost"
    except FTPError as why:
        visit.broken = last_words(why)
    return visit


async def _transfers(client: Client, visit: Visit) -> None:
    for round in range(ROUNDS):
        name, data = (
            f"session{visit.number}-{round}.bin",
            bytes([visit.number, round]) * (SIZE // 2),
        )
        await upload(client, name, data)
        back = await download(client, name)
        marker = await download(client, MARKER)
        visit.named.add(marker.decode())
        visit.damaged += back != data
        visit.channels["data"] += 3
    await client.quit()


def last_words(why: FTPError) -> str:
    """What the server said last: it stands in an error, which may stand in another one."""
    cause: Any = why
    while isinstance(cause, Failure | FTPError):
        cause = cause.value if isinstance(cause, Failure) else cause.args[-1]
    return str(cause[-1] if isinstance(cause, list) else cause)


# -- terminals -------------------------------------------------------------------------------------


class Terminal(LineReceiver):
    """A terminal, until it says `bye`. An empty line stands for the end."""

    def __init__(self, number: int) -> None:
        self.visit = Visit(number, "terminal")
        self._lines: DeferredQueue[bytes] = DeferredQueue()

    async def greeted(self) -> None:
        """Wait for the host's first line."""
        line = await self._lines.get()
        if line != GREETING:
            self.visit.broken = line.decode("ascii", "backslashreplace") or "its host left"

    async def talks(self) -> None:
        """Ask something, and leave."""
        if self.visit.broken:
            return
        said, heard = b"hello from terminal %d" % self.visit.number, []
        self.sendLine(said)
        self.sendLine(BYE)
        while line := await self._lines.get():
            heard.append(line)
        self.visit.damaged += heard != [ECHO + said]

    # LineReceiver

    def connectionMade(self) -> None:
        self.visit.port = own_port(self)
        self.visit.channels["terminal"] = 1

    def lineReceived(self, line: bytes) -> None:
        self._lines.put(line)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lines.put(b"")


async def terminal(reactor: Reactor, at: Address, number: int) -> Terminal:
    """One whose host has said something."""
    endpoint = TCP4ClientEndpoint(reactor, at.host, at.port)
    terminal: Terminal = await connectProtocol(endpoint, Terminal(number))
    await terminal.greeted()
    return terminal
