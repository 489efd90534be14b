"""What a handshake that is done says of the peer and of the connection."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from ..terms import TlsFacts


def facts(connection: SSL.Connection) -> TlsFacts:
    """Of a connection whose handshake is done."""
    peer = connection.get_peer_certificate()
    der = peer.to_cryptography().public_bytes(Encoding.DER) if peer is not None else b""
    return TlsFacts(
        version=connection.get_protocol_version_name(),
        server_name=(connection.get_servername() or b"").decode("ascii", "backslashreplace"),
        alpn=connection.get_alpn_proto_negotiated().decode("ascii", "backslashreplace"),
        certificate=der,
        thumbprint=thumbprint(der) if der else "",
    )


def thumbprint(certificate: bytes) -> str:
    """A certificate's (DER) SHA-256 as tokens carry it: base64url without padding
    (x5t#S256, RFC 7515 section 4.1.8, RFC 8705 section 3.1)."""
    return urlsafe_b64encode(sha256(certificate).digest()).rstrip(b"=").decode("ascii")
