"""Issuers of the tests' own, and tokens that say what they should not."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import attrs
import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from twisted_lb.gateway.grants import Grant
from twisted_lb.gateway.keys import Algorithm, SigningKey, generate, trusted
from twisted_lb.gateway.token import Trust
from twisted_lb.gateway.tokenclaims import Claims, spell
from twisted_lb.terms import Address

NOW = 1_800_000_000.0
FRONT = "front.example.com"
THUMBPRINT = "A" * 43

CLAIMS = Claims(
    issuer="management.example.com",
    audience=(FRONT,),
    grant=Grant(
        user="ann",
        session="0123456789abcdef",
        destination=Address("ftp.example.com", 21),
        roles=frozenset({"control", "data", "notification"}),
        parallel=4,
        thumbprint=THUMBPRINT,
    ),
    issued=int(NOW),
    not_before=int(NOW),
    expires=int(NOW) + 3600,
    id="first",
)


@attrs.frozen
class Issuer:
    """A key and its certificate, PEM."""

    private: bytes
    certificate: bytes

    @property
    def key(self) -> SigningKey:
        return SigningKey.of(self.private, "issuer.key")

    @property
    def public(self) -> bytes:
        """The bare public key."""
        form = PublicFormat.SubjectPublicKeyInfo
        return bytes(self.key.private.public_key().public_bytes(Encoding.PEM, form))

    @property
    def trust(self) -> Trust:
        return Trust(trusted(self.certificate, "issuer.pem"), FRONT)

    def sign(self, payload: bytes, **header: Any) -> str:
        """A token of any payload."""
        key = self.key
        header = {"kid": key.id} | header
        return jwt.PyJWS().encode(payload, key.private, key.algorithm, header)

    def says(self, **said: Any) -> str:
        """A token like CLAIMS, with other claims; `...` leaves one out."""
        claims = spell(CLAIMS) | said
        kept = {name: value for name, value in claims.items() if value is not ...}
        return self.sign(json.dumps(kept).encode())


@cache
def issuer(algorithm: Algorithm = "EdDSA", number: int = 0) -> Issuer:
    """Made once; another number is another issuer."""
    return Issuer(*generate(algorithm, CLAIMS.issuer, 30, NOW - 86_400))
