"""Begins a client's announcement and ends it: a data channel that stands announced, or none.
Sans-I/O.

In: a wish of the client's, in its turn. Out: the client's answer, once the server was asked.
"""

from __future__ import annotations

from functools import partial

from .announcement import CANNOT_OPEN, Wish, announce
from .data import DataChannel
from .state import State
from .turns import Exchange


def begin_announcement(state: State, verb: bytes, wish: Wish) -> None:
    """The client's turn has come."""
    channel = state.channels.replace(state.protection.data)
    if channel is None:
        state.answer(CANNOT_OPEN)
        return
    steps = announce(wish, channel, state.about)
    conclude = partial(_conclude, state, channel)
    state.dealings.begin(Exchange(verb, steps=steps, conclude=conclude))


def _conclude(state: State, channel: DataChannel, answer: bytes) -> None:
    if answer.startswith(b"2"):
        state.answer(answer)
        state.channels.announce(channel, state.turns.transfer)
    else:
        state.channels.drop(channel)
        state.answer(answer)
