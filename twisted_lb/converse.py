"""Runs a protocol machine over a client and a server End and does what it asks, in order.

In: two Ends, a Conversation, the circle of its data channels. Out: the conversation's ending. All
sockets are here, all rules are in the machine.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from .ends import End
from .errors import Ended
from .facility import logger
from .meet import Circle, Meeting
from .protocols.actions import (
    Abort,
    Action,
    Actions,
    CloseEnd,
    Conversation,
    Dial,
    Finish,
    Join,
    Listen,
    Release,
    Send,
    SetAlarm,
    Side,
    StartTls,
    StopTls,
    Synch,
    Tell,
    Wait,
)
from .relay import FLUSH_TIMEOUT, Joined
from .secure import leave_tls
from .terms import Address, Ending
from .urgent import SYNCH, send_urgently

log = logger(__name__)


class Converse:
    """One conversation. `on_finish(word)` when it is over, `on_end()` when its last socket is
    closed: those of both Ends, and of data channels that were joined and went on."""

    def __init__(
        self,
        machine: Conversation,
        circle: Circle,
        on_finish: Callable[[Ending], None],
        on_end: Callable[[], None],
    ) -> None:
        self.moved = circle.reactor.seconds()
        self.count = dict.fromkeys(Side, 0)
        """Bytes received on the control connection, by side."""
        self._machine = machine
        self._circle = circle
        self._on_finish = on_finish
        self._on_end = on_end
        self._ends = circle.control
        client, server = self._ends[Side.CLIENT], self._ends[Side.SERVER]
        self._gates = {
            Side.CLIENT: _Gate({server: "peer-full", client: "unread"}),
            Side.SERVER: _Gate({client: "peer-full"}),
        }
        self._securing: Deferred[None] | None = None
        self._living = set(Side)
        self._closings: list[Side] = []
        """Who will say nothing more, in the order in which they fell silent."""
        self._meetings: dict[int, Meeting] = {}
        self._alarms: dict[str, IDelayedCall] = {}
        self._todo: list[Action] = []  # few at a time: a deque would cost an idle session 600 bytes
        self._busy = False
        self._finished = False
        self._flush: IDelayedCall | None = None

    @property
    def from_client(self) -> int:
        """Bytes received on the control connection from the client."""
        return self.count[Side.CLIENT]

    @property
    def from_server(self) -> int:
        """And from the server."""
        return self.count[Side.SERVER]

    def start(self) -> None:
        """Take both Ends; the server's first, whose greeting is held.

        A client that does not read is not read either: the machine answers some commands itself.
        """
        for side in (Side.SERVER, Side.CLIENT):
            self._ends[side].fed_by(self._gates[side])
        for side in (Side.SERVER, Side.CLIENT):
            self._ends[side].give(_Ear(self, side))

    def look(self) -> None:
        """What is passed on is noted at once. Half a line moves nothing, nor does a client that
        takes its time over replies."""

    def stop(self, word: Ending) -> None:
        """The session ends: let the machine say its last word."""
        self._event(self._machine.end, word)

    def abort(self) -> None:
        """Close every socket of it now, with resets."""
        for end in self._ends.values():
            end.abort()
        for meeting in list(self._meetings.values()):
            self._forget(meeting.number, Meeting.abort)

    # -- Told, by the data channels -----------------------------------------------------------

    def listening(self, data: int, side: Side, address: Address) -> None:
        self._event(self._machine.listening, data, side, address)

    def connected(self, data: int, side: Side) -> None:
        self._event(self._machine.connected, data, side)

    def secured(self, data: int, side: Side, version: str) -> None:
        self._event(self._machine.secured, side, data, version)

    def failed(self, data: int, side: Side, word: Ending) -> None:
        self._forget(data, Meeting.abort)
        self._event(self._machine.failed, data, side, word)

    def transferred(self, data: int, joined: Joined) -> None:
        self.moved = max(self.moved, joined.moved)
        del self._meetings[data]
        counts = joined.from_client, joined.from_server
        self._obey(self._machine.transferred, data, joined.ending, *counts)
        self._mind_the_end()

    # -- told by the ears ---------------------------------------------------------------------

    def _received(self, side: Side, data: bytes) -> None:
        self.count[side] += len(data)
        self._event(self._machine.received, side, data)

    def _closed(self, side: Side) -> None:
        if side not in self._closings:
            self._closings.append(side)
            self._event(self._machine.closed, side)

    def _lost(self, side: Side) -> None:
        self._closed(side)
        self._living.discard(side)
        self._ends[side.other].resume("peer-full")
        if not self._living:
            self._silence()
        self._mind_the_end()

    def _silence(self) -> None:
        """Both Ends are gone: there is nobody left to talk to."""
        word = "client-left" if self._closings[0] is Side.CLIENT else "server-closed"
        self._event(self._machine.end, word)
        self._finish(word)
        assert self._flush is not None, "a finished conversation has its deadline"
        if self._flush.active():
            self._flush.cancel()

    def _mind_the_end(self) -> None:
        if not self._living and not self._meetings:
            self._on_end()

    # -- doing what the machine asks ----------------------------------------------------------

    def _event(self, verb: Callable[..., Actions], *args: object) -> None:
        """Tell the machine, unless the conversation is over."""
        if not self._finished:
            self._obey(verb, *args)

    def _obey(self, verb: Callable[..., Actions], *args: object) -> None:
        """Tell the machine and do what it asks, in order; what it is told meanwhile comes after."""
        try:
            self._todo.extend(verb(*args, self._now()))
            if not self._busy:
                self._do_all()
        except Exception:
            log.failure("a conversation failed")
            self._finish("internal-error")

    def _do_all(self) -> None:
        self._busy = True
        try:
            while self._todo:
                self._do(self._todo.pop(0))
        finally:
            self._busy = False
        if not self._finished:
            self._mind_congestion()

    def _do(self, action: Action) -> None:
        match action:
            case Send(to, data):
                self.moved = self._now()
                self._ends[to].write(data)
            case Synch(to):
                send_urgently(self._ends[to], SYNCH)
            case SetAlarm(name, seconds):
                self._set_alarm(name, seconds)
            case Tell(fact):
                self._circle.note(fact)
            case StartTls(side, None):
                self._secure(side)
            case StopTls(side):
                self._bare(side)
            case CloseEnd(side):
                self._ends[side].close()
            case Finish(word):
                self._finish(word)
            case _:
                self._do_with_data(action)

    def _do_with_data(
        self, action: Listen | Wait | Dial | StartTls | Join | Release | Abort
    ) -> None:
        match action:
            case Listen(data, side, private):
                self._meeting(data).listen(side, private)
            case Dial(data, side, address, private):
                self._meeting(data).dial(side, address, private)
            case Release(data):
                self._forget(data, Meeting.release)
            case Abort(data):
                self._forget(data, Meeting.abort)
            case Join(data):
                self._meeting(data).join()
            case Wait(data, side, seconds) if data in self._meetings:
                self._meetings[data].wait(side, seconds)
            case StartTls(side, int(data)) if data in self._meetings:
                self._meetings[data].secure(side)
            case _:
                pass  # of a channel that has failed since that was asked; the machine knows by now

    def _meeting(self, data: int) -> Meeting:
        if data not in self._meetings:
            self._meetings[data] = Meeting(data, self._circle, self)
        return self._meetings[data]

    def _forget(self, data: int, how: Callable[[Meeting], None]) -> None:
        """A joined channel stays until it has ended; the others are gone at once."""
        meeting = self._meetings.get(data)
        if meeting is None:
            return
        if not meeting.joined:
            del self._meetings[data]
        how(meeting)

    def _secure(self, side: Side) -> None:
        """Nobody hears this End until it is secured."""
        self._ends[side].take_back()
        self._gates[side].resumeProducing()
        self._securing = Deferred.fromCoroutine(self._circle.secure(side, self._ends[side], False))
        self._securing.addCallback(self._secured, side)
        self._securing.addErrback(self._unsecured)
        self._securing.addBoth(self._hear_again, side)

    def _bare(self, side: Side) -> None:
        """What feeds this End feeds another transport from here on."""
        self._gates[side].resumeProducing()
        leave_tls(self._ends[side])
        self._ends[side].fed_by(self._gates[side])

    def _secured(self, _: None, side: Side) -> None:
        self._ends[side].fed_by(self._gates[side])
        self._event(self._machine.secured, side, None, self._ends[side].tls_version)

    def _unsecured(self, failure: Failure) -> None:
        if self._finished:
            failure.trap(CancelledError, Ended)
        elif isinstance(failure.value, Ended):
            self._event(self._machine.end, failure.value.word)
        else:
            log.failure("a connection could not be secured", failure)
            self._finish("internal-error")

    def _hear_again(self, _: None, side: Side) -> None:
        self._securing = None
        self._ends[side].give(_Ear(self, side))

    def _set_alarm(self, name: str, seconds: float | None) -> None:
        alarm = self._alarms.pop(name, None)
        if alarm is not None and alarm.active():
            alarm.cancel()
        if seconds is not None:
            self._alarms[name] = self._circle.reactor.callLater(seconds, self._rang, name)

    def _rang(self, name: str) -> None:
        del self._alarms[name]
        self._event(self._machine.alarm, name)

    def _finish(self, word: Ending) -> None:
        if self._finished:
            return
        self._finished = True
        self._todo.clear()
        for name in list(self._alarms):
            self._set_alarm(name, None)
        for meeting in list(self._meetings.values()):
            self._forget(meeting.number, Meeting.release)
        if self._securing is not None:
            self._securing.cancel()
        self._flush = self._circle.reactor.callLater(FLUSH_TIMEOUT, self._give_up)
        for end in self._ends.values():
            end.close()
        self._on_finish(word)

    def _give_up(self) -> None:
        for end in self._ends.values():
            end.abort()

    def _mind_congestion(self) -> None:
        for side, end in self._ends.items():
            if self._machine.congested(side):
                end.pause("congested")
            else:
                end.resume("congested")

    def _now(self) -> float:
        return self._circle.reactor.seconds()


class _Ear:
    """Receiver of one side."""

    __slots__ = ("_converse", "_side")

    def __init__(self, converse: Converse, side: Side) -> None:
        self._converse = converse
        self._side = side

    # Receiver

    def data(self, data: bytes) -> None:
        self._converse._received(self._side, data)

    def eof(self) -> None:
        self._converse._closed(self._side)

    def lost(self, clean: bool) -> None:
        self._converse._lost(self._side)


@implementer(IPushProducer)
class _Gate:
    """Pauses reading from some Ends, each for its reason, while the buffer of one is full.

    That the one is gone is told by its ear: what becomes of the others then, the machine says.
    """

    def __init__(self, reasons: dict[End, str]) -> None:
        self._reasons = reasons

    # IPushProducer

    def pauseProducing(self) -> None:
        for end, why in self._reasons.items():
            end.pause(why)

    def resumeProducing(self) -> None:
        for end, why in self._reasons.items():
            end.resume(why)

    def stopProducing(self) -> None:
        pass
