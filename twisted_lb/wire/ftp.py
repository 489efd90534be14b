"""Wire: FTP's control bytes → commands and reply lines (RFC 959 sections 4 and 5.3). Sans-I/O.

A reader is given bytes as they come and asked for one line at a time: what was not asked for yet
stays bytes, so that a flood of short lines costs what it weighs. `held` says how much that is.
"""

from __future__ import annotations

import enum
import re
from typing import Final

import attrs

from ..errors import WireError
from ..terms import MORE, More
from .telnet import TelnetFilter

COMMAND_MOST: Final = 8192
"""Bytes of a command without its line end: a path of PATH_MAX, every byte doubled."""
REPLY_LINE_MOST: Final = 65_536
"""Bytes of one reply line without its line end. More is not a server, or not ours (attack 22)."""

_LINE_FEED: Final = b"\n"
_DATA_MARK: Final = b"\xff\xf2"
_DATA_MARKS: Final = re.compile(rb"((?:\xff[^\xf2])++)|\xff\xf2")
_TELNET: Final = bytes(range(0xF0, 0x100))
"""What may be left before a verb when a Telnet Synch was sent as urgent data, byte by byte."""
_FORBIDDEN: Final = re.compile(rb"[\0\r]")
_REPLY: Final = re.compile(rb"([0-9]{3})(?:([ -])|$)")


class Fault(enum.Enum):
    """A line that is no command; it is answered, never passed on (attack 8)."""

    TOO_LONG = "too long"
    """More than COMMAND_MOST bytes; all of it up to the next line end is skipped."""
    FORBIDDEN = "forbidden"
    """A NUL or a bare CR within, or a bare LF as its end where that is not tolerated."""


@attrs.frozen
class Command:
    """One command line. It may be a password: it is not shown by repr()."""

    verb: bytes
    """In capitals; empty when the line begins with no verb."""
    line: bytes = attrs.field(repr=False)
    """As it came, without its line end."""
    synch: bool = False
    """Whether the client sent Telnet's Synch before it: it is to be heard at once (T14)."""

    @property
    def argument(self) -> bytes:
        """What follows the verb and one blank."""
        return self.line[len(self.verb) + 1 :]


@attrs.frozen
class ReplyLine:
    """One line of a server's reply."""

    code: int
    """Of the reply that the line is part of; 0 for a line that is part of none."""
    line: bytes
    """As it came, without its line end."""
    opens: bool
    """Whether it is the first line of its reply."""
    final: bool
    """Whether it is the last; a reply of one line opens and is final."""


def _verb(line: bytes) -> bytes:
    """Whatever a server may take for the verb: servers split at any white space."""
    words = line.split(None, 1)
    return words[0].upper() if words and line[:1] == words[0][:1] else b""


def _command(line: bytes) -> Command:
    """A line without what Telnet's Synch has left in it."""
    if not line.isascii():
        rest = line.lstrip(_TELNET)
        synch = _DATA_MARK in line[: len(line) - len(rest)]
        line = _DATA_MARKS.sub(rb"\1", rest)
        return Command(_verb(line), line, synch)
    return Command(_verb(line), line)


class CommandReader:
    """A client's control bytes, read one command at a time."""

    def __init__(self, bare_lf: bool = True) -> None:
        self._bare_lf = bare_lf
        self._telnet = TelnetFilter()
        self._held = bytearray()
        self._scanned = 0
        self._skipping = False

    @property
    def held(self) -> int:
        """Bytes given and not asked for yet."""
        return len(self._held)

    def feed(self, data: bytes) -> None:
        """Bytes came."""
        self._held += self._telnet.take(data)

    def next(self) -> Command | Fault | More:
        """The next command. A line that is too long is told as soon as that is certain."""
        while True:
            end = self._held.find(_LINE_FEED, self._scanned)
            if end < 0:
                return self._unfinished()
            line = bytes(self._held[:end])
            del self._held[: end + 1]
            self._scanned = 0
            if not self._skipping:
                return self._read(line)
            self._skipping = False

    def _unfinished(self) -> Fault | More:
        self._scanned = len(self._held)
        too_long = self._scanned > COMMAND_MOST + 1
        if self._skipping or too_long:
            self._held.clear()
            self._scanned = 0
        if too_long and not self._skipping:
            self._skipping = True
            return Fault.TOO_LONG
        return MORE

    def _read(self, line: bytes) -> Command | Fault:
        ended_well = line.endswith(b"\r")
        if ended_well:
            line = line[:-1]
        if len(line) > COMMAND_MOST:
            return Fault.TOO_LONG
        if _FORBIDDEN.search(line) or not (ended_well or self._bare_lf):
            return Fault.FORBIDDEN
        return _command(line)


class ReplyReader:
    """A server's control bytes, read one reply line at a time."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._scanned = 0
        self._open = b""

    @property
    def held(self) -> int:
        """Bytes given and not asked for yet."""
        return len(self._held)

    @property
    def inside(self) -> int:
        """The code of the reply whose last line has not been asked for; 0 between replies."""
        return int(self._open or b"0")

    def feed(self, data: bytes) -> None:
        """Bytes came."""
        self._held += data

    def finish(self) -> None:
        """No more will come: what is held after the last line end counts as a line."""
        if self._held and not self._held.endswith(_LINE_FEED):
            self._held += _LINE_FEED

    def next(self) -> ReplyLine | More:
        """The next line. Raises WireError when it is too long."""
        end = self._held.find(_LINE_FEED, self._scanned)
        if end < 0:
            self._scanned = len(self._held)
            if self._scanned > REPLY_LINE_MOST + 1:
                raise WireError("a reply line does not end")
            return MORE
        line = bytes(self._held[:end]).removesuffix(b"\r")
        if len(line) > REPLY_LINE_MOST:
            raise WireError("a reply line is too long")
        del self._held[: end + 1]
        self._scanned = 0
        return self._read(line)

    def _read(self, line: bytes) -> ReplyLine:
        begins = _REPLY.match(line)
        if self._open:
            code = self._open
            final = line.startswith(code + b" ")
            if final:
                self._open = b""
            return ReplyLine(int(code), line, False, final)
        if begins is None:
            return ReplyLine(0, line, False, False)
        code = begins[1]
        if begins[2] == b"-":
            self._open = code
            return ReplyLine(int(code), line, True, False)
        return ReplyLine(int(code), line, True, True)
