"""The first line of a channel and the proxy's answer: bytes ↔ values. Sans-I/O.

    LBP/1 ROLE SESSION CREDENTIAL [transfer=N] CRLF      at most 8,192 bytes
    CODE TEXT CRLF

CREDENTIAL is the token on a terminal or control channel, and the secret of the control's answer on
a data or notification channel. What follows the line belongs to whoever is reached by it.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from ..errors import WireError
from ..terms import MORE, More, Role

LINE_MOST: Final = 8_192
"""Bytes of an opening line with its end: a token of six thousand, and room."""
ANSWER_MOST: Final = 512
"""Bytes of an answer with its end."""
ROLES: Final = ("terminal", "control", "data", "notification")

_PRINTABLE: Final = re.compile(rb"[\x20-\x7e]*")
_VERSION: Final = b"LBP/1 "
_LINE: Final = re.compile(
    rb"LBP/1 (terminal|control|data|notification) ([A-Za-z0-9._-]{1,128}) ([A-Za-z0-9._-]+)"
    rb"((?: [a-z]+=[A-Za-z0-9._-]*)*)"
)
_ANSWER: Final = re.compile(rb"([2-5][0-9]{2}) ([\x20-\x7e]*)")


@attrs.frozen
class Opening:
    """What a client says first."""

    role: Role
    session: str
    credential: str = attrs.field(repr=False)
    transfer: int | None = None
    """The data channel's number; None for the other roles."""

    def __bytes__(self) -> bytes:
        transfer = "" if self.transfer is None else f" transfer={self.transfer}"
        return f"LBP/1 {self.role} {self.session} {self.credential}{transfer}\r\n".encode()


def read(data: bytes) -> More | tuple[Opening, int]:
    """The opening line at the start of everything received so far, and its length.

    Raises WireError as soon as none can come of these bytes.
    """
    if not _VERSION.startswith(data[: len(_VERSION)]):
        raise WireError("another protocol, or another version of it")
    line, length = _line(data, LINE_MOST)
    if line is None:
        return MORE
    match = _LINE.fullmatch(line)
    if match is None:
        raise WireError("not an opening line")
    role, session, credential = (match[group].decode() for group in (1, 2, 3))
    return Opening(role, session, credential, _transfer(role, match[4])), length


def _transfer(role: Role, words: bytes) -> int | None:
    """What is said behind the credential; names that are not known are passed by."""
    pairs = [word.split(b"=", 1) for word in words.split()]
    named = [value for name, value in pairs if name == b"transfer"]
    if len(named) != (role == "data"):
        raise WireError("a data channel names one transfer, the others none")
    if not named:
        return None
    return transfer_number(named[0])


def transfer_number(text: bytes) -> int:
    """A transfer number as lines spell it: what FTP takes for a port above the privileged ones.

    Raises WireError.
    """
    if not re.fullmatch(rb"[1-9][0-9]{3,4}", text) or not 1024 <= int(text) <= 65_535:
        raise WireError("a transfer is a number from 1024 to 65535")
    return int(text)


@attrs.frozen
class Answer:
    """What the proxy says to an opening line."""

    code: int
    text: str

    @property
    def join(self) -> str:
        """The secret that data and notification channels show; empty where none was told."""
        name, _, value = self.text.partition("=")
        return value if name == "join" else ""

    def __bytes__(self) -> bytes:
        return f"{self.code} {self.text}\r\n".encode()


WELCOME: Final = Answer(200, "welcome")
MALFORMED: Final = Answer(400, "malformed")
TOKEN: Final = Answer(401, "token")
DESTINATION: Final = Answer(403, "destination")
SESSION: Final = Answer(404, "session")
ROLE: Final = Answer(409, "role")
LIMIT: Final = Answer(429, "limit")
HOST: Final = Answer(502, "host")
CLOSING: Final = Answer(503, "closing")
HOST_TIMEOUT: Final = Answer(504, "host-timeout")


def read_answer(data: bytes) -> More | tuple[Answer, int]:
    """The answer at the start of everything received so far, and its length. Raises WireError."""
    line, length = _line(data, ANSWER_MOST)
    if line is None:
        return MORE
    match = _ANSWER.fullmatch(line)
    if match is None:
        raise WireError("not an answer to an opening line")
    return Answer(int(match[1]), match[2].decode()), length


def _line(data: bytes, most: int) -> tuple[bytes | None, int]:
    """The first line without its end, and its length with it; None when it has not come yet.

    A byte that no line has is refused when it comes, not at the deadline.
    """
    end = len(_PRINTABLE.match(data, 0, most)[0])  # type: ignore[index]  # matches nothing, too
    rest = data[end : end + 2]
    if rest == b"\r\n" and end + 2 <= most:
        return data[:end], end + 2
    if rest not in (b"", b"\r") or len(data) >= most:
        raise WireError(f"no line of printable ASCII within {most} bytes")
    return None, 0
