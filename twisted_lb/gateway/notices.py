"""The lines of a notification channel, both ways: bytes ↔ values. Sans-I/O.

From the proxy: `TRANSFER N passive-ready|host-connected`, `TRANSFER N failed WORD`,
`TRANSFER N ended BYTES`, `SESSION closing WORD`, `PING`. From the client: `PONG`, `CANCEL N`.
Lines end with CRLF and have at most 128 bytes; one that is not known ends the channel.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from ..errors import WireError
from ..terms import ENDINGS, MORE, Ending, More
from .openingline import transfer_number

LINE_MOST: Final = 128
"""Bytes of a line with its end."""


@attrs.frozen
class Ready:
    """The host listens: the client may open this data channel."""

    transfer: int

    def __str__(self) -> str:
        return f"TRANSFER {self.transfer} passive-ready"


@attrs.frozen
class HostConnected:
    """The host has come for this transfer: the client is to open its data channel."""

    transfer: int

    def __str__(self) -> str:
        return f"TRANSFER {self.transfer} host-connected"


@attrs.frozen
class Failed:
    """This data channel will not come to stand."""

    transfer: int
    word: Ending

    def __str__(self) -> str:
        return f"TRANSFER {self.transfer} failed {self.word}"


@attrs.frozen
class TransferOver:
    """This data channel is over, after so many bytes both ways."""

    transfer: int
    bytes: int

    def __str__(self) -> str:
        return f"TRANSFER {self.transfer} ended {self.bytes}"


@attrs.frozen
class Closing:
    """The session ends."""

    word: Ending

    def __str__(self) -> str:
        return f"SESSION closing {self.word}"


@attrs.frozen
class Ping:
    """Is the client there?"""

    def __str__(self) -> str:
        return "PING"


@attrs.frozen
class Pong:
    """It is."""

    def __str__(self) -> str:
        return "PONG"


@attrs.frozen
class Cancel:
    """The client gives this transfer up."""

    transfer: int

    def __str__(self) -> str:
        return f"CANCEL {self.transfer}"


Notice = Ready | HostConnected | Failed | TransferOver | Closing | Ping
Reply = Pong | Cancel

_NOTICES: Final = (
    (re.compile(rb"TRANSFER (\d+) passive-ready"), lambda m: Ready(_transfer(m))),
    (re.compile(rb"TRANSFER (\d+) host-connected"), lambda m: HostConnected(_transfer(m))),
    (re.compile(rb"TRANSFER (\d+) failed ([a-z-]+)"), lambda m: Failed(_transfer(m), _word(m[2]))),
    (
        re.compile(rb"TRANSFER (\d+) ended (0|[1-9]\d{0,18})"),
        lambda m: TransferOver(_transfer(m), int(m[2])),
    ),
    (re.compile(rb"SESSION closing ([a-z-]+)"), lambda m: Closing(_word(m[1]))),
    (re.compile(rb"PING"), lambda m: Ping()),
)
_REPLIES: Final = (
    (re.compile(rb"PONG"), lambda m: Pong()),
    (re.compile(rb"CANCEL (\d+)"), lambda m: Cancel(_transfer(m))),
)


def _transfer(match: re.Match[bytes]) -> int:
    return transfer_number(match[1])


def _word(text: bytes) -> Ending:
    if text.decode() not in ENDINGS:
        raise WireError("not an ending")
    return text.decode()


def write(line: Notice | Reply) -> bytes:
    """The line, its end included."""
    return f"{line}\r\n".encode("ascii")


class _Lines:
    """Cuts bytes into lines."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> None:
        """Bytes came."""
        self._held += data

    def _line(self) -> More | bytes:
        """The next line without its end. Raises WireError."""
        end = self._held.find(b"\r\n", 0, LINE_MOST)
        if end < 0:
            if len(self._held) >= LINE_MOST:
                raise WireError("a notification that is too long")
            return MORE
        line = bytes(self._held[:end])
        del self._held[: end + 2]
        return line


class Notices(_Lines):
    """What the client reads."""

    def next(self) -> More | Notice:
        """The next notice. Raises WireError: nothing that comes after it means anything."""
        line = self._line()
        if line is MORE:
            return MORE
        for pattern, make in _NOTICES:
            if match := pattern.fullmatch(line):
                return make(match)
        raise WireError("not a notice")


class Replies(_Lines):
    """What the proxy reads."""

    def next(self) -> More | Reply:
        """The next reply. Raises WireError: nothing that comes after it means anything."""
        line = self._line()
        if line is MORE:
            return MORE
        for pattern, make in _REPLIES:
            if match := pattern.fullmatch(line):
                return make(match)
        raise WireError("not a reply to a notice")
