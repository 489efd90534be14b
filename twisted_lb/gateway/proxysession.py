"""One FTP session of the security proxy: its secret, its data channels, its notification channel.

In: channels that showed the secret; what the FTP machine wants of the client's side. Out: legs for
the machine's data channels, notices for the client. The session is a Way: there a transfer number
is what elsewhere is a port.

Rules:
- A data channel is taken once, for a transfer that was announced and is not over.
- The client's leg of an active transfer is asked for by a notice; a notification channel that
  comes anew hears of every transfer that still waits.
- Without its notification channel a session ends: after a grace, and when none came at all.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall

from ..ends import End
from ..errors import Ended
from ..terms import Address, Ending
from ..ways import Awaited
from .arrivals import Arrivals
from .notices import Failed, HostConnected, Notice, Ready, TransferOver
from .notification import Notification
from .openingline import ROLE, WELCOME
from .settings import ProxyTimeout
from .transfers import PROXYS, Numbers, place
from .visits import Visit


class ProxySession:
    """One FTP session. `end(word)` ends it with all its channels."""

    def __init__(
        self, control: Visit, secret: str, timeout: ProxyTimeout, end: Callable[[Ending], None]
    ) -> None:
        self.secret = secret
        """What data and notification channels show."""
        self.clock = control.room.reactor
        self._control = control.end
        self._timeout = timeout
        self._end = end
        self._numbers = Numbers(PROXYS)
        self._arrivals = Arrivals(self.clock, self._late)
        self._due: dict[int, Notice] = {}
        """What the client has to know of the transfers that wait for it."""
        self._legs: dict[End, tuple[int, Visit]] = {}
        self._notification: Notification | None = None
        self._alone: IDelayedCall | None = None
        self._over = False
        self._wait_for_notification(timeout.opening)

    @property
    def left(self) -> bool:
        """Whether its client has gone, by its control channel; the host may not know yet."""
        return self._control.lost

    # -- channels that come -------------------------------------------------------------------

    def notify(self, visit: Visit) -> None:
        """This is its notification channel. Raises Ended: it has one."""
        if self._notification is not None:
            raise Ended("key-full", "a second notification channel", bytes(ROLE))
        self._stop_waiting()
        every = self._timeout.ping

        def gone(word: Ending) -> None:
            visit.ended(word)
            visit.gone()
            self._notification = None
            if not self._over:
                self._wait_for_notification(self._timeout.notification)

        channel = Notification(visit.end, self.clock, every, self._cancelled, gone)
        self._notification = channel
        visit.end.write(bytes(WELCOME))
        for notice in list(self._due.values()):
            channel.tell(notice)
        channel.start()

    def data(self, visit: Visit, number: int) -> None:
        """This is the data channel of a transfer. Raises Ended: none is waited for."""
        arrival = self._arrivals.take(number)
        if arrival is None:
            raise Ended("no-route", f"transfer {number} is not waited for", bytes(ROLE))
        self._due.pop(number, None)
        self._legs[visit.end] = number, visit
        visit.end.write(bytes(WELCOME))
        arrival.arrives(visit.end)

    def finish(self, word: Ending) -> None:
        """The conversation is over; what is joined goes on."""
        self._over = True
        self._stop_waiting()
        if self._notification is not None:
            self._notification.close(word)

    # Way

    def listen(self, seconds: float, several: bool = False) -> tuple[Address, Awaited]:
        number = self._numbers.draw(self._arrivals)
        arrival = self._arrivals.expect(number, seconds)
        self._announce(Ready(number))
        return place(number), arrival

    def dial(self, address: Address, seconds: float) -> Deferred[End]:
        try:
            arrival = self._arrivals.expect(address.port, seconds)
        except Ended as why:
            return fail(why)
        self._announce(HostConnected(address.port))
        return arrival.come

    def parted(self, leg: End, word: Ending, from_client: int, from_server: int) -> None:
        number, visit = self._legs.pop(leg)
        count = from_client + from_server
        self._tell(TransferOver(number, count) if word == "done" else Failed(number, word))
        visit.ended(word, from_client, from_server)
        visit.gone()

    # -- what the client is told --------------------------------------------------------------

    def _announce(self, notice: Ready | HostConnected) -> None:
        self._due = {number: due for number, due in self._due.items() if number in self._arrivals}
        self._due[notice.transfer] = notice
        self._tell(notice)

    def _tell(self, notice: Notice) -> None:
        if self._notification is not None and not self._over:
            self._notification.tell(notice)

    def _late(self, number: int) -> None:
        self._tell(Failed(number, "too-slow"))

    def _cancelled(self, number: int) -> None:
        """The client gives this transfer up; it may be over by now."""
        arrival = self._arrivals.take(number)
        if arrival is not None:
            arrival.fails("client-left")

    # -- without a notification channel -------------------------------------------------------

    def _wait_for_notification(self, seconds: float) -> None:
        self._alone = self.clock.callLater(seconds, self._end, "client-left")

    def _stop_waiting(self) -> None:
        if self._alone is not None and self._alone.active():
            self._alone.cancel()
