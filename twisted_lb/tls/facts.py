"""What a handshake that is done says of the peer and of the connection."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any, Final

from cryptography import x509
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto

from ..terms import TlsFacts

_lib: Final[Any] = SSL._lib  # type: ignore[attr-defined]

COMMON_NAME_MAX: Final = 64
"""Characters, as RFC 5280 appendix A.1 has it (ub-common-name)."""


def facts(connection: SSL.Connection, *, verifies: bool) -> TlsFacts:
    """Of a connection whose handshake is done; `verifies`: it demands trusted certificates."""
    peer = connection.get_peer_certificate()
    der = crypto.dump_certificate(crypto.FILETYPE_ASN1, peer) if peer is not None else b""
    return TlsFacts(
        version=connection.get_protocol_version_name(),
        server_name=(connection.get_servername() or b"").decode("ascii", "backslashreplace"),
        alpn=connection.get_alpn_proto_negotiated().decode("ascii", "backslashreplace"),
        certificate=der,
        thumbprint=thumbprint(der) if der else "",
        cipher=connection.get_cipher_name() or "",
        common_name=_common_name(der) if der else "",
        verified=verifies and bool(der),
        resumed=bool(_lib.SSL_session_reused(_ssl(connection))),
    )


def _ssl(connection: SSL.Connection) -> Any:
    """OpenSSL's own object: pyOpenSSL does not tell whether a session was resumed."""
    return connection._ssl


def _common_name(certificate: bytes) -> str:
    """A stranger's certificate may hold anything: what cannot be read is no name."""
    try:
        return common_name(x509.load_der_x509_certificate(certificate))
    except ValueError:
        return ""


def common_name(certificate: x509.Certificate) -> str:
    """What the certificate calls its subject, cut to length; empty when that cannot be read."""
    try:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (ValueError, TypeError):  # a name that is a string of bits is a TypeError
        return ""
    return str(names[0].value)[:COMMON_NAME_MAX] if names else ""


def thumbprint(certificate: bytes) -> str:
    """A certificate's (DER) SHA-256 as tokens carry it: base64url without padding
    (x5t#S256, RFC 7515 section 4.1.8, RFC 8705 section 3.1)."""
    return urlsafe_b64encode(sha256(certificate).digest()).rstrip(b"=").decode("ascii")
