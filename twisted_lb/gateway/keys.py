"""Keys of token issuers: PEM in, keys that sign or verify out; the algorithm follows from the key.

Sans-I/O. RSA of 2,048 bits or more signs RS256, P-256 signs ES256, Ed25519 signs EdDSA (RFC 7518,
RFC 8037); other keys are refused. A key's id is its thumbprint (RFC 7638), so that a certificate,
the bare public key and a renewed certificate of the same key have one id.
"""

from __future__ import annotations

import datetime
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from json import dumps
from typing import Any, Final, Literal

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

Algorithm = Literal["RS256", "ES256", "EdDSA"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = ("RS256", "ES256", "EdDSA")

RSA_LEAST: Final = 2048
"""Bits of an RSA key (RFC 7518 section 3.3)."""

_REQUIRED: Final = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}
"""The members of a JWK that its thumbprint is made of (RFC 7638 section 3.2)."""
_REQUIRED_OKP: Final = ("crv", "kty", "x")
"""The same for Ed25519 (RFC 8037 section 2)."""

_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)


@attrs.frozen
class VerifyingKey:
    """A public key that is trusted to sign tokens."""

    name: str
    """What errors and logs call it: a file's name, mostly."""
    algorithm: Algorithm
    id: str
    public: Any = attrs.field(repr=False)
    begins: float = float("-inf")
    """When its certificate begins and ends to be valid, in seconds since 1970; a bare public key
    is always valid."""
    ends: float = float("inf")

    def valid(self, now: float) -> bool:
        """Whether it may be used now."""
        return self.begins <= now <= self.ends


@attrs.frozen
class SigningKey:
    """A private key that signs tokens."""

    algorithm: Algorithm
    id: str
    private: Any = attrs.field(repr=False)

    @classmethod
    def of(cls, data: bytes, name: str) -> SigningKey:
        """From PEM. Raises ValueError that names it."""
        try:
            private = pem.load_pem_private_key(data, None)
        except TypeError:
            raise ValueError(f"{name}: the private key is encrypted; store it decrypted") from None
        except ValueError:
            raise ValueError(f"{name}: no private key in PEM form") from None
        public: Any = private.public_key()
        algorithm = algorithm_of(public, name)
        return cls(algorithm, key_id(algorithm, public), private)


def trusted(data: bytes, name: str) -> tuple[VerifyingKey, ...]:
    """The keys of every certificate and public key in a PEM text. Raises ValueError that names it.

    A private key is refused: it has no place where tokens are verified.
    """
    readers: dict[bytes, Callable[[bytes, str], VerifyingKey]]
    readers = {b"CERTIFICATE": _certified, b"PUBLIC KEY": _bare}
    found = []
    for block in _BLOCK.finditer(data):
        if block[1] not in readers:
            raise ValueError(
                f"{name}: holds a {block[1].decode().lower()}; only certificates and public keys "
                "belong there"
            )
        found.append(readers[block[1]](block[0] + b"\n", name))
    if not found:
        raise ValueError(f"{name}: no certificate and no public key in PEM form")
    return tuple(found)


def _certified(data: bytes, name: str) -> VerifyingKey:
    try:
        certificate = x509.load_pem_x509_certificate(data)
        public: Any = certificate.public_key()
    except ValueError as why:
        raise ValueError(f"{name}: a certificate that cannot be read: {why}") from None
    begins = certificate.not_valid_before_utc.timestamp()
    ends = certificate.not_valid_after_utc.timestamp()
    return attrs.evolve(_verifying(public, name), begins=begins, ends=ends)


def _bare(data: bytes, name: str) -> VerifyingKey:
    try:
        public: Any = pem.load_pem_public_key(data)
    except ValueError as why:
        raise ValueError(f"{name}: a public key that cannot be read: {why}") from None
    return _verifying(public, name)


def _verifying(public: Any, name: str) -> VerifyingKey:
    algorithm = algorithm_of(public, name)
    return VerifyingKey(name, algorithm, key_id(algorithm, public), public)


def algorithm_of(public: Any, name: str) -> Algorithm:
    """How this key signs. Raises ValueError for a key that does not fit or is too short."""
    match public:
        case rsa.RSAPublicKey() if public.key_size >= RSA_LEAST:
            return "RS256"
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
            return "ES256"
        case ed25519.Ed25519PublicKey():
            return "EdDSA"
    raise ValueError(
        f"{name}: tokens are signed with RSA of {RSA_LEAST} bits or more, P-256 or Ed25519; "
        "this key is another"
    )


def key_id(algorithm: Algorithm, public: Any) -> str:
    """The key's thumbprint (RFC 7638), base64url."""
    members = get_default_algorithms()[algorithm].to_jwk(public, as_dict=True)
    required = _REQUIRED.get(members["kty"], _REQUIRED_OKP)
    text = dumps({name: members[name] for name in required}, separators=(",", ":"))
    return urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode("ascii")


# -- new keys --------------------------------------------------------------------------------------

_NEW: Final[dict[Algorithm, Callable[[], Any]]] = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65_537, key_size=3072),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def generate(algorithm: Algorithm, issuer: str, days: float, now: float) -> tuple[bytes, bytes]:
    """A new private key, and the certificate that security proxies are to trust; both PEM.

    The certificate signs itself: it is trusted because an operator puts it there. It is valid from
    `now` for so many days.
    """
    private = _NEW[algorithm]()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)])
    begins = datetime.datetime.fromtimestamp(now, datetime.UTC)
    signatures = x509.KeyUsage(True, *[False] * 8)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(signatures, True)
        .sign(private, None if algorithm == "EdDSA" else hashes.SHA256())
    )
    key = private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
    return key, certificate.public_bytes(pem.Encoding.PEM)
