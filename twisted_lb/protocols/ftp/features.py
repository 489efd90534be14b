"""A server's answer to FEAT (RFC 2389 section 3.2) → what is true through us (T35). Sans-I/O.

In: the reply's lines as they come. Out: the lines for the client; none is held back.
"""

from __future__ import annotations

from ...wire.ftp import ReplyLine
from .verbs import OUR_FEATURES, UNTRUE_FEATURES


class FeatureList:
    """One reply to FEAT."""

    def __init__(self) -> None:
        self._missing = list(OUR_FEATURES)

    def take(self, line: ReplyLine) -> list[bytes]:
        """What the client gets for this line."""
        if line.code != 211:
            return [line.line]
        if line.opens and line.final:  # "211 No features": there are some
            return [b"211-Features:", *self._rest(), b"211 End"]
        if line.final:
            return [*self._rest(), line.line]
        if line.opens:
            return [line.line]
        return self._feature(line.line)

    def _feature(self, text: bytes) -> list[bytes]:
        words = text.removeprefix(b"211-").replace(b";", b" ").split(None, 1)
        name = words[0].upper() if words else b""
        if name in UNTRUE_FEATURES:
            return []
        if name in self._missing:
            self._missing.remove(name)
        return [text]

    def _rest(self) -> list[bytes]:
        return [b" " + name for name in self._missing]
