"""Ends sessions of which nothing moves, and data channels that stall. One look a second at all.

A session is idle when none of its channels moved a byte for its idle time: a control channel is
never idle while its data channel works. A stalled data channel has a time of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from ..session import Session
from ..terms import Ending

LOOK_EVERY = 1.0
"""Seconds between two looks: how late an idle end may come."""


class Mover(Protocol):
    """Something that moves bytes and remembers when it last did."""

    moved: float

    def stop(self, word: Ending) -> None:
        """End it with this word."""


@attrs.define(eq=False)
class _Watched:
    session: Session
    idle: float | None
    movers: dict[Mover, float | None]
    """Each with its own stall time, if it has one."""
    moved: float


class Idle:
    """All sessions that have an idle time or a channel with a stall time."""

    def __init__(self, clock: IReactorTime, end: Callable[[Session, Ending], None]) -> None:
        self._clock = clock
        self._end = end
        self._watched: dict[str, _Watched] = {}
        self._look = LoopingCall(self._look_at_all)
        self._look.clock = clock

    def start(self) -> None:
        """Begin to look."""
        self._look.start(LOOK_EVERY, now=False)

    def stop(self) -> None:
        """Look no more."""
        if self._look.running:
            self._look.stop()

    def watch(self, session: Session, mover: Mover, stall: float | None = None) -> None:
        """A channel of this session moves bytes from now on."""
        watched = self._watched.get(session.id)
        if watched is None:
            watched = _Watched(session, session.group.idle, {}, self._clock.seconds())
            self._watched[session.id] = watched
        watched.movers[mover] = stall

    def unwatch(self, session: Session, mover: Mover) -> None:
        """It moves no more; what it moved counts for its session."""
        watched = self._watched.get(session.id)
        if watched is not None and mover in watched.movers:
            del watched.movers[mover]
            watched.moved = max(watched.moved, mover.moved)
            if not watched.movers:
                del self._watched[session.id]

    def _look_at_all(self) -> None:
        now = self._clock.seconds()
        for watched in list(self._watched.values()):
            last = max([watched.moved, *(mover.moved for mover in watched.movers)])
            if watched.idle is not None and now - last > watched.idle:
                self._end(watched.session, "idle")
                continue
            for mover, stall in list(watched.movers.items()):
                if stall is not None and now - mover.moved > stall:
                    mover.stop("idle")
