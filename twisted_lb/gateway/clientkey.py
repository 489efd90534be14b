"""The tunnel's key, to which its tokens are bound: made at the start, or read from files.

Out: an Identity to show in TLS, and its thumbprint for the token (`cnf`). A key that is made is
never written: it ends with the process, and so do the tokens that name it.
"""

from __future__ import annotations

import datetime

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ..tls import Identity
from ..tls.facts import thumbprint
from .settings import Key

LIFETIME = datetime.timedelta(days=3650)
"""Nobody looks at it: a token says how long it is good."""


@attrs.frozen
class ClientKey:
    """What the tunnel shows."""

    identity: Identity
    thumbprint: str
    """Of its certificate, as tokens carry it."""


def client_key(settings: Key, now: datetime.datetime) -> ClientKey:
    """From files, or made now. Raises OSError, ValueError."""
    if settings.certificate:
        identity = Identity.read(settings.certificate, settings.key or settings.certificate)
    else:
        identity = _made(now)
    return ClientKey(identity, thumbprint(identity.chain[0].public_bytes(Encoding.DER)))


def _made(now: datetime.datetime) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lb-tunnel")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Identity.of(certificate.public_bytes(Encoding.PEM), pem, "the tunnel's own key")
