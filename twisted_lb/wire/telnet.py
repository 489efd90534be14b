"""Wire: FTP's control bytes as a client sends them → the same without Telnet's commands. Sans-I/O.

RFC 959 section 4.1.3 lets a client put Telnet's Interrupt Process and Synch before ABOR, and
RFC 854 options may turn up on any control connection. Nobody answers them: they are dropped.

- IAC IP, IAC WILL/WONT/DO/DONT and its option, IAC SB … IAC SE: dropped.
- IAC DM: left for who reads the lines: it says that the command behind it is urgent (a Synch).
- IAC IAC: left doubled, as RFC 2640 paths carry it (T57).
- IAC and anything else: left as it is; in Latin-1 it is a letter of somebody's file name.
"""

from __future__ import annotations

import re
from typing import Final

SUBNEGOTIATION_MOST: Final = 8192
"""Bytes from after IAC SB to IAC SE. Beyond, a NUL is left in its place, so that the line which it
stands in is refused, and what follows is ordinary again (attack 9)."""

_IAC: Final = b"\xff"
_SB: Final = b"\xff\xfa"
_SE: Final = b"\xff\xf0"
_BEFORE_SB: Final = re.compile(
    rb"(?:[^\xff]++|\xff[\xfb-\xfe][\x00-\xff]|\xff[^\xfa-\xfe])*+"  # whole sequences only
)
_BEFORE_SE: Final = re.compile(rb"(?:[^\xff]++|\xff[^\xf0])*+")
_DROPPED: Final = re.compile(
    rb"((?:\xff[^\xf4\xfa-\xfe])++)"  # doubled, a letter, or DM: kept
    rb"|\xff\xf4"  # IP
    rb"|\xff[\xfb-\xfe][\x00-\xff]"  # WILL, WONT, DO, DONT
)


class TelnetFilter:
    """Takes bytes as they come, gives what is left of them; remembers two bytes at most."""

    __slots__ = ("_inside", "_tail")

    def __init__(self) -> None:
        self._tail = b""
        """The beginning of a sequence, seen at the end of a segment."""
        self._inside: int | None = None
        """How long the subnegotiation under way is; None outside."""

    def take(self, data: bytes) -> bytes:
        """What is left of `data`, whatever the segments it came in."""
        if self._inside is None and not self._tail and _IAC not in data:
            return data
        data, self._tail = self._tail + data, b""
        left = bytearray()
        at = 0
        while at < len(data):
            at = (self._text if self._inside is None else self._subnegotiation)(data, at, left)
        return bytes(left)

    def _text(self, data: bytes, at: int, left: bytearray) -> int:
        """Up to the next subnegotiation, or to the last whole sequence; where to go on."""
        match = _BEFORE_SB.match(data, at)
        assert match is not None, "it matches nothing too"
        left += _DROPPED.sub(rb"\1", match[0])
        if data.startswith(_SB, match.end()):
            self._inside = 0
            return match.end() + len(_SB)
        self._tail = data[match.end() :]
        return len(data)

    def _subnegotiation(self, data: bytes, at: int, left: bytearray) -> int:
        """Past its end, or past the cap; where to go on."""
        assert self._inside is not None, "called inside"
        stop = at + SUBNEGOTIATION_MOST - self._inside
        match = _BEFORE_SE.match(data, at, stop)
        assert match is not None, "it matches nothing too"
        end = match.end()
        if data.startswith(_SE, end, stop):
            self._inside = None
            return end + len(_SE)
        if stop <= len(data):
            left += b"\0"
            self._inside = None
            return stop
        self._inside += end - at
        self._tail = data[end:]
        return len(data)
