"""What is done again and again, as one service: begun together, cancelled and awaited together."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ..facility import logger

Round = Callable[[], Coroutine[Deferred[Any], Any, float]]
"""Does its work once; returns after how many seconds to do it again, counted from its start."""

SHORTEST = 0.05
"""Seconds from the end of one turn to the next at least: work that overruns never spins."""

AFTER_FAILURE = 5.0
"""Seconds until a turn that raised is tried again."""


class Rounds(Service):
    """Runs each round over and over, never two turns of one round at once.

    Each first turn comes after its delay, so that rounds do not march in step. A turn that raises
    is our fault: it is logged with its traceback, and the round goes on.
    """

    log = logger(__name__)

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._rounds: list[tuple[Round, float]] = []
        self._running: list[Deferred[None]] = []

    def add(self, round: Round, delay: float) -> None:
        """Have this round run, its first turn `delay` seconds after the start, or after now."""
        self._rounds.append((round, delay))
        if self.running:
            self._running.append(Deferred.fromCoroutine(self._walk(round, delay)))

    # IService

    def startService(self) -> None:
        """Begin every round."""
        super().startService()
        self._running = [
            Deferred.fromCoroutine(self._walk(round, delay)) for round, delay in self._rounds
        ]

    def stopService(self) -> Deferred[Any]:
        """Cancel every round; fires when the last has cleaned up."""
        super().stopService()
        running, self._running = self._running, []
        for deferred in running:
            deferred.cancel()
        return DeferredList(running)

    async def _walk(self, round: Round, delay: float) -> None:
        try:
            while self.running:
                await deferLater(self._clock, delay)
                started = self._clock.seconds()
                period = await self._turn(round)
                delay = max(SHORTEST, started + period - self._clock.seconds())
        except CancelledError:
            return

    async def _turn(self, round: Round) -> float:
        try:
            return await round()
        except CancelledError:
            raise
        except Exception:
            self.log.failure("a round failed; it goes on in {seconds} s", seconds=AFTER_FAILURE)
            return AFTER_FAILURE
