"""The claims of a token: each has one type, and what has another makes the token malformed."""

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.gateway.grants import Denied, Grant
from twisted_lb.gateway.openingline import ROLES
from twisted_lb.gateway.tokenclaims import Claims, destination, read, spell
from twisted_lb.terms import Address

from .tokens import CLAIMS, THUMBPRINT


def said(**claims: Any) -> bytes:
    """A payload like CLAIMS, with other claims; `...` leaves one out."""
    both = spell(CLAIMS) | claims
    return json.dumps({name: value for name, value in both.items() if value is not ...}).encode()


def test_claims_are_called_as_the_standards_call_them() -> None:
    assert spell(CLAIMS) == {
        "iss": "management.example.com",
        "aud": "front.example.com",
        "sub": "ann",
        "iat": 1_800_000_000,
        "nbf": 1_800_000_000,
        "exp": 1_800_003_600,
        "jti": "first",
        "sid": "0123456789abcdef",
        "dst": "ftp.example.com:21",
        "roles": ["control", "data", "notification"],
        "par": 4,
        "cnf": {"x5t#S256": THUMBPRINT},
    }


def test_what_is_not_known_is_passed_by() -> None:
    """RFC 7519 section 4."""
    assert read(said(scope="ftp", nonce=[1])) == CLAIMS


def test_a_token_without_par_is_for_one_session() -> None:
    assert read(said(par=...)).grant.parallel == 1


def test_a_token_without_cnf_is_bound_to_no_key() -> None:
    assert read(said(cnf=...)).grant.thumbprint == ""


@pytest.mark.parametrize("name", sorted(set(spell(CLAIMS)) - {"par", "cnf"}))
def test_every_other_claim_is_needed(name: str) -> None:
    with pytest.raises(Denied) as caught:
        read(said(**{name: ...}))
    assert caught.value.word == "malformed"
    assert name in caught.value.detail


NO_TEXT = [None, 7, "", [], {}, "x" * 256, "a\nb", "a\x1b[31mb", "\u202e", True]
NO_WHOLE = [None, "7", 1.5, 1.0, True, -1, 1 << 41, [], {}]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("iss", value) for value in NO_TEXT),
        *(("sub", value) for value in NO_TEXT),
        *(("jti", value) for value in NO_TEXT),
        *(("aud", value) for value in [*NO_TEXT, [""], ["a", 7]]),
        *(("iat", value) for value in NO_WHOLE),
        *(("nbf", value) for value in NO_WHOLE),
        *(("exp", value) for value in NO_WHOLE),
        *(("par", value) for value in [*NO_WHOLE, 0, 1001]),
        *(("sid", value) for value in [None, 7, "", "a.1", "a b", "x" * 65, "é"]),
        *(("dst", value) for value in [None, 7, "", "host", ["host:21"]]),
        *(("roles", value) for value in [None, "control", [], ["any"], [7], ["data", "data"]]),
        *(("roles", value) for value in [{"control": 1}, [["control"]]]),
        *(("cnf", value) for value in [None, "", {}, [], {"jwk": {}}, {"x5t#S256": 7}]),
        ("cnf", {"x5t#S256": THUMBPRINT, "jkt": "x"}),
        ("cnf", {"x5t#S256": THUMBPRINT + "="}),
        ("cnf", {"x5t#S256": THUMBPRINT[:-1] + "B"}),
        ("cnf", {"x5t#S256": ""}),
    ],
)
def test_a_claim_of_another_type_is_not_skipped(name: str, value: object) -> None:
    with pytest.raises(Denied) as caught:
        read(said(**{name: value}))
    assert caught.value.word == "malformed"
    assert name in caught.value.detail


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b'{"exp": NaN}',
        b'{"exp": Infinity}',
        b"[" * 5000,
        b'{"a": ' + b"9" * 5000 + b"}",
        said()[:-1] + b', "sub": "eve"}',
        said(x={"y": 1}).replace(b'"y": 1', b'"y": 1, "y": 2'),
    ],
)
def test_what_is_not_plain_json_is_malformed(payload: bytes) -> None:
    """A name said twice is one: readers differ on which they take."""
    with pytest.raises(Denied) as caught:
        read(payload)
    assert caught.value.word == "malformed"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ftp.example.com:21", Address("ftp.example.com", 21)),
        ("10.0.0.1:65535", Address("10.0.0.1", 65535)),
        ("[2001:DB8::1]:23", Address("2001:db8::1", 23)),
        ("mainframe:1", Address("mainframe", 1)),
    ],
)
def test_a_destination_is_a_host_and_a_port(text: str, address: Address) -> None:
    assert destination(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "host",
        "host:",
        ":21",
        "host:0",
        "host:021",
        "host:65536",
        "host:21:22",
        "2001:db8::1:23",
        "[10.0.0.1]:23",
        "[::1]",
        "[::1%eth0]:23",
        "host:21\n",
        "ho st:21",
        "host:²",
        "-:21",
        "1.2.3:21",
        "0x7f.1:21",
        "user@host:21",
    ],
)
def test_nothing_else_is_a_destination(text: str) -> None:
    with pytest.raises(ValueError):
        destination(text)


NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)
GRANTS = st.builds(
    Grant,
    user=NAMES,
    session=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    destination=st.builds(Address, st.just("h.example") | st.ip_addresses().map(str), st.just(21)),
    roles=st.sets(st.sampled_from(ROLES), min_size=1).map(frozenset),
    parallel=st.integers(1, 1000),
    thumbprint=st.sampled_from(["", THUMBPRINT]),
)
TIMES = st.integers(0, 1 << 40)
CLAIMED = st.builds(
    Claims,
    issuer=NAMES,
    audience=st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    grant=GRANTS,
    issued=TIMES,
    not_before=TIMES,
    expires=TIMES,
    id=NAMES,
)


@given(CLAIMED)
def test_what_is_written_is_read(claims: Claims) -> None:
    assert read(json.dumps(spell(claims)).encode()) == claims


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@given(st.sampled_from(sorted(spell(CLAIMS))), JSON)
def test_whatever_a_claim_holds_it_is_read_or_malformed(name: str, value: Any) -> None:
    payload = said(**{name: value})
    if spell(CLAIMS) == json.loads(payload):
        return
    try:
        claims = read(payload)
    except Denied as denied:
        word = denied.word
    else:
        word = "read" if attrs.asdict(claims) != attrs.asdict(CLAIMS) else "passed by"
    assert word in {"malformed", "read"}
