"""An authority of the tests' own, and what it signs."""

from __future__ import annotations

import datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

NOW = datetime.datetime.now(datetime.UTC)


class Authority:
    """Signs certificates; itself trusted by whoever is given `pem`."""

    def __init__(self, name: str = "test authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _called(name)
        ca = x509.BasicConstraints(ca=True, path_length=None)
        builder = _builder(self._name, self._name, self._key, days=30).add_extension(ca, True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def sign(self, *names: str, days: float = 30.0, revoked_at: str = "") -> bytes:
        """A key and its certificate for these names (none: without the extension), as PEM;
        `revoked_at`: where it says that revocations are told."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_called("server"), self._name, key, days)
        if names:
            builder = builder.add_extension(_alternatives(*names), False)
        if revoked_at:
            place = x509.DistributionPoint(
                [x509.UniformResourceIdentifier(revoked_at)], None, None, None
            )
            builder = builder.add_extension(x509.CRLDistributionPoints([place]), False)
        return _pem(key) + builder.sign(self._key, hashes.SHA256()).public_bytes(
            serialization.Encoding.PEM
        )

    def vouch(self, alternatives: x509.ExtensionType) -> x509.Certificate:
        """A certificate with this for its subjectAltName, however odd."""
        builder = _builder(
            _called("server"), self._name, ec.generate_private_key(ec.SECP256R1()), 30.0
        )
        return builder.add_extension(alternatives, critical=False).sign(self._key, hashes.SHA256())


def self_signed(*names: str, key: Key | None = None) -> bytes:
    """A key and a certificate that nobody vouches for, as PEM."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = _called("alone")
    builder = _builder(name, name, key, 30).add_extension(_alternatives(*names), False)
    return _pem(key) + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def written(pem: bytes, to: Path) -> str:
    """The path of a file that holds it."""
    to.write_bytes(pem)
    return str(to)


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternatives(*names: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_general(name) for name in names])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, days: float
) -> x509.CertificateBuilder:
    ends = NOW + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(NOW, ends) - datetime.timedelta(days=1))
        .not_valid_after(ends)
    )


def _pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
