"""A data channel that was announced comes once, or not at all, and is then waited for no longer."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from tests.fakes import Wire
from twisted_lb.ends import End
from twisted_lb.errors import Ended
from twisted_lb.gateway.arrivals import Arrival, Arrivals


class Waiting:
    """Channel 1024 is waited for, 30 s."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.late: list[int] = []
        self.came: list[End] = []
        self.failed: list[str] = []
        self.arrivals = Arrivals(self.clock, self.late.append)
        self.arrival: Arrival = self.arrivals.expect(1024, 30.0)
        self.arrival.come.addCallbacks(
            self.came.append, lambda failure: self.failed.append(str(failure.value))
        )

    @property
    def over(self) -> bool:
        return 1024 not in self.arrivals and not self.clock.getDelayedCalls()


def test_it_comes() -> None:
    waiting, end = Waiting(), Wire().end
    arrival = waiting.arrivals.take(1024)
    assert arrival is not None
    arrival.arrives(end)
    assert waiting.came == [end]
    assert waiting.over
    assert waiting.arrivals.take(1024) is None


def test_it_comes_too_late() -> None:
    waiting = Waiting()
    waiting.clock.advance(30.0)
    assert waiting.late == [1024]
    assert waiting.failed == ["too-slow: the announced data channel did not come"]
    assert waiting.over


def test_it_is_given_more_time_or_as_much_as_it_takes() -> None:
    waiting = Waiting()
    waiting.arrival.wait(None)
    waiting.clock.advance(1000.0)
    waiting.arrival.wait(5.0)
    waiting.clock.advance(4.9)
    assert waiting.failed == []
    waiting.clock.advance(0.2)
    assert waiting.over
    waiting.arrival.wait(5.0)
    assert waiting.over, "what is over waits for nothing"


def test_it_is_given_up() -> None:
    waiting = Waiting()
    waiting.arrival.come.cancel()
    assert waiting.over
    assert waiting.late == []


def test_two_of_one_number_are_not_waited_for() -> None:
    waiting = Waiting()
    with pytest.raises(Ended, match="announced twice"):
        waiting.arrivals.expect(1024, 30.0)
    waiting.arrival.fails("client-left")
    assert waiting.over
