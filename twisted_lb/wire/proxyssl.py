"""Wire: the SSL value of a PROXY v2 header: what TLS showed of a client ↔ bytes. Sans-I/O.

`doc/proxy-protocol.txt` section 2.2.6: flags of the client, whether its certificate was verified,
and values within the value: version, common name, cipher, the certificate itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from ..errors import WireError

VERSION: Final = 0x21
COMMON_NAME: Final = 0x22
CIPHER: Final = 0x23
CLIENT_CERTIFICATE: Final = 0x28

CERTIFICATE_MAX: Final = 3072
"""A longer certificate is not sent: with it the header would be more than receivers hold. Keys of
4,096 bits with a dozen names fit."""

_SSL, _CONNECTION, _SESSION = 0x01, 0x02, 0x04
"""The client came over TLS; showed a certificate on this connection; in this TLS session."""


@attrs.frozen
class ClientSsl:
    """What a proxy says of the TLS that ended there."""

    version: str = ""
    """`TLSv1.3` …"""
    cipher: str = ""
    certificate: bytes = attrs.field(default=b"", repr=False)
    """The client's, as DER; empty when it showed none or it is not told."""
    common_name: str = ""
    """Of that certificate."""
    shown: bool = False
    """Whether there was a certificate."""
    verified: bool = False
    """Whether an authority that the proxy trusts vouched for it."""
    resumed: bool = False
    """Whether it was shown when the TLS session began, and not again on this connection."""


def read(value: bytes) -> ClientSsl | None:
    """What the value says; None: the client did not come over TLS. Raises WireError."""
    if len(value) < 5:
        raise WireError("PROXY v2: SSL value cut short")
    if not value[0] & _SSL:
        return None
    told = dict(_within(value, 5))
    shown = bool(value[0] & (_CONNECTION | _SESSION))
    return ClientSsl(
        version=_text(told, VERSION),
        cipher=_text(told, CIPHER),
        certificate=told.get(CLIENT_CERTIFICATE, b""),
        common_name=_text(told, COMMON_NAME),
        shown=shown,
        verified=shown and not any(value[1:5]),
        resumed=shown and not value[0] & _CONNECTION,
    )


def _within(value: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at < len(value):
        kind, start = value[at], at + 3
        at = start + int.from_bytes(value[at + 1 : start])
        if at > len(value) or start > len(value):
            raise WireError("PROXY v2: value within SSL cut short")
        yield kind, value[start:at]


def _text(told: dict[int, bytes], kind: int) -> str:
    return told.get(kind, b"").decode("utf-8", "backslashreplace")


def write(ssl: ClientSsl) -> bytes:
    """The value that says it. What is empty is left out."""
    flags = _SSL
    if ssl.shown:
        flags |= _SESSION if ssl.resumed else _CONNECTION | _SESSION
    verify = 0 if ssl.verified else 1
    certificate = ssl.certificate if len(ssl.certificate) <= CERTIFICATE_MAX else b""
    values = (
        (VERSION, ssl.version.encode()),
        (COMMON_NAME, ssl.common_name.encode()),
        (CIPHER, ssl.cipher.encode()),
        (CLIENT_CERTIFICATE, certificate),
    )
    return bytes((flags,)) + verify.to_bytes(4) + b"".join(_value(*one) for one in values if one[1])


def _value(kind: int, value: bytes) -> bytes:
    return bytes((kind,)) + len(value).to_bytes(2) + value
