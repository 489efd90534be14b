"""Ends sessions of which nothing moves, and data channels that stall.

A session is idle when none of its channels moved a byte for its idle time: a control channel is
never idle while its data channel works. A stalled data channel has a time of its own.

A byte moves when it comes, and when a peer takes it: a slow reader lives off our buffers for
minutes in which nothing comes. What comes is noted as it comes; what was taken is asked of the
kernel, but only four times in the shortest of the times that are waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from math import inf
from types import MappingProxyType
from typing import Final, Protocol

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from ..session import Session
from ..terms import Ending

LOOK_EVERY = 1.0
"""Seconds between two sweeps: how late an idle end may come when nothing moves at all."""
LOOKS_MOST = 5_000
"""Sessions that are looked at in one sweep, some 40 ms of work; the others have their turn next."""


class Mover(Protocol):
    """Something that moves bytes and remembers when it last did."""

    moved: float

    def look(self) -> None:
        """See whether a peer took bytes since the last look, and remember that as moving."""

    def stop(self, word: Ending) -> None:
        """End it with this word."""


_NO_STALLS: Final[Mapping[Mover, float]] = MappingProxyType({})


@attrs.define(eq=False, weakref_slot=False)
class _Watched:
    session: Session
    moved: float = 0.0
    """When those moved last that are over."""
    movers: tuple[Mover, ...] = ()
    stalls: Mapping[Mover, float] = _NO_STALLS
    """The stall times of those that have one."""
    look: float = 0.0
    """When it is to be looked at next; 0: in the next sweep."""

    @property
    def last(self) -> float:
        """When anything of the session moved last."""
        return max([self.moved, *(mover.moved for mover in self.movers)])

    def patience(self) -> Iterator[tuple[float, float]]:
        """What is waited for: since when, how long."""
        if self.session.group.idle is not None:
            yield self.last, self.session.group.idle
        for mover, stall in self.stalls.items():
            yield mover.moved, stall

    def next_look(self, now: float) -> float:
        """When the first of them may be over, or a quarter of the shortest has passed."""
        waits = [(max(0.0, since + seconds - now), seconds) for since, seconds in self.patience()]
        return now + min((min(left, seconds / 4) for left, seconds in waits), default=inf)


class Idle:
    """All sessions that have an idle time or a channel with a stall time."""

    def __init__(self, clock: IReactorTime, end: Callable[[Session, Ending], None]) -> None:
        self._clock = clock
        self._end = end
        self._watched: dict[str, _Watched] = {}
        self._sweep = LoopingCall(self._look_at_all)
        self._sweep.clock = clock

    def start(self) -> None:
        """Begin to look."""
        self._sweep.start(LOOK_EVERY, now=False)

    def stop(self) -> None:
        """Look no more."""
        if self._sweep.running:
            self._sweep.stop()

    def watch(self, session: Session, mover: Mover, stall: float | None = None) -> None:
        """A channel of this session moves bytes from now on."""
        watched = self._watched.get(session.id)
        if watched is None:
            watched = self._watched[session.id] = _Watched(session)
        watched.movers += (mover,)
        if stall is not None:
            watched.stalls = {**watched.stalls, mover: stall}
        watched.look = 0.0

    def unwatch(self, session: Session, mover: Mover) -> None:
        """It moves no more; what it moved counts for its session."""
        watched = self._watched.get(session.id)
        if watched is not None and mover in watched.movers:
            watched.movers = tuple(each for each in watched.movers if each is not mover)
            others = {each: stall for each, stall in watched.stalls.items() if each is not mover}
            watched.stalls = others or _NO_STALLS
            watched.moved = max(watched.moved, mover.moved)
            if not watched.movers:
                del self._watched[session.id]

    def _look_at_all(self) -> None:
        now = self._clock.seconds()
        due = (each for each in self._watched.values() if each.look <= now)
        for watched in list(islice(due, LOOKS_MOST)):
            self._look_at(watched, now)

    def _look_at(self, watched: _Watched, now: float) -> None:
        for mover in watched.movers:
            mover.look()
        idle = watched.session.group.idle
        if idle is not None and now - watched.last > idle:
            self._end(watched.session, "idle")
            return
        for mover, stall in watched.stalls.items():
            if now - mover.moved > stall:
                mover.stop("idle")
        watched.look = watched.next_look(now)
