"""Data channels of one control connection: which leg is dialled when, and what was moved. Sans-I/O.

In: what was announced, the transfers that use it, what became of the legs. Out: Dial, Release,
Abort, and one TransferEnded for each transfer.

Rules:
- A leg is protected when it was to be at its announcement. TLS begins on it when the server has
  accepted a transfer, and then on both (RFC 4217 section 7; T62, T63).
- A server that listens is dialled when the client's leg stands, or, when the client listens, as
  soon as a transfer was asked for.
- A client that listens is dialled when the server's leg stands and the server has accepted: a
  server that we connected to says so, one that connects by itself has (T26, T47). Before that we
  would knock at ports for anybody who asks.
- Bytes flow when a transfer was sent to the server, and not before: it would not know what to do
  with them.
- When a leg cannot be had the other is aborted, so that the server ends the transfer by itself
  (T23). A server that still waits for us to come is knocked at: connected, and reset.
- A leg that is listened for has `data_timeout` to come. A transfer that uses it stops the clock:
  the server may take its time, as with a file on tape. Its 1xx starts it again: the client has
  `data_timeout`, the server, which has accepted, as long as a transfer may stall.
- A new announcement replaces the former one (T3); a joined channel goes on to its end.
"""

from __future__ import annotations

import enum
from collections.abc import Container, Iterator
from typing import Final

import attrs

from ...facts import TransferEnded
from ...terms import Address, Ending
from ..actions import Abort, Dial, Join, Release, SetAlarm, Side, StartTls, Tell, Wait
from .circumstances import Circumstances
from .outbox import Outbox

CHANNELS_MOST: Final = 16
"""Of one control connection at once: somebody who never reads would collect descriptors."""
TRANSFER_ALARM: Final = "transfer"
"""A server that lost its data leg and says nothing is not waited for any longer."""


class Stand(enum.Enum):
    """How far a leg is."""

    IDLE = enum.auto()
    """To be dialled, when its time comes."""
    COMING = enum.auto()
    """Listened for, or being dialled."""
    BARE = enum.auto()
    """It stands, and TLS is to begin on it."""
    SHAKING = enum.auto()
    """TLS has begun."""
    STANDS = enum.auto()


@attrs.define(eq=False)
class Leg:
    """One leg of a data channel."""

    private: bool = False
    target: Address | None = None
    """Where it is dialled; None: it is listened for."""
    stand: Stand = Stand.COMING
    tls: str = ""
    """The version that protects it; empty: it does not stand yet, or is in the clear."""

    def dial(self, target: Address) -> None:
        """It is one that will be dialled."""
        self.target, self.stand = target, Stand.IDLE

    @property
    def reached(self) -> bool:
        """Whether its connection stands."""
        return self.stand not in (Stand.IDLE, Stand.COMING)


@attrs.define(eq=False)
class Transfer:
    """One transfer command that the server was sent."""

    user: str
    command: str
    path: str
    begun: float
    started: bool = False
    """Its 1xx came, or what amounts to it."""
    given_up: bool = False
    """The client was answered by us; what the server still says of it is dropped."""
    reply: int = 0
    """The server's final code; 0 until it comes."""
    channel: DataChannel | None = None
    """Its data channel, until that has ended."""
    failed: Ending | None = None
    """Why its data channel could not be had."""
    ending: Ending = ""
    """How its data channel ended; empty: it had none that was joined."""
    aborted: bool = False
    """The client sent ABOR while it ran."""
    bytes: int = 0
    client_tls: str = ""
    server_tls: str = ""
    """What protected the legs of its data channel; empty: nothing."""

    @property
    def ended(self) -> Ending:
        """How it ended: bytes that all arrived are no success when the server says so.

        426 is what a server says of a client that closed too early or sent ABOR (RFC 959 section
        5.4); its other failures are its own.
        """
        if self.failed or self.reply < 400:
            return self.failed or self.ending or "done"
        if self.aborted or (self.reply == 426 and self.ending == "done"):
            return "client-left"
        return "server-refused" if self.ending in ("", "done") else self.ending


@attrs.define(eq=False)
class DataChannel:
    """One announced data channel."""

    number: int
    client: Leg = attrs.field(factory=Leg)
    server: Leg = attrs.field(factory=Leg)
    transfer: Transfer | None = None
    """The first transfer that uses it, until that is told; its bytes are counted to this one."""
    used: bool = False
    """Whether a transfer was sent to the server that uses it, ever."""
    failed: Ending | None = None
    """Why it can never be joined; it stays announced so that a transfer fails properly."""

    @property
    def joined(self) -> bool:
        """Whether both legs stand, protected where they are to be, and for something."""
        return self.used and self.client.stand is self.server.stand is Stand.STANDS

    @property
    def undecided(self) -> bool:
        """Whether bytes may have left one end without anybody at the other (T5)."""
        return self.failed is None and not self.joined and self.server.stand is not Stand.IDLE

    def leg(self, side: Side) -> Leg:
        """That of one side."""
        return self.client if side is Side.CLIENT else self.server

    def due(self) -> Iterator[Dial | StartTls]:
        """The legs whose time to be dialled, or secured, has come."""
        for side in Side if self.failed is None else ():
            leg = self.leg(side)
            if leg.target is not None and leg.stand is Stand.IDLE and self._wants(side):
                leg.stand = Stand.COMING
                yield Dial(self.number, side, leg.target, leg.private)
            elif leg.stand is Stand.BARE and self._accepted:
                leg.stand = Stand.SHAKING
                yield StartTls(side, self.number)

    def _wants(self, side: Side) -> bool:
        """Whether a leg to this side is dialled now."""
        if side is Side.SERVER:
            return self.client.reached or (self.client.target is not None and self._awaited)
        # A server that connects by itself has accepted; one that we connected to says so (T47).
        return self.server.reached and (self.server.target is None or self._accepted)

    @property
    def _awaited(self) -> bool:
        """Whether a transfer waits for it."""
        return self.transfer is not None and not self.transfer.reply

    @property
    def _accepted(self) -> bool:
        """Whether the server has accepted that."""
        return self._awaited and self.transfer is not None and self.transfer.started


class Channels:
    """All data channels of one control connection."""

    def __init__(self, about: Circumstances, out: Outbox) -> None:
        self._about = about
        self._out = out
        self._count = 0
        self._living: dict[int, DataChannel] = {}
        self._knocks: set[int] = set()
        self._announced: DataChannel | None = None
        self._over = False

    # -- announcements ------------------------------------------------------------------------

    def replace(self, private: Container[Side] = ()) -> DataChannel | None:
        """A fresh channel instead of the one announced before, protected on these sides; None when
        there are too many."""
        self.release()
        if len(self._living) >= CHANNELS_MOST:
            return None
        channel = DataChannel(
            self._draw(), Leg(Side.CLIENT in private), Leg(Side.SERVER in private)
        )
        self._living[channel.number] = channel
        return channel

    def announce(self, channel: DataChannel, transfer: Transfer | None) -> None:
        """The client was told of it. A transfer that has none yet gets this one (T26)."""
        self._announced = channel
        if transfer is not None and transfer.channel is None and not transfer.failed:
            self.use(transfer)
        else:
            self._advance(channel)

    def drop(self, channel: DataChannel) -> None:
        """The announcement came to nothing."""
        if self._living.pop(channel.number, None) is not None:
            self._out.do(Release(channel.number))

    def release(self) -> None:
        """Forget what is announced; what is joined goes on."""
        channel, self._announced = self._announced, None
        if channel is None or channel.joined:
            return
        if channel.transfer is not None:
            self._part(channel.transfer)
        self.drop(channel)

    def expire(self) -> None:
        """No transfer may use what is announced: it would be protected otherwise than agreed."""
        channel = self._announced
        if channel is None or channel.transfer is not None or channel.failed is not None:
            return
        if channel.joined:
            self._out.do(Abort(channel.number))
        else:
            self.failed(channel.number, "tls-failed")

    def _draw(self) -> int:
        self._count += 1
        return self._count

    # -- transfers ----------------------------------------------------------------------------

    def use(self, transfer: Transfer) -> None:
        """A transfer was sent to the server: what is announced is for it."""
        channel = self._announced
        if channel is None or channel.transfer is not None:  # MODE B, C: many on one channel (T6)
            return
        channel.transfer, transfer.channel = transfer, channel
        if channel.failed is not None:
            self._fail(channel, transfer)
        else:
            if not channel.used:
                channel.used = True
                self._out.do(Join(channel.number))
            self._wait(channel, None, None)
            self._advance(channel)

    def started(self, transfer: Transfer) -> None:
        """The server has accepted it."""
        transfer.started = True
        if transfer.channel is not None:
            rules = self._about.rules
            self._wait(transfer.channel, rules.data_timeout, rules.stall_timeout)
            self._advance(transfer.channel)

    def conclude(self, transfer: Transfer, code: int, now: float) -> None:
        """The server's final reply to it came."""
        transfer.reply = code
        channel = transfer.channel
        if transfer.failed is not None:
            self._out.do(SetAlarm(TRANSFER_ALARM, None))
            if channel is self._announced:
                self._announced = None
        elif channel is not None and channel.joined and transfer.started:
            return
        if channel is not None:  # the next transfer may use what this one did not
            self._wait(channel, self._about.rules.data_timeout, self._about.rules.data_timeout)
        self._part(transfer)
        self._tell(transfer, now)

    def _part(self, transfer: Transfer) -> None:
        if transfer.channel is not None:
            transfer.channel.transfer = None
            transfer.channel = None

    def _tell(self, transfer: Transfer, now: float) -> None:
        about = self._about
        fact = TransferEnded(
            session=about.session,
            user=transfer.user,
            server=about.server_name,
            command=transfer.command,
            path=transfer.path,
            bytes=transfer.bytes,
            seconds=now - transfer.begun,
            ending=transfer.ended,
            reply=transfer.reply,
            client_tls=transfer.client_tls,
            server_tls=transfer.server_tls,
        )
        self._out.do(Tell(fact))

    # -- what became of the legs --------------------------------------------------------------

    def connected(self, number: int, side: Side) -> None:
        """A leg stands."""
        if number in self._knocks:
            self._knocks.discard(number)
            self._out.do(Abort(number))
            return
        channel = self._living[number]
        leg = channel.leg(side)
        leg.stand = Stand.BARE if leg.private else Stand.STANDS
        self._advance(channel)

    def secured(self, number: int, side: Side, version: str) -> None:
        """A leg is protected from here on."""
        leg = self._living[number].leg(side)
        leg.stand, leg.tls = Stand.STANDS, version

    def failed(self, number: int, word: Ending) -> None:
        """A leg could not be had, or stood and broke before the other came."""
        if number in self._knocks:
            self._knocks.discard(number)
            return
        channel = self._living.pop(number)
        channel.failed = word
        self._out.do(Abort(number))
        if channel.transfer is not None:
            self._fail(channel, channel.transfer)

    def transferred(self, number: int, ending: Ending, count: int, now: float) -> None:
        """A joined channel ended."""
        channel = self._living.pop(number)
        if channel is self._announced:
            self._announced = None
        transfer = channel.transfer
        if transfer is not None:
            self._part(transfer)
            transfer.ending, transfer.bytes = ending, count
            transfer.client_tls, transfer.server_tls = channel.client.tls, channel.server.tls
            if transfer.reply or self._over:
                self._tell(transfer, now)

    @property
    def moving(self) -> bool:
        """Whether one is joined."""
        return any(channel.joined for channel in self._living.values())

    def cut(self) -> None:
        """End what is joined now; it is told when it has ended."""
        for channel in self._living.values():
            if channel.joined:
                self._out.do(Abort(channel.number))

    def finish(self, word: Ending, transfer: Transfer | None, now: float) -> None:
        """The conversation is over; `transfer` has no final reply yet. Joined channels go on."""
        self._over = True
        self._announced = None
        for channel in [each for each in self._living.values() if not each.joined]:
            self.drop(channel)
        for number in sorted(self._knocks):
            self._out.do(Release(number))
        if transfer is not None and (transfer.channel is None or not transfer.channel.joined):
            transfer.ending = word
            self._tell(transfer, now)

    def _wait(self, channel: DataChannel, client: float | None, server: float | None) -> None:
        """How long the legs that are listened for may take from now on."""
        for side, seconds in ((Side.CLIENT, client), (Side.SERVER, server)):
            leg = channel.leg(side)
            if channel.failed is None and leg.target is None and leg.stand is Stand.COMING:
                self._out.do(Wait(channel.number, side, seconds))

    def _advance(self, channel: DataChannel) -> None:
        for dial in channel.due():
            self._out.do(dial)

    def _fail(self, channel: DataChannel, transfer: Transfer) -> None:
        """Make the server end a transfer whose channel will never be joined."""
        transfer.failed = channel.failed
        self._out.do(SetAlarm(TRANSFER_ALARM, self._about.rules.data_timeout))
        target = channel.server.target
        if target is not None and channel.server.stand is Stand.IDLE:
            self._knocks.add(self._draw())
            self._out.do(Dial(self._count, Side.SERVER, target))
