"""Which commands wait for the server's answer, and whose answer a reply is. Sans-I/O.

In: what was sent to the server, the codes it answers. Out: whether one more may be sent, whose
reply this is.

Rules:
- One command waits at a time; the next one waits here (T20).
- A transfer does not stop the others: with its 1xx it steps aside, and before that ABOR, STAT,
  NOOP and QUIT overtake it (T15, T16, T30). One transfer at a time.
- While a transfer and a command wait, the code tells whose the reply is: `verbs.ends_transfer`.
  Where that guesses wrong a command is sent a moment early; the client gets every reply in the
  order the server sent them, whoever they belong to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from .data import Transfer
from .features import FeatureList
from .steps import Steps
from .verbs import ABOR_REPLIES, ANNOUNCEMENTS, OVERTAKING, TRANSFERS, ends_transfer

WAITING_MOST: Final = 8
"""Commands that overtook a transfer and have no answer yet."""

STRAYS: Final = frozenset({225, 226, 426})
"""Ends of a transfer, which no announcement is answered with: servers that lose count say one too
many (pyftpdlib, of a channel that was replaced). Taken for the answer it would end the session."""

GREETING: Final = b""
"""The verb of what the server says unasked, first of all."""


@attrs.define(eq=False)
class Exchange:
    """One command that waits for its final reply; a transfer has a Transfer instead."""

    verb: bytes
    argument: bytes = attrs.field(default=b"", repr=False)
    """Empty for PASS and ACCT: a password is passed on and forgotten."""
    sent: float = 0.0
    steps: Steps | None = attrs.field(default=None, repr=False)
    """Our own dealings with the server: the replies are theirs, not the client's."""
    conclude: Callable[[bytes], None] = attrs.field(default=lambda answer: None, repr=False)
    """Told their answer."""
    features: FeatureList | None = attrs.field(default=None, repr=False)
    asked: bool = True
    """False while they wait for a listener, or for TLS, and not for the server."""
    may_be_answered: bool = False
    """An ABOR after the transfer's end: some servers say 226 once for both."""


Owner = Transfer | Exchange | None


class Turns:
    """The commands under way on one control connection."""

    def __init__(self) -> None:
        self.transfer: Transfer | None = None
        self._waiting = [Exchange(GREETING)]  # WAITING_MOST, and mostly none: no deque

    @property
    def quiet(self) -> bool:
        """Whether the server owes nothing."""
        return self.transfer is None and not self._waiting

    @property
    def _expected(self) -> Exchange | None:
        """The command whose reply is next."""
        return self._waiting[0] if self._waiting and self._waiting[0].asked else None

    def may_go(self, verb: bytes) -> bool:
        """Whether a command may be sent, or answered by us, now."""
        transfer, overtakes = self.transfer, verb in OVERTAKING
        if len(self._waiting) >= WAITING_MOST or (transfer is not None and verb in TRANSFERS):
            return False
        waiting = [exchange.verb for exchange in self._waiting if not exchange.may_be_answered]
        if not waiting:
            return transfer is None or transfer.started or overtakes
        return transfer is not None and overtakes and OVERTAKING.issuperset(waiting)

    def sent(self, exchange: Exchange) -> None:
        """A command was sent to the server."""
        self._waiting.append(exchange)

    def answered(self, exchange: Exchange) -> None:
        """Its final reply came."""
        self._waiting.remove(exchange)

    def transferred(self) -> None:
        """The transfer's final reply came."""
        self.transfer = None
        for exchange in self._waiting:
            exchange.may_be_answered = exchange.verb == b"ABOR"

    def whose(self, code: int) -> Owner:
        """Whose reply begins with this code; None: nobody asked."""
        self._forget_answered(code)
        transfer, head = self.transfer, self._expected
        if transfer is None and head and head.verb in ANNOUNCEMENTS and code in STRAYS:
            return None
        if transfer is None or (head is not None and head.may_be_answered):
            return head
        if head is None or code // 100 == 1:
            return transfer
        if code == 425 and head.verb in ANNOUNCEMENTS:  # the one that has no connection yet
            return transfer if transfer.channel and not transfer.channel.joined else head
        return transfer if ends_transfer(code, head.verb, transfer.started) else head

    def _forget_answered(self, code: int) -> None:
        """Stop waiting for an ABOR when the reply is plainly that of something sent after it."""
        waiting = self._waiting
        while waiting and waiting[0].may_be_answered and code not in ABOR_REPLIES:
            if len(waiting) == 1 and self.transfer is None:
                return
            waiting.pop(0)
