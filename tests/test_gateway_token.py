"""Tokens: taken from a trusted issuer as they are, refused in every other spelling (attack 17)."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from hmac import digest
from typing import Any

import attrs
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.gateway.grants import Denied
from twisted_lb.gateway.keys import ALGORITHMS, Algorithm, trusted
from twisted_lb.gateway.token import TOKEN_MOST, Trust, issue, parse, verify
from twisted_lb.gateway.tokenclaims import spell

from .tokens import CLAIMS, FRONT, NOW, issuer

ISSUER = issuer()
TRUST = ISSUER.trust
TOKEN = issue(CLAIMS, ISSUER.key)
REFUSED = {"malformed", "bad-signature", "unknown-issuer", "wrong-algorithm"}
"""Before any claim is read."""


def why(text: str, trust: Trust = TRUST, now: float = NOW) -> str:
    """The word that a token is refused with."""
    with pytest.raises(Denied) as caught:
        verify(text, trust, now)
    return caught.value.word


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def with_header(header: Any, text: str = TOKEN) -> str:
    """The same token under another header, which its signature does not cover."""
    return ".".join([b64(json.dumps(header).encode()), *text.split(".")[1:]])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_of_a_trusted_certificate_is_believed(algorithm: Algorithm) -> None:
    signer = issuer(algorithm)
    text = issue(CLAIMS, signer.key)
    assert jwt.get_unverified_header(text)["alg"] == algorithm
    assert verify(text, signer.trust, NOW) == CLAIMS


def test_a_token_of_a_bare_public_key_is_believed() -> None:
    trust = Trust(trusted(ISSUER.public, "issuer.pub"), FRONT)
    assert verify(TOKEN, trust, NOW) == CLAIMS


def test_it_may_be_shown_again_until_it_expires() -> None:
    """Three channels, many transfers, a terminal that comes back."""
    last = CLAIMS.expires + TRUST.leeway
    assert all(verify(TOKEN, TRUST, now) == CLAIMS for now in (NOW, NOW, last - 0.001))
    assert why(TOKEN, now=last) == "expired"


def test_it_is_not_taken_before_its_time() -> None:
    """The clocks of issuer and proxy may be apart by the leeway."""
    assert verify(TOKEN, TRUST, NOW - TRUST.leeway) == CLAIMS
    assert why(TOKEN, now=NOW - TRUST.leeway - 1) == "not-yet"


def test_a_token_issued_in_the_future_is_not_taken() -> None:
    assert why(ISSUER.says(iat=int(NOW) + 31)) == "not-yet"


@pytest.mark.parametrize("audience", ["other.example.com", ["a", "b"], FRONT.upper()])
def test_a_token_for_another_front_end_is_refused(audience: object) -> None:
    assert why(ISSUER.says(aud=audience)) == "wrong-audience"


def test_a_token_may_be_for_several_front_ends() -> None:
    assert verify(ISSUER.says(aud=["x", FRONT]), TRUST, NOW).audience == ("x", FRONT)


def test_another_issuer_is_refused_when_one_is_named() -> None:
    named = attrs.evolve(TRUST, issuer="management.example.com")
    assert verify(TOKEN, named, NOW) == CLAIMS
    assert why(ISSUER.says(iss="elsewhere"), named) == "unknown-issuer"
    assert verify(ISSUER.says(iss="elsewhere"), TRUST, NOW).issuer == "elsewhere"


# -- signatures ------------------------------------------------------------------------------------


def test_a_token_of_a_foreign_key_is_refused() -> None:
    assert why(issue(CLAIMS, issuer(number=1).key)) == "unknown-issuer"


def test_a_foreign_key_does_not_pass_by_the_id_of_a_trusted_one() -> None:
    foreign = issuer(number=1).sign(json.dumps(spell(CLAIMS)).encode(), kid=ISSUER.key.id)
    assert why(foreign) == "bad-signature"


def test_keys_overlap_while_an_issuer_changes_its_key() -> None:
    """Attack 17: rotation. The id leads to the right one; an issuer's own id does not matter."""
    both = attrs.evolve(TRUST, keys=issuer(number=1).trust.keys + TRUST.keys)
    assert verify(TOKEN, both, NOW) == CLAIMS
    assert verify(issue(CLAIMS, issuer(number=1).key), both, NOW) == CLAIMS
    payload = json.dumps(spell(CLAIMS)).encode()
    assert verify(ISSUER.sign(payload, kid="2026-11"), both, NOW) == CLAIMS


def test_a_certificate_that_is_over_vouches_for_nothing() -> None:
    (key,) = TRUST.keys
    over = attrs.evolve(key, ends=NOW - 1)
    assert why(TOKEN, attrs.evolve(TRUST, keys=(over,))) == "issuer-expired"
    assert why(TOKEN, attrs.evolve(TRUST, keys=(attrs.evolve(key, begins=NOW + 1),))) == (
        "issuer-expired"
    )
    assert verify(TOKEN, attrs.evolve(TRUST, keys=(over, key)), NOW) == CLAIMS


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS512", "PS256", "", None, 7, []])
def test_the_token_does_not_choose_its_algorithm(algorithm: object) -> None:
    assert why(with_header({"alg": algorithm, "kid": ISSUER.key.id})) == "wrong-algorithm"
    assert why(with_header({"alg": algorithm})) == "wrong-algorithm"


def test_an_unsigned_token_is_refused() -> None:
    header, payload, _ = with_header({"alg": "none"}).split(".")
    assert why(f"{header}.{payload}.") == "malformed"


def test_a_public_key_is_no_secret_to_sign_with() -> None:
    """The confusion of HS256 with RS256: the attacker knows the trusted public key."""
    signer = issuer("RS256")
    head = b64(json.dumps({"alg": "HS256", "kid": signer.key.id}).encode())
    signed = f"{head}.{b64(json.dumps(spell(CLAIMS)).encode())}"
    forged = f"{signed}.{b64(digest(signer.public, signed.encode(), sha256))}"
    assert why(forged, signer.trust) == "wrong-algorithm"


def test_a_key_signs_by_its_own_algorithm_only() -> None:
    other = with_header({"alg": "RS256", "kid": ISSUER.key.id})
    assert why(other) == "wrong-algorithm"
    assert why(with_header({"alg": "RS256"})) == "unknown-issuer"


def test_keys_that_a_token_brings_along_are_not_looked_at() -> None:
    foreign, payload = issuer(number=1), json.dumps(spell(CLAIMS)).encode()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}
    brought = foreign.sign(payload, jwk=jwk, jku="https://evil.example/keys", x5c=["AAAA"])
    assert why(brought) == "unknown-issuer"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_flipped_bit_of_a_token_is_refused(algorithm: Algorithm) -> None:
    """Attack 17: also the bits that base64url has to spare."""
    signer = issuer(algorithm)
    text, trust = issue(CLAIMS, signer.key).encode(), signer.trust
    step = 1 if algorithm == "EdDSA" else 29
    for at in [*range(0, len(text), step), *range(len(text) - 3, len(text))]:
        for bit in range(8):
            flipped = bytearray(text)
            flipped[at] ^= 1 << bit
            assert why(flipped.decode("latin-1"), trust) in REFUSED


# -- form ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a.b",
        TOKEN + ".x",
        TOKEN + "=",
        TOKEN + "\n",
        " " + TOKEN,
        TOKEN + "A" * TOKEN_MOST,
        "A" + TOKEN,
        with_header([]),
        with_header("text"),
        with_header({"alg": "EdDSA", "kid": 7}),
        with_header({"alg": "EdDSA", "typ": "at+jwt"}),
        with_header({"alg": "EdDSA", "crit": ["b64"], "b64": False}),
        ".".join([b64(b'{"alg":"EdDSA","alg":"EdDSA"}'), *TOKEN.split(".")[1:]]),
        ".".join([b64(b"{'alg'}"), *TOKEN.split(".")[1:]]),
        ".".join([b64(b"\xff"), *TOKEN.split(".")[1:]]),
        ".".join([b64(b"[" * 4000), *TOKEN.split(".")[1:]]),
    ],
)
def test_what_is_no_token_is_malformed(text: str) -> None:
    assert why(text) == "malformed"


def test_a_payload_that_is_not_detached_is_not_unencoded_either() -> None:
    """RFC 7797 without its `crit`."""
    assert why(with_header({"alg": "EdDSA", "b64": False})) == "unknown-issuer"


def test_no_claim_is_read_before_the_signature() -> None:
    parts = TOKEN.split(".")
    assert why(".".join([parts[0], b64(b"no json"), parts[2]])) == "bad-signature"
    assert why(ISSUER.sign(b"no json")) == "malformed"


def test_a_token_that_would_be_too_long_is_not_issued() -> None:
    long = attrs.evolve(CLAIMS, audience=tuple(f"{n:0200}" for n in range(28)))
    with pytest.raises(ValueError, match="6144 is the most"):
        issue(long, ISSUER.key)


def test_what_nobody_would_take_is_not_issued() -> None:
    nameless = attrs.evolve(CLAIMS, grant=attrs.evolve(CLAIMS.grant, user="a\nb"))
    with pytest.raises(ValueError, match="no token can say this: sub"):
        issue(nameless, ISSUER.key)


def test_the_parts_can_be_looked_at_without_trust() -> None:
    jws = parse(TOKEN)
    assert jws.header["kid"] == ISSUER.key.id
    assert json.loads(jws.payload) == spell(CLAIMS)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: f"{b64(data)}.e30.AA"))
def test_whatever_comes_is_refused_in_one_word(text: str) -> None:
    assert why(text) in REFUSED


@given(st.data())
def test_no_piece_of_a_token_is_a_token(data: st.DataObject) -> None:
    """Cut, doubled or with a piece taken out."""
    at = data.draw(st.integers(0, len(TOKEN) - 1))
    to = data.draw(st.integers(at, len(TOKEN)))
    for changed in (TOKEN[:at], TOKEN[:at] + TOKEN[to:], TOKEN[:to] + TOKEN[at:]):
        if changed != TOKEN:
            assert why(changed) in REFUSED


def test_every_spelling_of_the_same_bytes_but_one_is_refused() -> None:
    header, payload, signature = TOKEN.split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    raw = urlsafe_b64decode(signature + "==")
    twins = [
        signature[:-1] + letter
        for letter in alphabet
        if urlsafe_b64decode(signature[:-1] + letter + "==") == raw
    ]
    assert len(twins) == 16  # 64 bytes leave four bits to spare
    said = {twin: _word(f"{header}.{payload}.{twin}") for twin in twins}
    assert said.pop(signature) == ""
    assert set(said.values()) == {"malformed"}


def _word(text: str) -> str:
    """Why it is refused; empty when it is taken."""
    try:
        verify(text, TRUST, NOW)
    except Denied as why:
        return why.word
    return ""
