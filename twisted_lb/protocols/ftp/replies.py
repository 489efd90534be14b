"""The server's lines: whose they are, what the client gets of them, what follows. Sans-I/O.

In: the server's bytes. Out: lines for the client; turns taken, transfers started and concluded.
"""

from __future__ import annotations

from typing import Final

from ...errors import WireError
from ...facts import AttackSeen
from ...terms import MORE
from ...wire.ftp import ReplyLine, ReplyReader
from ..actions import SetAlarm, Side, Tell
from .announcement import CANNOT_OPEN
from .data import Transfer
from .negotiation import INJECTION, Negotiation
from .state import State, text
from .turns import GREETING, Exchange, Owner
from .verbs import UPLOADS

LOGIN_ALARM: Final = "login"
"""The client has had its time to log in, whatever it said meanwhile (attack 11)."""

_ADDRESS_CODES: Final = frozenset({227, 228, 229})


def _instead(transfer: Transfer) -> bytes:
    """What a client gets in the place of a success that is none: there was no data connection, or
    the server takes a part of an upload, cut off, for the whole (T4, T68)."""
    if transfer.failed is not None:
        return CANNOT_OPEN
    cut = transfer.ending not in ("", "done") and transfer.command.encode() in UPLOADS
    return b"426 Connection closed; transfer aborted." if cut else b""


class Replies:
    """The server's half of the control connection. Raises WireError when it must end."""

    def __init__(self, state: State, negotiation: Negotiation) -> None:
        self._state = state
        self._negotiation = negotiation
        self._reader = ReplyReader()
        self._owner: Owner = None
        """Whose the current reply is."""
        self._parked: ReplyLine | None = None
        """The first line of a transfer's success, while its bytes may still be lost."""

    @property
    def held(self) -> int:
        """Bytes that wait, but for a parked line."""
        return self._reader.held

    @property
    def done(self) -> bool:
        """Whether no whole line waits."""
        return self._parked is None

    def feed(self, data: bytes) -> None:
        """Bytes came."""
        self._reader.feed(data)

    def finish(self) -> None:
        """No more will come."""
        self._reader.finish()

    def hear(self, now: float) -> None:
        """Take lines as long as the client may have them."""
        while not self._state.over:
            line = self._parked or self._reader.next()
            if line is MORE:
                return
            if line.opens:
                self._owner = self._state.turns.whose(line.code)
                if self._too_early(line):
                    self._parked = line
                    return
                self._parked = None
            self._take(line, now)

    def _too_early(self, line: ReplyLine) -> bool:
        """Whether it tells of a success whose bytes may still be lost (T5)."""
        transfer = self._owner
        if not isinstance(transfer, Transfer) or line.code // 100 != 2 or transfer.given_up:
            return False
        if not transfer.started:  # a server that says no 1xx has accepted it all the same
            self._state.channels.started(transfer)
        return transfer.channel is not None and transfer.channel.undecided

    def _take(self, line: ReplyLine, now: float) -> None:
        state, shown = self._state, self._shown(line)
        for each in shown:
            state.out.line(Side.CLIENT, each)
        if line.final:
            state.half = 0
            if shown:
                state.last = line.code
            self._answered(line, now)
        elif shown and line.code:
            state.half = line.code

    def _shown(self, line: ReplyLine) -> list[bytes]:
        """What the client gets."""
        owner = self._owner if line.code else None
        if isinstance(owner, Transfer):
            if owner.given_up:
                return []
            if line.code // 100 == 2 and (said := _instead(owner)):
                return [said] if line.final else []
        elif owner is not None:
            if owner.steps is not None:
                return []
            if owner.features is not None:
                return owner.features.take(line)
        return self._guarded(line, owner) if line.code in _ADDRESS_CODES else [line.line]

    def _guarded(self, line: ReplyLine, owner: Owner) -> list[bytes]:
        """An address that was not asked for would lead the client past us (T45, attack 22)."""
        if not isinstance(owner, Exchange):
            raise WireError("an address that was not asked for")
        return [b"502 Command not implemented."] if line.final else []

    def _answered(self, line: ReplyLine, now: float) -> None:
        """The last line of a reply came."""
        owner, under_way = self._owner, line.code // 100 == 1
        if isinstance(owner, Transfer):
            if under_way:
                self._state.channels.started(owner)
            else:
                self._concluded(owner, line.code, now)
        elif owner is not None:
            if under_way:
                self._accepted(owner, line.code)
            elif owner.steps is not None:
                self._mind_the_clear(line)
                self._state.dealings.step(line)
            else:
                self._state.turns.answered(owner)
                self._follows(owner, line.code, now)

    def _mind_the_login(self, verb: bytes, was_in: bool) -> None:
        """Who is not logged in has so long to be."""
        state, about = self._state, self._state.about
        is_in = state.login.done
        if is_in and not was_in:
            about.tries.succeeded(state.login.user)
        if about.login_timeout is not None and (is_in is not was_in or verb == GREETING):
            state.out.do(SetAlarm(LOGIN_ALARM, None if is_in else about.login_timeout))

    def _mind_the_clear(self, line: ReplyLine) -> None:
        """What stands behind a 234 in the clear is not the server's (attack 2)."""
        if line.code == 234 and self.held:
            about = self._state.about
            self._state.out.do(Tell(AttackSeen(INJECTION, about.frontend, about.server)))
            raise WireError("replies behind a 234")

    def _concluded(self, transfer: Transfer, code: int, now: float) -> None:
        self._state.turns.transferred()
        self._state.channels.conclude(transfer, code, now)

    def _accepted(self, exchange: Exchange, code: int) -> None:
        """A command that we did not know for a transfer is one when the server says so."""
        turns = self._state.turns
        if code in (125, 150) and turns.transfer is None and exchange.steps is None:
            turns.answered(exchange)
            transfer = self._state.transfer(exchange.verb, exchange.argument, exchange.sent)
            self._state.channels.started(transfer)

    def _follows(self, exchange: Exchange, code: int, now: float) -> None:
        """What a command's final reply changes on our side."""
        state = self._state
        user = text(exchange.argument) if exchange.verb == b"USER" else ""
        was_in = state.login.done
        state.login.answered(exchange.verb, user, code)
        self._mind_the_login(exchange.verb, was_in)
        if state.login.done is not was_in:
            self._negotiation.login_changed()
        if exchange.verb == b"PASS" and code == 530:  # what else is wrong is no guess
            state.about.tries.failed(state.login.user, now)
        if code // 100 != 2:
            return
        if exchange.verb == GREETING:
            self._negotiation.greeted()
        elif exchange.verb == b"QUIT":
            state.quit = True
        elif exchange.verb == b"REIN":
            state.only_epsv = False
            state.channels.release()
            state.protection.forget()
        elif exchange.verb == b"ABOR" and not exchange.may_be_answered:
            if code == 225 and state.turns.transfer is not None:
                self._concluded(state.turns.transfer, code, now)
            state.channels.release()
