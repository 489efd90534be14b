"""Looking at a token: everything it says, and everything that is wrong with it."""

import json

import attrs
import pytest

from twisted_lb.gateway.token import Trust, issue
from twisted_lb.gateway.tokenclaims import spell
from twisted_lb.gateway.tokenlook import look, moment

from .tokens import CLAIMS, FRONT, NOW, issuer

ISSUER = issuer()
TOKEN = issue(CLAIMS, ISSUER.key)


def test_a_good_token_is_told_in_whole() -> None:
    seen = look(TOKEN, ISSUER.trust, NOW + 60)
    assert not seen.wrong
    assert seen.lines == [
        'alg    "EdDSA"',
        f'kid    "{ISSUER.key.id}"',
        'typ    "JWT"',
        "signed by issuer.pem",
        'iss    "management.example.com"',
        'aud    "front.example.com"',
        'sub    "ann"',
        "iat    1800000000  2027-01-15T08:00:00Z, 1 min ago",
        "nbf    1800000000  2027-01-15T08:00:00Z, 1 min ago",
        "exp    1800003600  2027-01-15T09:00:00Z, in 59 min",
        'jti    "first"',
        'sid    "0123456789abcdef"',
        'dst    "ftp.example.com:21"',
        'roles  ["control", "data", "notification"]',
        "par    4",
        f'cnf    {{"x5t#S256": "{"A" * 43}"}}',
        "good",
    ]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    trust = Trust(issuer(number=1).trust.keys, "other.example.com", "elsewhere")
    seen = look(TOKEN, trust, NOW + 7200)
    assert seen.wrong == ["unknown-issuer", "unknown-issuer", "wrong-audience", "expired"]
    assert seen.lines[-1] == f"not good: {', '.join(seen.wrong)}"
    assert "expired: its time is over" in seen.lines


def test_without_keys_nothing_is_vouched_for() -> None:
    seen = look(TOKEN, Trust((), ""), NOW)
    assert seen.wrong == ["unverified"]
    assert 'dst    "ftp.example.com:21"' in seen.lines


def test_without_an_audience_any_will_do() -> None:
    assert not look(TOKEN, attrs.evolve(ISSUER.trust, audience=""), NOW).wrong


def test_a_certificate_that_is_over_is_named() -> None:
    seen = look(TOKEN, ISSUER.trust, NOW + 31 * 86_400)
    assert seen.wrong == ["issuer-expired", "expired"]
    assert "issuer-expired: the certificate in issuer.pem is not valid now" in seen.lines


def test_a_changed_token_is_still_told() -> None:
    head, payload, signature = TOKEN.split(".")
    seen = look(f"{head}.{payload}.{'A' * len(signature)}", ISSUER.trust, NOW)
    assert seen.wrong == ["bad-signature"]
    assert 'sub    "ann"' in seen.lines


def test_a_claim_that_is_malformed_is_told_among_the_others() -> None:
    seen = look(ISSUER.says(dst="nowhere", exp="soon"), ISSUER.trust, NOW)
    assert seen.wrong == ["malformed"]
    assert 'exp    "soon"  ' in seen.lines
    assert "malformed: dst: 'nowhere' is not a host and port" in seen.lines


def test_what_is_no_token_is_told_in_a_line() -> None:
    assert look("what", Trust((), FRONT), NOW).wrong == ["malformed"]
    seen = look(ISSUER.sign(b"[]"), ISSUER.trust, NOW)
    assert seen.lines[-2:] == ["malformed: the payload is not an object", "not good: malformed"]


def test_nothing_of_a_token_reaches_a_terminal_as_it_is() -> None:
    said = {"\x1b[2J": "\x1b]0;owned\x07", "x": "\u202e", "\x7f": ["\x7f"]}
    token = ISSUER.sign(json.dumps(spell(CLAIMS) | said).encode(), **said)
    seen = look(token, ISSUER.trust, NOW)
    assert seen.lines.count('\\u007f ["\\u007f"]') == 2
    assert all(line.isprintable() and line.isascii() for line in seen.lines)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (NOW, ""),
        (int(NOW), "2027-01-15T08:00:00Z, 0 s ago"),
        (int(NOW) + 59, "2027-01-15T08:00:59Z, in 59 s"),
        (int(NOW) - 3 * 86_400 - 7_260, "2027-01-12T05:59:00Z, 3 d 2 h ago"),
        (True, ""),
        (-1, ""),
        (1 << 40, ""),
        ("soon", ""),
    ],
)
def test_a_time_is_told_for_people(value: object, told: str) -> None:
    assert moment(value, NOW) == told
