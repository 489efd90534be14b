"""What the rules of a session speak of: Session, Channel, and the orders that channels get.

Sans-I/O. Only `table` changes these values; everybody else reads them.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs

from ..config.settings import Group
from ..terms import Ending, Role, Server

NOBODY: Final[frozenset[Server]] = frozenset()
"""No server: one for all sessions."""


class State(enum.Enum):
    """Where a session stands."""

    PINNING = "pinning"
    PINNED = "pinned"
    CLOSING = "closing"
    LINGERING = "lingering"
    RETURNING = "returning"
    GONE = "gone"


class Place(enum.Enum):
    """Where a channel stands in its session."""

    WAITING = "waiting"
    CLAIMING = "claiming"
    QUEUED = "queued"
    DIALLING = "dialling"
    JOINED = "joined"
    GONE = "gone"


@attrs.define(eq=False, weakref_slot=False)
class Channel:
    """One use of a connection by a session."""

    session: Session
    role: Role
    number: int
    """Counted from 1 within its session."""
    place: Place = Place.WAITING

    @property
    def counted(self) -> bool:
        """Whether the server's connection count includes it."""
        return self.place is Place.DIALLING or self.place is Place.JOINED


@attrs.define(eq=False, weakref_slot=False)
class Session:
    """The channels that must reach one server, and that server once it is chosen."""

    id: str
    group: Group
    opened: float
    kind: str = ""
    """The kind of key that opened it."""
    state: State = State.PINNING
    server: Server | None = None
    """The pin; while PINNING the candidate being tried; when GONE where it was pinned."""
    home: object = None
    """What whoever opened it keeps with it, for all its channels."""
    address: str = ""
    """Which of the server's addresses answered its first channel; whoever reaches it sets it."""
    tried: frozenset[Server] = NOBODY
    """While PINNING: the candidate being tried, and those that refused, went down or drain."""
    channels: tuple[Channel, ...] = ()
    """The living ones, in order of arrival; mostly one."""
    total: int = 0
    due: float | None = None
    """When the linger or the grace ends."""
    word: Ending = "done"
    """How it will have ended when it is due."""
    elsewhere: float = 0.0
    """Until then another process may have channels of it: the pin is kept."""
    digests: tuple[bytes, ...] = ()
    """What its keys are stored as; the one that opened it first."""

    @property
    def first(self) -> Channel:
        """The living channel that came first: while no server is certain, the one that asks."""
        return self.channels[0]

    @property
    def reserve(self) -> int:
        """How many connections a new session of this group may need on its server."""
        return len(self.group.roles)


@attrs.frozen
class Claim:
    """This channel decides: try candidates, without those in `session.tried`."""

    channel: Channel


@attrs.frozen
class Dial:
    """Connect this channel to the session's server."""

    channel: Channel
    server: Server


@attrs.frozen
class Queue:
    """The session's server is at its maxconn: wait for the Dial that comes when it has room."""

    channel: Channel


@attrs.frozen
class Drop:
    """The claimant's attempt no longer counts: give it up, try the next candidate."""

    channel: Channel


@attrs.frozen
class Stop:
    """This channel is out of its session; end its connection with this word."""

    channel: Channel
    word: Ending


@attrs.frozen
class Gone:
    """The session is over."""

    session: Session
    word: Ending
    server: Server | None
    """Where it was pinned."""


Order = Claim | Dial | Queue | Drop | Stop | Gone
Orders = list[Order]
