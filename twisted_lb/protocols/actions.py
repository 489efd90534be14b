"""What a protocol machine may ask for, and the events it is told. Sans-I/O.

A machine (a Conversation) sits between two ends, client and server, and speaks for both. It never
touches a socket: `converse` tells it events, and does what it asks, in order. A data channel is
named by a small number that the machine draws; each of its two legs is either listened for or
dialled (four cases). A leg that is private stands only when it was secured, too: the machine says
when that is to begin. When both legs stand and the machine has a use for them they are joined, and
it does not see a byte.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Protocol

import attrs

from ..facts import Fact
from ..terms import Address, Ending


class Side(enum.Enum):
    """One of the two ends of a conversation."""

    CLIENT = "client"
    SERVER = "server"

    # Much is kept by side, and an enum's own hash is written in Python.
    __hash__ = object.__hash__

    @property
    def other(self) -> Side:
        """The end across."""
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


@attrs.frozen
class Send:
    """Send bytes to one end of the control channel."""

    to: Side
    data: bytes


@attrs.frozen
class Synch:
    """Send Telnet's Synch (RFC 854) to one end, whose mark is urgent data: it is told of it before
    it reads. Means nothing where there is no urgent data, as in TLS (RFC 4217 section 14)."""

    to: Side


@attrs.frozen
class Listen:
    """Open a listener for one leg of data channel `data`; answered by `listening` or `failed`.

    One connection is accepted, only from the host of that side's control connection, within the
    data timeout unless a Wait says otherwise; wrong peers are refused without using it up.
    """

    data: int
    side: Side
    private: bool = False
    """It is not joined before a StartTls has secured it."""


@attrs.frozen
class Wait:
    """From now on the listener for this leg waits so long; None: as long as nothing else ends it.

    Of a leg that came already, or is not listened for, it means nothing.
    """

    data: int
    side: Side
    seconds: float | None


@attrs.frozen
class Dial:
    """Connect one leg of data channel `data`; answered by `connected` or `failed`."""

    data: int
    side: Side
    address: Address
    private: bool = False
    """As for Listen."""


@attrs.frozen
class StartTls:
    """Secure one end of the control channel, or the leg of data channel `data` that stands.

    We are the client's TLS server and the server's TLS client, whoever opened the connection (RFC
    4217 section 7). Answered by `secured`; for a leg also by `failed`, while a control channel that
    cannot be secured ends the conversation by `end`. What was asked to be sent before goes in the
    clear, and nothing is told of that end until it is secured.
    """

    side: Side
    data: int | None = None


@attrs.frozen
class StopTls:
    """Say close_notify to one end of the control channel and go on with it in the clear.

    What was asked to be sent before goes protected. What the end says under TLS before its own
    close_notify is heard as before.
    """

    side: Side


@attrs.frozen
class Join:
    """Bytes of data channel `data` may flow, as soon as both legs stand.

    What was asked to be sent before goes first: a server that gets bytes of a transfer before it
    has heard of it is free to throw them away (pyftpdlib does).
    """

    data: int


@attrs.frozen
class Release:
    """Give up data channel `data`: close its listeners, abort legs that are not joined yet.

    No event about `data` follows. A channel that is joined already goes on to its end.
    """

    data: int


@attrs.frozen
class Abort:
    """End data channel `data` at once with a reset on both legs, joined or not."""

    data: int


@attrs.frozen
class SetAlarm:
    """Tell `alarm(name)` after `seconds`; replaces an alarm of the same name; None clears it."""

    name: str
    seconds: float | None


@attrs.frozen
class Tell:
    """A fact for the observers."""

    fact: Fact


@attrs.frozen
class CloseEnd:
    """Send what is buffered to one end, then close it; the conversation goes on without it."""

    side: Side


@attrs.frozen
class Finish:
    """The conversation is over: flush and close both ends; its ending is `word`."""

    word: Ending


Action = (
    Send
    | Synch
    | Listen
    | Wait
    | Dial
    | StartTls
    | StopTls
    | Join
    | Release
    | Abort
    | SetAlarm
    | Tell
    | CloseEnd
    | Finish
)
Actions = Iterable[Action]


class Conversation(Protocol):
    """A protocol machine between two ends. Every verb returns what is to be done, in order.

    `now` is in seconds from any fixed start. After a Finish only `transferred` may still come, for
    channels that were joined; it may answer with Tell only.
    """

    def received(self, side: Side, data: bytes, now: float) -> Actions:
        """Bytes came on the control connection."""

    def closed(self, side: Side, now: float) -> Actions:
        """One end will send nothing more: FIN, reset or loss."""

    def listening(self, data: int, side: Side, address: Address, now: float) -> Actions:
        """The listener asked for stands at this local address."""

    def connected(self, data: int, side: Side, now: float) -> Actions:
        """A leg of a data channel stands."""

    def secured(self, side: Side, data: int | None, version: str, now: float) -> Actions:
        """What StartTls asked for is done: from here on it is TLS, as `TLSv1.3`."""

    def failed(self, data: int, side: Side, word: Ending, now: float) -> Actions:
        """A leg could not be had: `full`, `too-slow`, `server-refused`, `client-left` …"""

    def transferred(
        self, data: int, ending: Ending, from_client: int, from_server: int, now: float
    ) -> Actions:
        """A joined data channel ended, after so many bytes each way."""

    def alarm(self, name: str, now: float) -> Actions:
        """A time asked for by SetAlarm has come."""

    def end(self, word: Ending, now: float) -> Actions:
        """The session must end (server-down, drained, idle, killed): say the last word, Finish."""

    def congested(self, side: Side) -> bool:
        """Whether no more is wanted from this side for now; asked after every event."""
