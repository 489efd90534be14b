"""The process that serves, when another one takes over: it offers its listening sockets.

In: lines of a successor. Out: descriptors, lines. docs/how-to/upgrade.md has the conversation.

Rules:
- Only processes of our own user, or root's, may take over; one at a time.
- Every wait has a deadline. When the successor fails, or is late, we go on as if nothing had been.
- Nobody accepts between our pause and the successor's word that it serves: what the two know of
  sessions and servers is one thing. Clients wait in the kernel's queues meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final
from typing import Protocol as Shape

from twisted.internet.defer import Deferred, TimeoutError, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from .errors import WireError
from .facts import Announced, Note
from .reactors import Reactor
from .unixsocket import listen_privately, peer_of
from .wire.handover import VERSION, Where, line, said, where_told

HELLO: Final = 5.0
"""Seconds for the first line of who connects."""
START: Final = 60.0
"""Seconds from the sockets' arrival until the successor has made ready to serve."""
SERVE: Final = 10.0
"""Seconds, in which nobody accepts, until the successor does."""
LONGEST: Final = 1 << 20
"""Bytes of a line."""


class Broken(Exception):
    """The conversation does not go on; says why."""


class Lines(LineOnlyReceiver):
    """One end of the conversation: says lines, and waits for the other's."""

    delimiter = b"\n"
    MAX_LENGTH = LONGEST
    transport: Any
    """A stream of a unix socket: it has more than ITransport."""

    def __init__(
        self, clock: IReactorTime, begun: Callable[[Lines], object] = lambda lines: None
    ) -> None:
        self._clock = clock
        self._begun = begun
        self._said: list[dict[str, Any]] = []
        self._waiting: Deferred[dict[str, Any]] | None = None
        self._over = ""
        """Why nothing more can come."""

    def says(self, **what: Any) -> None:
        """One line."""
        self.transport.write(line(**what))

    def ends(self, why: str) -> None:
        """The conversation, and says why."""
        self.says(error=why)
        self.leaves()

    def leaves(self) -> None:
        """All is said."""
        self.transport.loseConnection()

    async def hears(self, word: str, seconds: float) -> dict[str, Any]:
        """The next line, which is to have this word. Raises Broken: it does not, or not in time."""
        says = await self._next(seconds)
        if word in says:
            return says
        raise Broken(str(says.get("error") or f"says {', '.join(says)} where {word} is awaited"))

    async def _next(self, seconds: float) -> dict[str, Any]:
        if self._said:
            return self._said.pop(0)
        if self._over:
            raise Broken(self._over)
        self._waiting = Deferred()
        try:
            return await self._waiting.addTimeout(seconds, self._clock)
        except TimeoutError:
            raise Broken(f"says nothing for {seconds:g} s") from None

    def _broken(self, why: str) -> None:
        self._over = self._over or why
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            waiting.errback(Broken(self._over))

    # LineOnlyReceiver

    def connectionMade(self) -> None:
        self._begun(self)

    def lineReceived(self, line: bytes) -> None:
        try:
            self._said.append(said(line))
        except WireError as why:
            self._broken(str(why))
            self.transport.loseConnection()
            return
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(self._said.pop(0))

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._broken("is gone")


class Estate(Shape):
    """What a process has that another one takes over."""

    def shared(self) -> Mapping[Where, int]:
        """Its listening sockets' descriptors."""

    def pause(self) -> Awaitable[object]:
        """Accept nobody, and let go of what only one of the two can have."""

    def knows(self) -> Iterable[Mapping[str, Any]]:
        """What the successor is to know, line by line, when nobody is accepted any more."""

    def resume(self) -> None:
        """The successor failed: go on as before."""

    def leave(self, pid: int) -> Awaitable[Mapping[str, Any]]:
        """This process serves: close the sockets, and drain. What else it is to know."""


class Offer(ServerFactory):
    """Waits at a path for the process that takes over. Raises CannotListen."""

    noisy = False

    def __init__(self, path: str, reactor: Reactor, estate: Estate, note: Note) -> None:
        self.path = path
        self._reactor = reactor
        self._estate = estate
        self._note = note
        self._successor: Lines | None = None
        self._port = listen_privately(reactor, path, self, "takeover.socket")

    def close(self) -> Deferred[object]:
        """Offer nothing any more; a takeover under way fails."""
        if self._successor is not None:
            self._successor.transport.abortConnection()
        return maybeDeferred(self._port.stopListening)

    # IFactory

    def buildProtocol(self, addr: object) -> Lines:
        """Somebody has come."""
        return Lines(self._reactor, self._came)

    def _came(self, lines: Lines) -> None:
        peer = peer_of(lines.transport.getHandle())
        if not peer.ours:
            self._note(Announced("takeover-failed", f"process {peer.pid} is of user {peer.uid}"))
            lines.transport.abortConnection()
        elif self._successor is not None:
            lines.ends("another process is taking over")
        else:
            self._successor = lines
            Deferred.fromCoroutine(self._converse(lines, peer.pid))

    async def _converse(self, lines: Lines, pid: int) -> None:
        try:
            await self._hand_out(lines)
            await self._let_serve(lines)
        except Broken as why:
            self._successor = None
            lines.ends(str(why))
            self._note(Announced("takeover-failed", f"process {pid}: {why}"))
            return
        self._successor = None
        await self.close()
        self._note(Announced("taken-over", f"process {pid} serves"))
        more = await self._estate.leave(pid)
        lines.says(left=True, **more)
        lines.leaves()

    async def _hand_out(self, lines: Lines) -> None:
        """Everything that listens."""
        hello = await lines.hears("takeover", HELLO)
        if hello["takeover"] != VERSION:
            raise Broken(f"it speaks version {hello['takeover']!r}, we speak {VERSION}")
        shared = self._estate.shared()
        for descriptor in shared.values():
            lines.transport.sendFileDescriptor(descriptor)
        lines.says(takeover=VERSION, listeners=[where_told(where) for where in shared])
        await lines.hears("ready", START)

    async def _let_serve(self, lines: Lines) -> None:
        try:
            await self._estate.pause()
            known = list(self._estate.knows())
            lines.says(yours=True, lines=len(known))
            for each in known:
                lines.says(known=each)
            await lines.hears("serving", SERVE)
        except BaseException:
            self._estate.resume()
            raise
