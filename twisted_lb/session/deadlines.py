"""Which session's linger or grace ends next.

Sans-I/O. A deadline that was moved or cleared stays in the heap until it comes to the top, or until
half of the heap is like that: a session that lingers and returns for ever costs no more than one.
"""

from __future__ import annotations

import heapq
import itertools

from .values import Session

SLACK = 64
"""Outdated entries that are never worth a sweep."""


class Deadlines:
    """Sessions in the order in which they are due; `Session.due` says which entry counts."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Session]] = []
        self._ticket = itertools.count()
        self._limit = SLACK

    def __len__(self) -> int:
        return len(self._heap)

    def set(self, session: Session, due: float) -> None:
        """This session is due then, and no longer when it was due before."""
        session.due = due
        heapq.heappush(self._heap, (due, next(self._ticket), session))
        if len(self._heap) > self._limit:
            self._sweep()

    def clear(self, session: Session) -> None:
        """This session is not due any more."""
        session.due = None

    def next(self) -> float | None:
        """The next deadline, if there is any."""
        while self._heap and self._heap[0][2].due != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self, now: float) -> Session | None:
        """A session whose deadline has passed; it has none from now on."""
        due = self.next()
        if due is None or due > now:
            return None
        session = heapq.heappop(self._heap)[2]
        session.due = None
        return session

    def _sweep(self) -> None:
        counts = {entry[2]: entry for entry in self._heap if entry[2].due == entry[0]}
        self._heap = list(counts.values())
        heapq.heapify(self._heap)
        self._limit = 2 * len(self._heap) + SLACK
