"""Carries an announcement from step to step: what it asks for is done, what came of it told.
Sans-I/O.

In: a wish of the client's, then replies and listeners. Out: the client's answer.
"""

from __future__ import annotations

from ...terms import Ending
from ..actions import Side, Tell
from .announcement import CANNOT_OPEN, Ask, Heard, Step, Wish, announce
from .data import DataChannel
from .state import State
from .turns import Exchange


class Announcer:
    """The announcement under way on one control connection, if there is one."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._exchange: Exchange | None = None
        self._channel: DataChannel | None = None

    def begin(self, verb: bytes, wish: Wish) -> None:
        """The client's turn has come."""
        state = self._state
        self._channel = state.channels.replace()
        if self._channel is None:
            state.answer(CANNOT_OPEN)
            return
        self._exchange = Exchange(verb, steps=announce(wish, self._channel, state.about))
        state.turns.sent(self._exchange)
        self.step(None)

    def listener_failed(self, number: int, word: Ending) -> bool:
        """Whether the listener that could not be had is the one waited for."""
        channel, exchange = self._channel, self._exchange
        if channel is None or exchange is None or channel.number != number or exchange.asked:
            return False
        self.step(word)
        return True

    def step(self, heard: Heard) -> None:
        """What the announcement waited for has come."""
        exchange = self._exchange
        assert exchange is not None, "something was asked for"
        assert exchange.steps is not None
        try:
            step = exchange.steps.send(heard)
            while isinstance(step, Tell):
                self._state.out.do(step)
                step = exchange.steps.send(None)
        except StopIteration as stop:
            self._exchange = None
            self._state.turns.answered(exchange)
            self._conclude(stop.value)
        else:
            exchange.asked = isinstance(step, Ask)
            self._do(step)

    def _do(self, step: Step) -> None:
        if isinstance(step, Ask):
            self._state.out.line(Side.SERVER, step.line)
        else:
            self._state.out.do(step)

    def _conclude(self, answer: bytes) -> None:
        state, channel = self._state, self._channel
        assert channel is not None
        self._channel = None
        if answer.startswith(b"2"):
            state.answer(answer)
            state.channels.announce(channel, state.turns.transfer)
        else:
            state.channels.drop(channel)
            state.answer(answer)
