"""Looks at a server's TLS without asking to trust it: handshakes that verify nothing, and what the
certificate says afterwards. Never for bytes of a client.
"""

from __future__ import annotations

import attrs
from cryptography import x509
from OpenSSL import SSL, crypto

from .client import ClientContext
from .facts import common_name
from .identity import Identity
from .names import carries, names
from .versions import MINIMUM, minimum_of

VERSIONS = tuple(MINIMUM)
"""What may be asked for, oldest first."""


@attrs.frozen
class CertificateSeen:
    """What a certificate says, trusted or not."""

    names: tuple[str, ...]
    common_name: str
    ends: float
    """When it ends, in seconds since 1970."""
    carried: dict[str, bool]
    """Each name that was asked about → whether it is for it, as clients verify it."""


def certificate_seen(der: bytes, about: tuple[str, ...]) -> CertificateSeen:
    """What a certificate says. Raises ValueError when it cannot be read."""
    certificate = x509.load_der_x509_certificate(der)
    return CertificateSeen(
        names(certificate),
        common_name(certificate),
        certificate.not_valid_after_utc.timestamp(),
        {name: carries(certificate, name) for name in about},
    )


class LookingContext(ClientContext):
    """Accepts every chain, and remembers what would have been wrong with it.

    `only`: the one version of TLS to speak, with ciphers as old as it is; None: all from `minimum`
    on. `identity` is shown to a server that asks for a certificate.
    """

    def __init__(
        self,
        ca: bytes | None = None,
        *,
        identity: Identity | None = None,
        alpn: tuple[str, ...] = (),
        minimum: str = "1.2",
        only: str | None = None,
    ) -> None:
        super().__init__(ca, identity=identity, alpn=alpn, minimum=only or minimum)
        if only is not None:
            self._context.set_max_proto_version(minimum_of(only))
            # What TLS 1.0 and 1.1 sign with, and keys of their time, is refused otherwise.
            self._context.set_cipher_list(b"ALL:@SECLEVEL=0")

    def _on_verify(
        self, connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
    ) -> bool:
        """The first word is kept: what follows from it says less."""
        if not self.problem(connection):
            super()._on_verify(connection, certificate, error, depth, ok)
        return True
