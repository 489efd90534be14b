"""Measures how late the event loop comes: a clock in; each turn's lateness, in seconds, out.

While the loop is late nothing else happens either: no byte is relayed, no connection accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

INTERVAL: Final = 0.5
"""Seconds from one look to the next: a pause is seen, whenever it comes, if it is longer."""


class Lag(Service):
    """Looks twice a second, and tells `saw` by how much later than asked for that was."""

    def __init__(self, clock: IReactorTime, saw: Callable[[float], object]) -> None:
        self._clock = clock
        self._saw = saw
        self._due = 0.0
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock

    # IService

    def startService(self) -> None:
        super().startService()
        self._due = self._clock.seconds() + INTERVAL
        self._looking.start(INTERVAL, now=False)

    def stopService(self) -> None:
        super().stopService()
        if self._looking.running:
            self._looking.stop()

    def _look(self) -> None:
        """LoopingCall leaves out what it has missed: the next look is at a whole interval."""
        now = self._clock.seconds()
        late = max(0.0, now - self._due)
        self._saw(late)
        self._due += INTERVAL * (1 + late // INTERVAL)
