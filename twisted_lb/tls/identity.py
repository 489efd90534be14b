"""A certificate chain and its private key: what one side of TLS shows. PEM in, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL

from .names import names


@attrs.frozen
class Identity:
    """A certificate with its chain and its private key. `name` is how errors call the two."""

    chain: tuple[x509.Certificate, ...]
    """The own certificate first."""
    key: object = attrs.field(repr=False)
    name: str

    @classmethod
    def of(cls, certificate: bytes, key: bytes, name: str) -> Identity:
        """From PEM. Raises ValueError: no certificate, no key, or not of each other."""
        try:
            chain = tuple(x509.load_pem_x509_certificates(certificate))
        except ValueError as why:
            raise ValueError(f"{name}: no certificate in PEM form: {why}") from None
        try:
            private = load_pem_private_key(key, None)
        except TypeError:
            raise ValueError(f"{name}: the private key is encrypted; store it decrypted") from None
        except ValueError as why:
            raise ValueError(f"{name}: no private key in PEM form: {why}") from None
        if chain[0].public_key() != private.public_key():
            raise ValueError(f"{name}: the key is not the certificate's")
        return cls(chain, private, name)

    @classmethod
    def read(cls, certificate: str, key: str) -> Identity:
        """From PEM files. Raises OSError, and ValueError that names both files."""
        name = certificate if certificate == key else f"{certificate} and {key}"
        return cls.of(Path(certificate).read_bytes(), Path(key).read_bytes(), name)

    @property
    def names(self) -> tuple[str, ...]:
        """What the certificate is for: nothing where it has no subjectAltName."""
        return names(self.chain[0])

    @property
    def ends(self) -> float:
        """When the certificate ends, in seconds since 1970."""
        return self.chain[0].not_valid_after_utc.timestamp()

    def show(self, context: SSL.Context) -> None:
        """Let connections of this context show it. Raises ValueError: OpenSSL will not, as with a
        key that is too short for its security level."""
        taking: Any = context  # cryptography's classes, which not every release says of itself
        try:
            taking.use_certificate(self.chain[0])
            for authority in self.chain[1:]:
                taking.add_extra_chain_cert(authority)
            taking.use_privatekey(self.key)
        except SSL.Error as why:
            raise ValueError(f"{self.name}: OpenSSL does not take it: {_reasons(why)}") from None


def _reasons(error: SSL.Error) -> str:
    return ", ".join(str(each[-1]) for each in error.args[0])
