"""The token: what a client may do, signed by an issuer (a compact JWS, RFC 7515 and RFC 7519).

Sans-I/O. In: claims and a signing key, or a token, whom to trust and the time (seconds since 1970).
Out: a token, or its claims. `docs/protocols/security-proxy.md` has the table of claims.

Rules (RFC 8725):
- The algorithm is the trusted key's own; what the token's header says must agree with it.
- The signature comes first: no claim is read of a token whose signature is not right.
- A token has one spelling: of the ways to write the same bytes in base64url only one is taken.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Any, Final

import attrs
import jwt

from .grants import Denied
from .keys import ALGORITHMS, SigningKey, VerifyingKey
from .tokenclaims import Claims, json_object, malformed, read, spell

TOKEN_MOST: Final = 6_144
"""Characters of a token."""

_JWS: Final = jwt.PyJWS(ALGORITHMS)
_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


@attrs.frozen
class Trust:
    """Whose tokens are taken, and for what."""

    keys: tuple[VerifyingKey, ...]
    audience: str
    issuer: str = ""
    """Empty: any issuer that one of the keys signs for."""
    leeway: float = 30.0
    """Seconds that the issuer's clock and ours may be apart."""


@attrs.frozen
class Jws:
    """A token taken apart; nothing of it is verified yet."""

    text: str
    header: dict[str, Any]
    payload: bytes


def issue(claims: Claims, key: SigningKey) -> str:
    """The token that says these claims. Raises ValueError: nobody would take it."""
    payload = json.dumps(spell(claims), separators=(",", ":")).encode()
    try:
        read(payload)
    except Denied as why:
        raise ValueError(f"no token can say this: {why.detail}") from None
    header = {"kid": key.id}
    text = _JWS.encode(payload, key.private, key.algorithm, header)
    if len(text) > TOKEN_MOST:
        raise ValueError(f"a token of {len(text)} characters: {TOKEN_MOST} is the most")
    return text


def verify(text: str, trust: Trust, now: float) -> Claims:
    """What a token says that may be believed now. Raises Denied with the first word that fits."""
    jws = parse(text)
    signed(jws, trust.keys, now)
    claims = read(jws.payload)
    for word in faults(claims, trust, now):
        raise Denied(word)
    return claims


def faults(claims: Claims, trust: Trust, now: float) -> Iterator[str]:
    """A word for everything that speaks against a token whose signature is right."""
    if trust.issuer and claims.issuer != trust.issuer:
        yield "unknown-issuer"
    if trust.audience not in claims.audience:
        yield "wrong-audience"
    if now >= claims.expires + trust.leeway:
        yield "expired"
    if now < max(claims.not_before, claims.issued) - trust.leeway:
        yield "not-yet"


# -- taken apart -----------------------------------------------------------------------------------


def parse(text: str) -> Jws:
    """The parts of a token. Raises Denied: malformed."""
    match = _COMPACT.fullmatch(text) if len(text) <= TOKEN_MOST else None
    if match is None:
        malformed(f"three parts of base64url, {TOKEN_MOST} characters at most")
    header, payload, _ = (_decoded(part) for part in match.groups())
    found = json_object(header, "the header")
    if "crit" in found:
        malformed("the header has critical extensions")
    if not isinstance(found.get("kid", ""), str):
        malformed("kid is not a text")
    # RFC 8725 section 3.12: what tells our tokens from others are their claims.
    if str(found.get("typ", "JWT")).upper() != "JWT":
        malformed("typ is not JWT")
    return Jws(text, found, payload)


def _decoded(part: str) -> bytes:
    if len(part) % 4 == 1:
        malformed("a part of no whole bytes")
    data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if urlsafe_b64encode(data).rstrip(b"=") != part.encode("ascii"):
        malformed("a part with bits to spare that are not zero")
    return data


# -- signed by whom --------------------------------------------------------------------------------


def signed(jws: Jws, keys: tuple[VerifyingKey, ...], now: float) -> VerifyingKey:
    """The trusted key that signed it.

    `kid` is a hint (RFC 7515 section 4.1.4): when it names a trusted key, only that one is tried,
    else all of the algorithm. Raises Denied: wrong-algorithm, unknown-issuer, issuer-expired,
    bad-signature.
    """
    if jws.header.get("alg") not in ALGORITHMS:
        raise Denied("wrong-algorithm")
    named = [key for key in keys if key.id == jws.header.get("kid")]
    able = [key for key in named or keys if key.algorithm == jws.header["alg"]]
    if named and not able:
        raise Denied("wrong-algorithm")
    signers = [key for key in able if _signs(key, jws.text)]
    if not signers:
        raise Denied("bad-signature" if named else "unknown-issuer")
    for key in signers:  # a key may stand in two certificates, of which one is over
        if key.valid(now):
            return key
    raise Denied("issuer-expired", signers[0].name)


def _signs(key: VerifyingKey, text: str) -> bool:
    try:
        _JWS.decode_complete(text, key.public, algorithms=[key.algorithm])
    except jwt.InvalidTokenError:
        return False
    return True
