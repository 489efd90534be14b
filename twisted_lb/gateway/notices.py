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

LINE_MOST: Final = 128


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

_NUMBER: Final = r"([1-9][0-9]{3,4})"
_NOTICES: Final = (
    (re.compile(rf"TRANSFER {_NUMBER} passive-ready"), lambda m: Ready(int(m[1]))),
    (re.compile(rf"TRANSFER {_NUMBER} host-connected"), lambda m: HostConnected(int(m[1]))),
    (re.compile(rf"TRANSFER {_NUMBER} failed ([a-z-]+)"), lambda m: Failed(int(m[1]), _word(m[2]))),
    (
        re.compile(rf"TRANSFER {_NUMBER} ended (0|[1-9][0-9]{{0,18}})"),
        lambda m: TransferOver(int(m[1]), int(m[2])),
    ),
    (re.compile(r"SESSION closing ([a-z-]+)"), lambda m: Closing(_word(m[1]))),
    (re.compile(r"PING"), lambda m: Ping()),
)
_REPLIES: Final = (
    (re.compile(r"PONG"), lambda m: Pong()),
    (re.compile(rf"CANCEL {_NUMBER}"), lambda m: Cancel(int(m[1]))),
)


def _word(text: str) -> Ending:
    if text not in ENDINGS:
        raise WireError(f"{text!r} is no ending")
    return text


def write(line: Notice | Reply) -> bytes:
    """The line with its end."""
    return f"{line}\r\n".encode("ascii")


class _Lines:
    """Cuts bytes into lines."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> None:
        """Bytes came."""
        self._held += data

    def _line(self) -> More | str:
        """The next line without its end. Raises WireError."""
        end = self._held.find(b"\r\n", 0, LINE_MOST)
        if end < 0:
            if len(self._held) >= LINE_MOST:
                raise WireError("a notification that is too long")
            return MORE
        line, self._held = self._held[:end], self._held[end + 2 :]
        try:
            return line.decode("ascii")
        except UnicodeDecodeError:
            raise WireError("a notification that is not ASCII") from None


class Notices(_Lines):
    """What the client reads."""

    def next(self) -> More | Notice:
        """The next notice. Raises WireError."""
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
        """The next reply. Raises WireError."""
        line = self._line()
        if line is MORE:
            return MORE
        for pattern, make in _REPLIES:
            if match := pattern.fullmatch(line):
                return make(match)
        raise WireError("not a reply to a notice")
