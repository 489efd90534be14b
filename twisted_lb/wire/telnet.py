"""Wire: FTP's control bytes as a client sends them → the same without Telnet's commands. Sans-I/O.

RFC 959 section 4.1.3 lets a client put Telnet's Interrupt Process and Synch before ABOR, and
RFC 854 options may turn up on any control connection. Nobody answers them: they are dropped.

- IAC IP and IAC DM, IAC WILL/WONT/DO/DONT and its option, IAC SB … IAC SE: dropped.
- IAC IAC: left doubled, as RFC 2640 paths carry it (T57).
- IAC and anything else: left as it is; in Latin-1 it is a letter of somebody's file name.
"""

from __future__ import annotations

import enum
import re
from typing import Final

SUBNEGOTIATION_MOST: Final = 8192
"""Bytes between IAC SB and IAC SE. Beyond, a NUL is left in its place, so that the line which it
stands in is refused, and what follows is ordinary again (attack 9)."""

_IAC: Final = 0xFF
_SB: Final = 0xFA
_SE: Final = 0xF0
_ALONE: Final = frozenset({0xF2, 0xF4})
"""DM and IP."""
_WITH_OPTION: Final = frozenset({0xFB, 0xFC, 0xFD, 0xFE})
"""WILL, WONT, DO, DONT."""
_RUN: Final = re.compile(rb"\xff+")


class _State(enum.Enum):
    TEXT = enum.auto()
    """Ordinary bytes."""
    IAC = enum.auto()
    """After IAC."""
    OPTION = enum.auto()
    """After IAC WILL, WONT, DO, DONT."""
    INSIDE = enum.auto()
    """After IAC SB."""
    INSIDE_IAC = enum.auto()
    """After IAC SB … IAC."""


class TelnetFilter:
    """Takes bytes as they come, gives what is left of them; remembers a few bytes at most."""

    __slots__ = ("_inside", "_state")

    def __init__(self) -> None:
        self._state = _State.TEXT
        self._inside = 0

    def take(self, data: bytes) -> bytes:
        """What is left of `data`, whatever the segments it came in."""
        if self._state is _State.TEXT and _IAC not in data:
            return data
        left = bytearray()
        at = 0
        while at < len(data):
            if self._state is _State.TEXT:
                at = self._text(data, at, left)
            elif self._state is _State.INSIDE:
                at = self._subnegotiation(data, at, left)
            else:
                self._after(data[at], left)
                at += 1
        return bytes(left)

    def _text(self, data: bytes, at: int, left: bytearray) -> int:
        """Up to and with the next IAC that is not doubled."""
        for run in _RUN.finditer(data, at):
            if (run.end() - run.start()) % 2:
                left += data[at : run.end() - 1]
                self._state = _State.IAC
                return run.end()
        left += data[at:]
        return len(data)

    def _subnegotiation(self, data: bytes, at: int, left: bytearray) -> int:
        """Up to and with the next IAC inside, or to the cap."""
        stop = at + SUBNEGOTIATION_MOST - self._inside
        found = data.find(_IAC, at, stop)
        if found >= 0:
            self._state = _State.INSIDE_IAC
            self._inside += found + 1 - at
            return found + 1
        self._inside += min(stop, len(data)) - at
        if self._inside >= SUBNEGOTIATION_MOST:
            left += b"\0"
            self._state = _State.TEXT
        return min(stop, len(data))

    def _after(self, byte: int, left: bytearray) -> None:
        """One byte after IAC, an option verb, or an IAC inside a subnegotiation."""
        before, self._state = self._state, _State.TEXT
        if before is _State.INSIDE_IAC:
            if byte != _SE:
                self._inside += 1
                self._state = _State.INSIDE
        elif before is _State.IAC:
            self._command(byte, left)

    def _command(self, byte: int, left: bytearray) -> None:
        if byte in _WITH_OPTION:
            self._state = _State.OPTION
        elif byte == _SB:
            self._state = _State.INSIDE
            self._inside = 0
        elif byte not in _ALONE:
            left += bytes((_IAC, byte))
