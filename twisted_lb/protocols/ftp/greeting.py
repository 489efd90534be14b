"""A server's first words → does it serve us? RFC 959 section 5.4: 120, 220 or 421. Sans-I/O.

In: the bytes of the server's control connection, before any other reads them. Out: READY, REFUSED
or MORE. The bytes stay with whoever holds them: all of them are the conversation's (T21).
"""

from __future__ import annotations

from typing import Final

from ...errors import WireError
from ...terms import MORE, More
from ...wire.ftp import ReplyReader

READY: Final = True
REFUSED: Final = False

GREETING_MOST: Final = 65_536
"""Bytes of a whole greeting: long banners are a page, not a book."""


class Greeting:
    """The judge of one server's greeting."""

    def __init__(self) -> None:
        self._reader = ReplyReader()
        self._taken = 0
        self._patience = False
        self.complete = False
        """Whether it refused with a whole reply: a client may be told that (T21)."""

    def take(self, data: bytes) -> More | bool:
        """Newly arrived bytes. 120 is no verdict: its successor is waited for."""
        self._taken += len(data)
        self._reader.feed(data)
        try:
            while (line := self._reader.next()) is not MORE:
                if line.final and line.code // 100 == 1:
                    self._patience = True
                elif line.final or line.code == 0:
                    self.complete = line.final and line.code // 100 in (4, 5)
                    return READY if line.code // 100 == 2 else REFUSED
        except WireError:
            return REFUSED
        return MORE if self._taken <= GREETING_MOST else REFUSED

    def silence(self) -> bool:
        """The deadline came. A server that said 120 has promised to serve: it may be waited for."""
        return self._patience
