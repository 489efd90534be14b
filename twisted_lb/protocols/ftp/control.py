"""One FTP control connection between its two ends: commands forth, replies back. Sans-I/O.

In: the events of a Conversation. Out: its actions. The parts: `commands` takes the client's
lines, `replies` the server's, `turns` knows who waits for an answer, `dealings` asks the server on
our own account, `announcer` translates data channels, `data` opens and counts them, `negotiation`
has both sides protected.

Rules:
- The client gets the server's replies in the order they come, and our own in their turn; none is
  lost, none invented, none mixed into another (T16, T17, T20).
- A transfer's success is not told while its bytes may still be lost (T5): the replies wait until
  the data channel is joined or cannot be.
- What is not understood is passed on, except where it could name an address.
- What waits is bytes, and `congested` says when there are enough of them.
"""

from __future__ import annotations

from typing import Final

from ...errors import WireError
from ...terms import Address, Ending
from ..actions import Actions, Finish, SetAlarm, Side
from .announcement import CANNOT_OPEN
from .circumstances import Circumstances
from .commands import Commands
from .data import TRANSFER_ALARM
from .protection import Unprotected
from .replies import LOGIN_ALARM, Replies
from .state import State

COMMANDS_MOST: Final = 16_384
"""Bytes of commands that wait before the client is asked to pause: twice the longest line."""
REPLIES_MOST: Final = 131_072
"""The same for the server."""
HELD_MOST: Final = 1_048_576
"""Bytes that wait although a pause was asked for: then the conversation ends."""
LEAVE_ALARM: Final = "leave"
"""The client will say no more; what it has asked for, answers and bytes, is waited for so long."""

_LAST_WORDS: Final[dict[Ending, bytes]] = {
    "drained": b"421 Going down for maintenance, closing control connection.",
    "idle": b"421 Idle for too long, closing control connection.",
    "too-slow": b"421 Nobody logged in in time, closing control connection.",
    "wire-error": b"421 Protocol error, closing control connection.",
}
_SERVICE_GONE: Final = b"421 Service not available, closing control connection."
_GOODBYES: Final = frozenset({221, 421, 530})
"""Replies after which a server that closes has said its last word; 530 when it has had enough of
wrong passwords."""


class FtpControl:
    """A Conversation (`actions`) that speaks FTP."""

    def __init__(self, about: Circumstances) -> None:
        self._state = State(about)
        self._commands = Commands(self._state)
        self._replies = Replies(self._state, self._commands.negotiation)
        self._closed: set[Side] = set()
        self._leaving = False

    # -- Conversation -------------------------------------------------------------------------

    def received(self, side: Side, data: bytes, now: float) -> Actions:
        """Bytes came on the control connection."""
        half = self._commands if side is Side.CLIENT else self._replies
        half.feed(data)
        if half.held > HELD_MOST:
            self._end("wire-error", now)
        return self._settle(now)

    def closed(self, side: Side, now: float) -> Actions:
        """One end will send nothing more."""
        self._closed.add(side)
        if side is Side.SERVER:
            self._replies.finish()
        return self._settle(now)

    def listening(self, data: int, side: Side, address: Address, now: float) -> Actions:
        """The listener that an announcement asked for stands."""
        self._state.dealings.step(address)
        return self._settle(now)

    def connected(self, data: int, side: Side, now: float) -> Actions:
        """A leg of a data channel stands."""
        self._state.channels.connected(data, side)
        return self._settle(now)

    def secured(self, side: Side, data: int | None, version: str, now: float) -> Actions:
        """A control connection, or a leg of a data channel, is protected."""
        if data is None:
            self._commands.negotiation.secured(side)
        else:
            self._state.channels.secured(data, side, version)
        return self._settle(now)

    def failed(self, data: int, side: Side, word: Ending, now: float) -> Actions:
        """A leg could not be had, or broke before the other one stood."""
        if self._state.dealings.awaits_listener(data):
            self._state.dealings.step(word)
        else:
            self._state.channels.failed(data, word)
        return self._settle(now)

    def transferred(
        self, data: int, ending: Ending, from_client: int, from_server: int, now: float
    ) -> Actions:
        """A joined data channel ended; it may do so after Finish."""
        self._state.channels.transferred(data, ending, from_client + from_server, now)
        return self._settle(now)

    def alarm(self, name: str, now: float) -> Actions:
        """A deadline has come."""
        if name == LEAVE_ALARM:
            self._state.channels.cut()
            self._finish("client-left", now)
        elif name == LOGIN_ALARM:
            self._end("too-slow", now)
        else:
            self._give_up()
        return self._settle(now)

    def end(self, word: Ending, now: float) -> Actions:
        """The session must end: say so between replies."""
        self._end(word, now)
        return self._state.out.empty()

    def congested(self, side: Side) -> bool:
        """Whether enough of this side's bytes wait."""
        if side is Side.CLIENT:
            return self._commands.held > COMMANDS_MOST
        return self._replies.held > REPLIES_MOST

    # -- what follows an event ----------------------------------------------------------------

    def _settle(self, now: float) -> Actions:
        """Let through whatever may go now: replies, then commands, then an end."""
        try:
            self._replies.hear(now)
            self._commands.hear(now)
        except WireError:
            self._end("wire-error", now)
        except Unprotected:
            self._end("tls-failed", now)
        if self._closed and not self._state.over:
            self._mind_the_ends(now)
        return self._state.out.empty()

    def _give_up(self) -> None:
        """The server says nothing of a transfer that lost its data channel: we say it."""
        state, transfer = self._state, self._state.turns.transfer
        if state.half:
            state.out.do(SetAlarm(TRANSFER_ALARM, state.about.rules.data_timeout))
        elif transfer is not None:
            transfer.given_up = transfer.started = True
            state.answer(CANNOT_OPEN)

    def _mind_the_ends(self, now: float) -> None:
        state, gone = self._state, self._closed
        served = state.turns.quiet and self._commands.done and not state.channels.moving
        if Side.SERVER in gone and self._replies.done:
            parted = state.quit or state.last in _GOODBYES
            self._say_last(_SERVICE_GONE)
            self._finish("done" if parted else "server-closed", now)
        elif Side.CLIENT in gone and served:
            self._finish("done" if state.quit else "client-left", now)
        elif Side.CLIENT in gone and not self._leaving:
            self._leaving = True
            state.out.do(SetAlarm(LEAVE_ALARM, state.about.rules.grace))

    def _end(self, word: Ending, now: float) -> None:
        self._say_last(_LAST_WORDS.get(word, _SERVICE_GONE))
        self._finish(word, now)

    def _say_last(self, words: bytes) -> None:
        """Finish a reply that the client has half of; say good-bye unless that was said."""
        state = self._state
        if state.half:
            state.answer(b"%d Closing." % state.half)
        if state.last not in _GOODBYES and not state.quit:
            state.answer(words)

    def _finish(self, word: Ending, now: float) -> None:
        state = self._state
        state.over = True
        state.channels.finish(word, state.turns.transfer, now)
        state.out.do(Finish(word))
