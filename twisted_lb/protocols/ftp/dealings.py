"""What we ask a server on our own account, step by step, while the client's command waits.
Sans-I/O.

In: an exchange with its steps, then what came of each. Out: what each step asks for, and in the end
its answer, for who began it. There is one at a time: it has the turn.
"""

from __future__ import annotations

from ..actions import Listen, Side, Tell
from .outbox import Outbox
from .steps import Ask, Heard, Step
from .turns import Exchange, Turns


class Dealings:
    """The steps under way on one control connection, if there are any."""

    def __init__(self, out: Outbox, turns: Turns) -> None:
        self._out = out
        self._turns = turns
        self._exchange: Exchange | None = None
        self._step: Step | None = None

    def begin(self, exchange: Exchange) -> None:
        """Its turn has come."""
        self._exchange = exchange
        self._turns.sent(exchange)
        self.step(None)

    def awaits_listener(self, number: int) -> bool:
        """Whether a listener for this data channel is what is waited for."""
        return isinstance(self._step, Listen) and self._step.data == number

    def step(self, heard: Heard) -> None:
        """What was asked for has come."""
        exchange = self._exchange
        assert exchange is not None, "something was asked for"
        assert exchange.steps is not None
        try:
            step = exchange.steps.send(heard)
            while isinstance(step, Tell):
                self._out.do(step)
                step = exchange.steps.send(None)
        except StopIteration as stop:
            self._exchange = self._step = None
            self._turns.answered(exchange)
            exchange.conclude(stop.value)
        else:
            self._step = step
            exchange.asked = isinstance(step, Ask)
            self._do(step)

    def _do(self, step: Step) -> None:
        if isinstance(step, Ask):
            self._out.line(Side.SERVER, step.line)
        else:
            self._out.do(step)
