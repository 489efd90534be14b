"""Wire: TLS records → the first handshake message in them; one record; an alert. Sans-I/O.

A ClientHello may be cut by the network anywhere and by the client into records anywhere, even
inside its own header (RFC 8446 section 5.1). Each byte is looked at once as it comes, so that a
client that sends single bytes, or records of one byte, pays as much as we do (attacks 15, 25).

Old Java begins with a hello in the format of SSL 2 that offers TLS (RFC 5246 appendix E.2, T39):
one message in a frame of its own.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..errors import WireError
from ..terms import MORE, More

HELLO_MAX: Final = 5 + 16_384
"""What one record may carry (RFC 8446 section 5.1) and its header. Real hellos take 0.2 to 4 KB
and come in one record; this is also all that is looked at when they come in several."""

CLOSE_NOTIFY: Final = 0
UNEXPECTED_MESSAGE: Final = 10
HANDSHAKE_FAILURE: Final = 40
DECODE_ERROR: Final = 50
PROTOCOL_VERSION: Final = 70
INTERNAL_ERROR: Final = 80
UNRECOGNIZED_NAME: Final = 112
NO_APPLICATION_PROTOCOL: Final = 120

_ALERT, _HANDSHAKE, _CLIENT_HELLO = 21, 22, 1
_FATAL: Final = 2
CONTENT_TYPES: Final = frozenset((20, 21, 22, 23))
"""Types of records (RFC 8446 section 5.1); as characters they control something."""
_FRAGMENT_MAX: Final = 16_384
_CIPHERTEXT_MAX: Final = _FRAGMENT_MAX + 2_048
"""What encryption may make of it (RFC 5246 section 6.2.3)."""
_SSL2_MIN: Final = 9
"""Type, version, three lengths."""


class NotTls(WireError):
    """The first bytes are no TLS at all: the peer would not understand an alert."""


@attrs.frozen
class Message:
    """The body of a hello, without the headers around it."""

    body: bytes
    ssl2: bool = False
    """It has the fields of SSL 2's CLIENT-HELLO."""


def alert(description: int) -> bytes:
    """A fatal alert (RFC 8446 section 6), in the record version that every client since TLS 1.0
    reads while none is agreed."""
    return bytes((_ALERT, 3, 1, 0, 2, _FATAL, description))


def first_record(data: bytes | bytearray) -> More | bytes:
    """The record that these bytes begin with; empty: they begin with something else.

    Raises WireError for one that is too long.
    """
    if not data:
        return MORE
    if data[0] not in CONTENT_TYPES:
        return b""
    size = 5 + int.from_bytes(data[3:5])
    if size > 5 + _CIPHERTEXT_MAX:
        raise WireError("TLS: a record that is too long")
    return bytes(data[:size]) if len(data) >= max(5, size) else MORE


@attrs.define
class HelloCollector:
    """Takes what arrives, in any pieces, until the first handshake message is whole."""

    _ssl2: bool = False
    _seen: int = 0
    """Bytes taken of the wire, at most HELLO_MAX."""
    _header: bytearray = attrs.field(factory=bytearray)
    """The header of the record (in SSL 2, of the frame) as far as it has come."""
    _left: int = 0
    """Bytes still to come of the record whose header is whole."""
    _message: bytearray = attrs.field(factory=bytearray)
    """The records' contents so far."""
    _needed: int | None = None
    """Size of the whole message, as soon as it has told."""

    def take(self, data: bytes) -> More | Message:
        """The message as soon as its last byte is here; what follows it is not looked at.

        Raises WireError, or NotTls, as soon as no hello can come of what was taken.
        """
        at = 0
        while at < len(data):
            taken = self._take_some(data, at)
            at += taken
            self._seen += taken
            if self._needed is not None and len(self._message) >= self._needed:
                skip = 1 if self._ssl2 else 4
                return Message(bytes(self._message[skip : self._needed]), self._ssl2)
            if self._seen >= HELLO_MAX:
                raise WireError(f"TLS: no whole hello within {HELLO_MAX} bytes")
        return MORE

    def _take_some(self, data: bytes, at: int) -> int:
        """One byte of a header or all there is of a fragment; returns how many bytes it was."""
        if self._left:
            fragment = data[at : at + min(self._left, HELLO_MAX - self._seen)]
            self._left -= len(fragment)
            self._message += fragment
            self._measure()
            return len(fragment)
        if not self._seen:
            self._ssl2 = data[at] & 0x80 != 0
        self._header.append(data[at])
        length = _frame_length(self._header) if self._ssl2 else self._record_length()
        if length:
            self._left = length
            self._header.clear()
        return 1

    def _record_length(self) -> int | None:
        """Of the record; None while its header is not whole."""
        header = self._header
        if header[0] != _HANDSHAKE or (len(header) > 1 and header[1] != 3):
            first = not self._message
            raise (NotTls if first else WireError)("TLS: not the record of a handshake")
        if len(header) < 5:
            return None
        length = int.from_bytes(header[3:])
        if not 0 < length <= _FRAGMENT_MAX:
            raise WireError("TLS: a record that is empty or too long")
        return length

    def _measure(self) -> None:
        """Learn from the message's first bytes what it is and how long."""
        message = self._message
        if self._ssl2:
            if message[0] != _CLIENT_HELLO or (len(message) > 1 and message[1] not in (0, 3)):
                raise NotTls("SSL 2: not a hello")
            self._needed = len(message) + self._left
        elif message[0] != _CLIENT_HELLO:
            raise WireError("TLS: not a hello")
        elif self._needed is None and len(message) >= 4:
            self._needed = 4 + int.from_bytes(message[1:4])
            if self._needed > _FRAGMENT_MAX:
                raise WireError("TLS: a hello that is too long")


def _frame_length(header: bytearray) -> int | None:
    """Of an SSL 2 frame; None while its header is not whole."""
    if len(header) < 2:
        return None
    length = int.from_bytes(header) & 0x7FFF
    if not _SSL2_MIN <= length <= _FRAGMENT_MAX:
        raise NotTls("SSL 2: not a hello")
    return length
