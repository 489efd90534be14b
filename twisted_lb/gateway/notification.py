"""The proxy's side of a notification channel: tells what happens, asks whether the client is there.

In: notices, and the client's lines. Out: CANCEL, and the word how the channel ended, once.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from ..ends import End
from ..errors import WireError
from ..terms import MORE, Ending
from .notices import Cancel, Closing, Notice, Ping, Replies, write

FLUSH = 5.0
"""Seconds that a client gets to read that the session closes."""


@implementer(IPushProducer)
class Notification:
    """One channel. A client that does not read, or does not answer PING, is gone."""

    def __init__(
        self,
        end: End,
        clock: IReactorTime,
        every: float,
        cancel: Callable[[int], None],
        gone: Callable[[Ending], None],
    ) -> None:
        self._end = end
        self._clock = clock
        self._every = every
        self._cancel = cancel
        self._gone = gone
        self._replies = Replies()
        self._answered = True
        self._ending: Ending = "client-left"
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Take the End."""
        self._timer = self._clock.callLater(self._every, self._ping)
        self._end.fed_by(self)
        self._end.give(self)

    def tell(self, notice: Notice) -> None:
        """One more line."""
        if not self._end.lost:
            self._end.write(write(notice))

    def close(self, word: Ending) -> None:
        """The session ends: say so, and close."""
        self._ending = word
        self.tell(Closing(word))
        self._wind(FLUSH, self._end.abort)
        self._end.close()

    def _ping(self) -> None:
        if not self._answered:
            self._break("too-slow")
            return
        self._answered = False
        self.tell(Ping())
        self._wind(self._every, self._ping)

    def _break(self, word: Ending) -> None:
        self._ending = word
        self._end.abort()

    def _wind(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._clock.callLater(seconds, then)

    # Receiver

    def data(self, data: bytes) -> None:
        self._replies.feed(data)
        try:
            while (reply := self._replies.next()) is not MORE:
                self._answered = True
                if isinstance(reply, Cancel):
                    self._cancel(reply.transfer)
        except WireError:
            self._break("wire-error")

    def eof(self) -> None:
        self._end.close()

    def lost(self, clean: bool) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._gone(self._ending)

    # IPushProducer

    def pauseProducing(self) -> None:
        """The client has not read for tens of thousands of bytes: hundreds of transfers."""
        self._break("too-slow")

    def resumeProducing(self) -> None:
        pass

    def stopProducing(self) -> None:
        pass
