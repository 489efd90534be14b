"""Hellos for tests: written down byte by byte, and made by a real TLS client."""

import ssl
from collections.abc import Iterable
from itertools import pairwise

HANDSHAKE = 22


def vector(size: int, value: bytes) -> bytes:
    return len(value).to_bytes(size) + value


def extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2) + vector(2, content)


def server_names(*names: bytes, kind: int = 0) -> bytes:
    return extension(0, vector(2, b"".join(bytes((kind,)) + vector(2, name) for name in names)))


def alpn(*names: bytes) -> bytes:
    return extension(16, vector(2, b"".join(vector(1, name) for name in names)))


def message(
    *extensions: bytes,
    session_id: bytes = b"",
    ciphers: bytes = b"\x13\x01\xc0\x2f",
    compressions: bytes = b"\x00",
    tail: bytes | None = None,
) -> bytes:
    """The handshake message; `tail` replaces the vector of extensions."""
    body = b"\x03\x03" + bytes(range(32)) + vector(1, session_id) + vector(2, ciphers)
    body += vector(1, compressions) + (vector(2, b"".join(extensions)) if tail is None else tail)
    return b"\x01" + vector(3, body)


def record(fragment: bytes, kind: int = HANDSHAKE, minor: int = 1) -> bytes:
    return bytes((kind, 3, minor)) + vector(2, fragment)


def records(whole: bytes, cuts: Iterable[int]) -> bytes:
    """The message in several records, cut at these places."""
    edges = [0, *sorted(cuts), len(whole)]
    return b"".join(record(whole[start:end]) for start, end in pairwise(edges) if end > start)


def hello(*extensions: bytes) -> bytes:
    return record(message(*extensions))


def padded(size: int, *extensions: bytes) -> bytes:
    """A handshake message of exactly `size` bytes, filled by the padding extension (RFC 7685)."""
    missing = size - len(message(*extensions)) - 4
    return message(*extensions, extension(21, bytes(missing)))


def ssl2_hello(
    version: bytes = b"\x03\x01",
    ciphers: bytes = b"\x00\x00\x2f\x01\x00\x80",
    session_id: bytes = b"",
    challenge: bytes = b"c" * 32,
    junk: bytes = b"",
) -> bytes:
    """As Java 6 sends it (T39)."""
    lengths = b"".join(len(each).to_bytes(2) for each in (ciphers, session_id, challenge))
    body = b"\x01" + version + lengths + ciphers + session_id + challenge + junk
    return (0x8000 | len(body)).to_bytes(2) + body


def client_context(highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = highest
    return context


def first_flight(
    context: ssl.SSLContext, name: str | None = None, session: ssl.SSLSession | None = None
) -> bytes:
    """What a real client sends before it hears anything."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name, session=session)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without a server")
