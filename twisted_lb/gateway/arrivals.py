"""Data channels that were announced and have not come: each waits for its End under its number.

In: the announcement, then a data connection or the word why there is none. Out: its End, once.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ..ends import End
from ..errors import Ended
from ..terms import Ending


class Arrival:
    """One data channel that is waited for."""

    def __init__(
        self,
        clock: IReactorTime,
        seconds: float,
        over: Callable[[], object],
        late: Callable[[], None],
    ) -> None:
        self.come: Deferred[End] = Deferred(lambda _: self._over())
        self._clock = clock
        self._tell_over = over
        self._tell_late = late
        self._deadline: IDelayedCall | None = None
        self.wait(seconds)

    # Awaited

    def wait(self, seconds: float | None) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        if seconds is not None and not self.come.called:
            self._deadline = self._clock.callLater(seconds, self._too_late)

    def again(self) -> Deferred[End]:
        raise AssertionError("a transfer number is one connection's")

    def close(self) -> None:
        """It has come, or will not: there is nothing to close."""

    def arrives(self, end: End) -> None:
        """It has come."""
        self._over()
        self.come.callback(end)

    def fails(self, word: Ending) -> None:
        """It will not come."""
        self._over()
        self.come.errback(Ended(word, "the announced data channel did not come"))

    def _too_late(self) -> None:
        self._tell_late()
        self.fails("too-slow")

    def _over(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._tell_over()


class Arrivals:
    """Every data channel of one session that is waited for, by its number.

    `late` is told of one that did not come in time.
    """

    def __init__(self, clock: IReactorTime, late: Callable[[int], None] = lambda number: None):
        self._clock = clock
        self._late = late
        self._awaited: dict[int, Arrival] = {}

    def __contains__(self, number: object) -> bool:
        return number in self._awaited

    def expect(self, number: int, seconds: float) -> Arrival:
        """This one will come within so long. Raises Ended: it is waited for already."""
        if number in self._awaited:
            raise Ended("wire-error", f"transfer {number} was announced twice")
        arrival = Arrival(
            self._clock,
            seconds,
            over=lambda: self._awaited.pop(number, None),
            late=lambda: self._late(number),
        )
        self._awaited[number] = arrival
        return arrival

    def take(self, number: int) -> Arrival | None:
        """The one of this number: who takes it says what became of it."""
        return self._awaited.get(number)
