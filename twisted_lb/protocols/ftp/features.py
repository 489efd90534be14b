"""A server's answer to FEAT (RFC 2389 section 3.2) → what is true through us (T35) and what the
operator wants of it (T38). Sans-I/O.

In: the reply's lines as they come. Out: the lines for the client; none is held back.
"""

from __future__ import annotations

from typing import Final

from ...config.settings import Features
from ...wire.ftp import ReplyLine
from .verbs import OUR_FEATURES, UNTRUE_FEATURES

_COMMANDS: Final = {"MLST": (b"MLST", b"MLSD")}
"""Features whose commands are not just called as they are (RFC 3659 section 7.8)."""
_OBLIGATORY: Final = frozenset({b"MODE", b"REST"})
"""Commands of RFC 959, of which a feature says only how much of them there is."""


def dropped(features: Features) -> frozenset[bytes]:
    """The commands that go with the features that are dropped."""
    verbs = (_COMMANDS.get(name, (name.encode(),)) for name in features.drop)
    return frozenset(verb for several in verbs for verb in several) - _OBLIGATORY


class FeatureList:
    """One reply to FEAT."""

    def __init__(self, features: Features, tls: tuple[bytes, ...] = ()) -> None:
        self._accept = frozenset(name.encode() for name in features.accept)
        self._drop = frozenset(name.encode() for name in features.drop)
        inserted = [line.encode() for line in features.insert]
        names = {_name(line) for line in inserted}
        ours = [line for line in (*OUR_FEATURES, *tls) if self._fits(_name(line))]
        self._missing = [*(line for line in ours if _name(line) not in names), *inserted]

    def take(self, line: ReplyLine) -> list[bytes]:
        """What the client gets for this line."""
        if line.code != 211:
            return [line.line]
        if line.opens and line.final:  # "211 No features": there may be some
            rest = self._rest()
            return [b"211-Features:", *rest, b"211 End"] if rest else [line.line]
        if line.final:
            return [*self._rest(), line.line]
        if line.opens:
            return [line.line]
        return self._feature(line.line)

    def _feature(self, text: bytes) -> list[bytes]:
        name = _name(text.removeprefix(b"211-"))
        if name in UNTRUE_FEATURES or (name and not self._fits(name)):
            return []
        self._missing = [line for line in self._missing if _name(line) != name]
        return [text]

    def _fits(self, name: bytes) -> bool:
        return name not in self._drop and (not self._accept or name in self._accept)

    def _rest(self) -> list[bytes]:
        return [b" " + line for line in self._missing]


def _name(line: bytes) -> bytes:
    words = line.replace(b";", b" ").split(None, 1)
    return words[0].upper() if words else b""
