"""Wire: the first flight of a TLS server → what a later connection may show to resume its session.
Sans-I/O.

Up to TLS 1.2 the session id stands in the ServerHello (RFC 5246 section 7.4.1.3) and a ticket in a
NewSessionTicket (RFC 5077 section 3.3), both before the server's ChangeCipherSpec, in clear. Under
TLS 1.3 tickets come encrypted and the id is the client's own, echoed: there is nothing to learn.

An id that the client chose itself says nothing either, whoever echoes it: servers that resume by a
ticket do (RFC 5077 section 3.4), and a client might choose somebody else's. What it showed is its
own when the server resumed by it and then spoke: it has seen by then that the client has the key.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

SEEN_MOST: Final = 65_536
"""Bytes of a server that are looked at; certificates of long chains take some ten thousand."""

_CHANGE_CIPHER_SPEC, _HANDSHAKE, _DATA = 20, 22, 23
_SERVER_HELLO, _NEW_SESSION_TICKET = 2, 4
_SUPPORTED_VERSIONS: Final = 43
_ID_AT: Final = 4 + 2 + 32
"""Where the session id's length stands in a ServerHello: behind header, version and random."""


def tls_session_key(given: bytes) -> str:
    """A session id or a whole ticket as a key; the beginning of a ticket is its server's name."""
    return sha256(given).hexdigest()


class ServerFlight:
    """Reads what a server says as it comes. `offered`: the session id in the ClientHello; `shown`:
    the key that this made, or the ticket beside it; empty without."""

    def __init__(self, offered: bytes, shown: str = "") -> None:
        self.done = False
        """Nothing is to be learned any more."""
        self._offered = offered
        self._shown = shown
        self._full = False
        """The server said more than resumption needs, such as a certificate or, where suites have
        none, the end of its hello: the handshake is a full one (RFC 5246 section 7.3)."""
        self._resumed = False
        """It has changed to the keys of an older session."""
        self._seen = 0
        self._record = bytearray()
        """The record that is not whole yet."""
        self._messages = bytearray()
        """Handshake messages, the last of which may not be whole yet."""

    def take(self, data: bytes) -> list[str]:
        """The keys that this brought. What is no TLS ends the looking, not the connection."""
        if self.done:
            return []
        self._seen += len(data)
        self._record += data
        learned: list[str] = []
        while not self.done and len(self._record) >= 5:
            length = 5 + int.from_bytes(self._record[3:5])
            if self._record[1] != 3:
                self._finish()
                break
            if len(self._record) < length:
                break
            kind, fragment = self._record[0], bytes(self._record[5:length])
            del self._record[:length]
            learned += self._read_record(kind, fragment)
        if self._seen > SEEN_MOST:
            self._finish()
        return learned

    def _read_record(self, kind: int, fragment: bytes) -> list[str]:
        if kind == _HANDSHAKE and not self._resumed:
            self._messages += fragment
            return self._read_messages()
        if kind == _CHANGE_CIPHER_SPEC and self._shown and not self._full:
            self._resumed = True
        elif kind != _HANDSHAKE:
            self._finish()
            if kind == _DATA and self._resumed:
                return [self._shown]
        return []

    def _read_messages(self) -> list[str]:
        learned: list[str] = []
        messages = self._messages
        while not self.done and len(messages) >= 4:
            length = 4 + int.from_bytes(messages[1:4])
            if len(messages) < length:
                break
            kind, message = messages[0], bytes(messages[:length])
            del messages[:length]
            if kind == _SERVER_HELLO:
                learned += self._read_hello(message)
            elif kind == _NEW_SESSION_TICKET:
                ticket = message[10 : 10 + int.from_bytes(message[8:10])]
                learned += [tls_session_key(ticket)] if ticket else []
            else:
                self._full = True
        return learned

    def _read_hello(self, message: bytes) -> list[str]:
        if len(message) <= _ID_AT:
            self._finish()
            return []
        given = message[_ID_AT + 1 : _ID_AT + 1 + message[_ID_AT]]
        if _names_versions(message[_ID_AT + 1 + len(given) :]):
            self._finish()
            return []
        return [tls_session_key(given)] if given and given != self._offered else []

    def _finish(self) -> None:
        self.done = True
        self._record.clear()
        self._messages.clear()


def _names_versions(rest: bytes) -> bool:
    """Whether a ServerHello's extensions say which version was chosen: TLS 1.3 does."""
    at = 2 + 1 + 2
    while at + 4 <= len(rest):
        kind, length = int.from_bytes(rest[at : at + 2]), int.from_bytes(rest[at + 2 : at + 4])
        if kind == _SUPPORTED_VERSIONS:
            return True
        at += 4 + length
    return False
