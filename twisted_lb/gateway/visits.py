"""The connections of one gateway program: each from its arrival to its end, and all of them.

In: an End that came in. Out: one ConnectionEnded for it, and the moment when nobody is left.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall

from ..accept import Door, Entrance
from ..claims import Claims, Seat
from ..config.settings import Frontend
from ..ends import End
from ..errors import Ended
from ..facility import logger
from ..facts import ConnectionEnded, Note
from ..reactors import Reactor
from ..relay import Idle
from ..terms import Address, Ending

FAREWELL_TIMEOUT = 5.0
"""Seconds that a client who is refused gets to read why."""
HOLD = 65_536
"""Bytes kept of a client that talks before it is answered."""

log = logger(__name__)
T = TypeVar("T")


@attrs.frozen(eq=False)
class Room:
    """What all visits of a program share."""

    reactor: Reactor
    claims: Claims
    idle: Idle
    note: Note


class Visit:
    """One connection of a client."""

    def __init__(
        self, id: str, listener: str, end: End, room: Room, gone: Callable[[Visit], None]
    ) -> None:
        self.id = id
        self.listener = listener
        self.end = end
        self.room = room
        self.session = ""
        """The id that client and proxy know its session by."""
        self.user = ""
        """Whom its token is for."""
        self.role = ""
        self.server = ""
        self.seat: Seat | None = None
        self.cut: Callable[[], None] = end.abort
        """Close every socket of it now, with resets."""
        self.introduced: Callable[[End, Address], None] = lambda end, client: None
        """Told whom a PROXY header names. Raises Ended."""
        self.on_ended: Callable[[], None] = lambda: None
        """Told when it is over, before its last socket is closed."""
        self._gone = gone
        self._sockets = 1
        self._began = room.reactor.seconds()
        self._told = False

    @property
    def age(self) -> float:
        """Seconds since it came."""
        return self.room.reactor.seconds() - self._began

    def also(self) -> None:
        """It has one more socket, which `gone` will be told of, too."""
        self._sockets += 1

    def leaves(self, word: Ending) -> None:
        """It gives up its seat, if it has one; another may follow."""
        seat, self.seat = self.seat, None
        if seat is not None:
            self.room.claims.left(seat, word)

    def gone(self) -> None:
        """What it was told of last is closed; when nothing is left, so is the visit."""
        self._sockets -= 1
        if not self._sockets:
            self._gone(self)

    def ended(
        self, word: Ending, from_client: int = 0, from_server: int = 0, detail: str = ""
    ) -> None:
        """It is over: it leaves its session, and the log hears of it. Once."""
        if self._told:
            return
        self._told = True
        self.leaves(word)
        self.on_ended()
        self.room.note(
            ConnectionEnded(
                self.id,
                self.listener,
                self.end.peer,
                word,
                self.age,
                self.session,
                self.role,
                self.server,
                from_client,
                from_server,
                detail,
            )
        )


class Visits:
    """All that are not gone yet."""

    def __init__(self, owner: str, room: Room) -> None:
        self.room = room
        self._owner = owner
        self._count = 0
        self._all: set[Visit] = set()
        self._emptied: Deferred[None] | None = None

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Visit]:
        return iter(list(self._all))

    def entrance(
        self,
        frontend: Frontend,
        door: Door,
        path: Callable[[Visit], Coroutine[Any, Any, None]],
    ) -> Entrance:
        """A factory for listeners: whoever comes in takes this path."""

        def enter(end: End) -> None:
            self._count += 1
            visit = Visit(f"{self._owner}.{self._count:x}", frontend.name, end, self.room, gone)
            visit.introduced = door.introduced
            self._all.add(visit)
            walking = Deferred.fromCoroutine(walk(visit, path))
            walking.addBoth(lambda _: door.settled(end))
            end.on_lost = walking.cancel

        def gone(visit: Visit) -> None:
            self._all.discard(visit)
            door.left()
            if not self._all:
                self.wait_no_more()

        def turned_away(peer: Any, word: Ending) -> None:
            self.room.note(ConnectionEnded("", frontend.name, peer, word, 0.0))

        return Entrance(door, HOLD, enter, turned_away)

    # -- the end of all -----------------------------------------------------------------------

    def until_empty(self, seconds: float) -> Deferred[None]:
        """Fires when the last one is gone, when told to wait no more, or at the deadline."""
        self._emptied = Deferred()
        if not self._all or not seconds:
            self._emptied.callback(None)
        waiting = self._emptied.addTimeout(seconds, self.room.reactor)
        return waiting.addErrback(lambda failure: failure.trap(TimeoutError) and None)

    def wait_no_more(self) -> None:
        """Whoever waits for the last one goes on."""
        if self._emptied is not None and not self._emptied.called:
            self._emptied.callback(None)

    def cut(self, word: Ending) -> None:
        """End all that are left, with resets."""
        for visit in self:
            visit.ended(word)
            visit.cut()


async def walk(visit: Visit, path: Callable[[Visit], Coroutine[Any, Any, None]]) -> None:
    """Take one client along its path; whatever ends that early is told, and said to the client."""
    try:
        await path(visit)
        return
    except CancelledError:
        why = Ended("client-left")
    except Ended as ended:
        why = ended
    except Exception:
        log.failure("connection {id} failed", id=visit.id)
        why = Ended("internal-error")
    visit.ended(why.word, detail=why.detail)
    farewell(visit, why.last_words)


def within(doing: Coroutine[Any, Any, T], seconds: float, room: Room) -> Deferred[T]:
    """The same, with a deadline: TimeoutError."""
    return Deferred.fromCoroutine(doing).addTimeout(seconds, room.reactor)


def farewell(visit: Visit, words: bytes) -> None:
    """Tell a client why it is refused, and close: the client first, if it does so in time."""
    end = visit.end
    late = visit.room.reactor.callLater(FAREWELL_TIMEOUT, end.abort)
    if words:
        end.write(words)
        end.finish()
    else:
        end.abort()
    end.give(_Parting(visit, late))


@attrs.frozen
class _Parting:
    """Receiver of a client that was refused."""

    visit: Visit
    late: IDelayedCall

    # Receiver

    def data(self, data: bytes) -> None:
        pass  # nobody is there to read it

    def eof(self) -> None:
        self.visit.end.close()

    def lost(self, clean: bool) -> None:
        if self.late.active():
            self.late.cancel()
        self.visit.gone()
