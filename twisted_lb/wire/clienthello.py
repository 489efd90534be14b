"""Wire: the first bytes of a TLS client → ClientHello: what it shows without being decrypted.
Sans-I/O.

RFC 8446 section 4.1.2 and RFC 5246 section 7.4.1.2. Nothing here judges what the client offers:
versions and ciphers are the server's business. Only the form is held strictly, since a balancer
and a server that read one hello differently are a hole between them. `docs/protocols/
tls-pass-through.md` says which extension is read how.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

import attrs

from ..errors import WireError
from ..terms import MORE, More
from .tlsrecord import HelloCollector, Message

SERVER_NAME: Final = 0
ALPN: Final = 16
SESSION_TICKET: Final = 35
PRE_SHARED_KEY: Final = 41
SUPPORTED_VERSIONS: Final = 43

_HOST_NAME: Final = 0
_NAME_MAX: Final = 255
_NAME: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
"""Letters, digits, hyphen, and the underscore that some hosts have; no wildcard, nothing that
would have to be escaped in a log."""


@attrs.frozen
class ClientHello:
    """What the client shows. Everything in it is the client's word, true or not."""

    legacy_version: int
    """The highest version it offers, when it sends no list; 0x0303 is TLS 1.2."""
    server_name: str | None = None
    """Lower case, without a trailing dot; None also for an IP address, which is no name (RFC
    6066 section 3). With encrypted client hello it is the outer, public name."""
    alpn: tuple[bytes, ...] = ()
    session_id: bytes = b""
    ticket: bytes | None = None
    """RFC 5077; empty when it asks for a ticket and has none, None when it wants none."""
    psk_identities: tuple[bytes, ...] = ()
    versions: tuple[int, ...] = ()
    """Its list of versions without GREASE (RFC 8701); empty when it sends none, before TLS 1.3."""


@attrs.define
class HelloReader:
    """Reads a hello as it arrives; the cost of a byte does not depend on how it is cut."""

    _collector: HelloCollector = attrs.field(factory=HelloCollector)

    def take(self, data: bytes) -> More | ClientHello:
        """`data` is what newly arrived. Raises WireError, or NotTls; not used again after."""
        message = self._collector.take(data)
        if message is MORE:
            return MORE
        return _read_ssl2(message) if message.ssl2 else _read_hello(message)


def read_hello(data: bytes) -> More | ClientHello:
    """Read the hello at the start of `data`, which is everything received so far.

    Raises WireError, or NotTls. Byte by byte a HelloReader is cheaper.
    """
    return HelloReader().take(data)


@attrs.define
class _Fields:
    """Reads a structure from front to back; what does not fit is a WireError."""

    _data: bytes
    _at: int = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        start, self._at = self._at, self._at + size
        if self._at > len(self._data):
            raise WireError("TLS: a length that points past its structure")
        return self._data[start : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int, least: int = 0) -> bytes:
        """A value behind its length of `size` bytes, at least `least` long."""
        value = self.take(self.number(size))
        if len(value) < least:
            raise WireError("TLS: a value that is too short")
        return value

    def vectors(self, size: int) -> Iterator[bytes]:
        """All that is left, as values that are not empty, each behind its length."""
        while self:
            yield self.vector(size, least=1)

    def end(self) -> None:
        if self:
            raise WireError("TLS: bytes behind the end of a structure")


def _read_hello(message: Message) -> ClientHello:
    fields = _Fields(message.body)
    version = fields.number(2)
    fields.take(32)
    session_id = fields.vector(1)
    ciphers = fields.vector(2, least=2)
    fields.vector(1, least=1)
    if len(session_id) > 32 or len(ciphers) % 2:
        raise WireError("TLS: session id or ciphers of a wrong length")
    # A hello of SSL 3 or TLS 1.0 may end here.
    extensions = _read_extensions(fields.vector(2)) if fields else {}
    fields.end()
    return ClientHello(
        legacy_version=version,
        server_name=_read_server_name(extensions.get(SERVER_NAME)),
        alpn=_read_alpn(extensions.get(ALPN)),
        session_id=session_id,
        ticket=extensions.get(SESSION_TICKET),
        psk_identities=_read_identities(extensions.get(PRE_SHARED_KEY)),
        versions=_read_versions(extensions.get(SUPPORTED_VERSIONS)),
    )


def _read_extensions(data: bytes) -> dict[int, bytes]:
    """Type → content. GREASE and what we do not know is skipped by nobody asking for it."""
    fields, extensions = _Fields(data), dict[int, bytes]()
    while fields:
        kind = fields.number(2)
        if kind in extensions:
            raise WireError("TLS: an extension twice")
        extensions[kind] = fields.vector(2)
    return extensions


def _read_server_name(data: bytes | None) -> str | None:
    """RFC 6066 section 3. Two host names are refused: the server might go by the other one."""
    if data is None:
        return None
    outer = _Fields(data)
    names, host_names = _Fields(outer.vector(2, least=1)), list[bytes]()
    outer.end()
    while names:
        kind, name = names.number(1), names.vector(2, least=1)
        if kind == _HOST_NAME:
            host_names.append(name)
    if len(host_names) > 1:
        raise WireError("TLS: two server names")
    return _normal_name(host_names[0]) if host_names else None


def _normal_name(raw: bytes) -> str | None:
    """The name as it is compared and logged; None for an IP address."""
    name = raw.decode("ascii", "replace").lower().removesuffix(".")
    if _is_address(name):
        return None
    if len(name) > _NAME_MAX or not _NAME.fullmatch(name):
        raise WireError("TLS: a server name that is no host name")
    return name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _read_alpn(data: bytes | None) -> tuple[bytes, ...]:
    """RFC 7301 section 3.1."""
    if data is None:
        return ()
    outer = _Fields(data)
    names = tuple(_Fields(outer.vector(2, least=2)).vectors(1))
    outer.end()
    return names


def _read_identities(data: bytes | None) -> tuple[bytes, ...]:
    """RFC 8446 section 4.2.11, without the ages; the binders behind are the server's to check."""
    if data is None:
        return ()
    fields, identities = _Fields(_Fields(data).vector(2, least=7)), list[bytes]()
    while fields:
        identities.append(fields.vector(2, least=1))
        fields.take(4)
    return tuple(identities)


def _read_versions(data: bytes | None) -> tuple[int, ...]:
    """RFC 8446 section 4.2.1."""
    if data is None:
        return ()
    outer = _Fields(data)
    fields = _Fields(outer.vector(1, least=2))
    outer.end()
    versions = list[int]()
    while fields:
        versions.append(fields.number(2))
    return tuple(version for version in versions if not _is_grease(version))


def _is_grease(version: int) -> bool:
    """RFC 8701 section 2: 0x0A0A, 0x1A1A … 0xFAFA."""
    return version & 0x0F0F == 0x0A0A and version >> 8 == version & 0xFF


def _read_ssl2(message: Message) -> ClientHello:
    """RFC 5246 appendix E.2; it has no extensions, hence no name."""
    fields = _Fields(message.body)
    version = fields.number(2)
    ciphers, session_id, challenge = (fields.number(2) for _ in range(3))
    if ciphers % 3 or not ciphers or session_id > 32 or not 16 <= challenge <= 32:
        raise WireError("SSL 2: a hello with wrong lengths")
    fields.take(ciphers)
    hello = ClientHello(legacy_version=version, session_id=fields.take(session_id))
    fields.take(challenge)
    fields.end()
    return hello
