"""One FTP session of the tunnel: data channels through the front-end, and what the proxy notifies.

In: what the FTP machine wants of the server's side; the proxy's notices. Out: legs for the
machine's data channels, PONG, CANCEL. The session is a Way: a transfer number is what elsewhere is
a port. A leg that the machine listens for is opened by us, too, once the host is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from ..ends import End
from ..errors import Ended, WireError
from ..facility import logger
from ..terms import MORE, Address, Ending
from ..ways import Awaited
from .arrivals import Arrivals
from .frontend import FrontEnd
from .notices import Cancel, Closing, Failed, HostConnected, Notice, Notices, Ping, Pong, write
from .openingline import Opening
from .transfers import TUNNELS, Numbers, place

FLUSH: Final = 5.0
"""Seconds that the proxy gets to close its side when a session is over."""

log = logger(__name__)


class TunnelSession:
    """One FTP session.

    `lost(word)`: its notification channel has gone before its time, and the session with it;
    `gone()`: the channel is closed, in any case.
    """

    def __init__(
        self,
        name: str,
        secret: str,
        front: FrontEnd,
        silence: float,
        lost: Callable[[Ending], None],
        gone: Callable[[], None],
    ) -> None:
        self._name = name
        self._secret = secret
        self._front = front
        self._clock = front.reactor
        self._silence = silence
        self._tell_lost = lost
        self._tell_gone = gone
        self._numbers = Numbers(TUNNELS)
        self._arrivals = Arrivals(self._clock)
        self._opening: set[Deferred[End]] = set()
        self._notices = Notices()
        self._word: Ending = "server-closed"
        self._over = False
        self._patience: IDelayedCall | None = None
        self._notification: End

    def start(self, notification: End) -> None:
        """Take the notification channel's End."""
        self._notification = notification
        self._be_patient(self._silence)
        notification.give(self)

    def finish(self, word: Ending) -> None:
        """The conversation is over; what is joined goes on."""
        lost, self._over = self._over, True
        for opening in list(self._opening):
            opening.cancel()
        if not lost:
            self._be_patient(FLUSH)
            self._notification.close()

    # Way

    def listen(self, seconds: float, several: bool = False) -> tuple[Address, Awaited]:
        number = self._numbers.draw(self._arrivals)
        return place(number), self._arrivals.expect(number, seconds)

    def dial(self, address: Address, seconds: float) -> Deferred[End]:
        return Deferred.fromCoroutine(self._data(address.port)).addTimeout(
            seconds, self._clock, _too_late
        )

    def parted(self, leg: End, word: Ending, from_client: int, from_server: int) -> None:
        """The transfer is what is told."""

    async def _data(self, number: int) -> End:
        opening = Opening("data", self._name, self._secret, number)
        return (await self._front.open(opening))[0]

    # -- what the proxy notifies --------------------------------------------------------------

    def _heard(self, notice: Notice) -> None:
        match notice:
            case Ping():
                self._say(Pong())
            case HostConnected(number):
                self._host_is_there(number)
            case Failed(number, word):
                if (arrival := self._arrivals.take(number)) is not None:
                    arrival.fails(word)
            case Closing(word):
                self._word = word

    def _host_is_there(self, number: int) -> None:
        arrival = self._arrivals.take(number)
        if arrival is None:
            self._say(Cancel(number))
            return

        def stands(end: End) -> None:
            self._opening.discard(opening)
            if self._arrivals.take(number) is arrival:
                arrival.arrives(end)
            else:
                end.abort()

        def fell(failure: Failure) -> None:
            self._opening.discard(opening)
            if not failure.check(CancelledError, Ended):
                log.failure("a data channel failed", failure)
            ended = failure.value
            if self._arrivals.take(number) is arrival:
                arrival.fails(ended.word if isinstance(ended, Ended) else "internal-error")

        opening = Deferred.fromCoroutine(self._data(number))
        self._opening.add(opening)
        opening.addCallbacks(stands, fell)

    def _say(self, reply: Pong | Cancel) -> None:
        self._notification.write(write(reply))

    def _be_patient(self, seconds: float) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        self._patience = self._clock.callLater(seconds, self._too_silent)

    def _too_silent(self) -> None:
        self._word = "too-slow"
        self._notification.abort()

    # Receiver

    def data(self, data: bytes) -> None:
        if self._over:
            return
        self._be_patient(self._silence)
        self._notices.feed(data)
        try:
            while (notice := self._notices.next()) is not MORE:
                self._heard(notice)
        except WireError:
            self._word = "wire-error"
            self._notification.abort()

    def eof(self) -> None:
        self._notification.close()

    def lost(self, clean: bool) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        self._tell_gone()
        if not self._over:
            self._over = True
            self._tell_lost(self._word)


def _too_late(result: Any, seconds: float) -> Any:
    raise Ended("too-slow", "the data channel did not come to stand in time")
