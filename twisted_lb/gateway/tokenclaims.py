"""What a token says: claims ↔ JSON, each claim of one type (RFC 7519 section 4). Sans-I/O.

`docs/protocols/security-proxy.md` has the table. A claim of another type makes the token malformed,
it is not skipped; so does a name that stands twice. Names that are not known are passed by.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

import attrs

from ..config.addresses import HOST
from ..config.values import Refused
from ..terms import Address
from .grants import Denied, Grant
from .openingline import ROLES

PARALLEL_MOST: Final = 1_000
"""Sessions of one token."""
_LATEST: Final = 1 << 40
"""Seconds since 1970 that no honest clock shows."""

_SESSION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
"""SHA-256 in base64url: two bits of the last character are to spare, and zero."""
_DESTINATION: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]+):([1-9][0-9]{0,4})")


@attrs.frozen
class Claims:
    """What a token says. Times are whole seconds since 1970."""

    issuer: str
    audience: tuple[str, ...]
    """The names that it is for: the front-end's among them."""
    grant: Grant
    issued: int
    not_before: int
    expires: int
    id: str


def spell(claims: Claims) -> dict[str, Any]:
    """The claims by their names, as JSON holds them."""
    grant = claims.grant
    audience: Any = claims.audience[0] if len(claims.audience) == 1 else list(claims.audience)
    spelt = {
        "iss": claims.issuer,
        "aud": audience,
        "sub": grant.user,
        "iat": claims.issued,
        "nbf": claims.not_before,
        "exp": claims.expires,
        "jti": claims.id,
        "sid": grant.session,
        "dst": str(grant.destination),
        "roles": sorted(grant.roles),
        "par": grant.parallel,
    }
    return spelt | ({"cnf": {"x5t#S256": grant.thumbprint}} if grant.thumbprint else {})


def read(payload: bytes) -> Claims:
    """The claims of a payload. Raises Denied: malformed."""
    said = json_object(payload, "the payload")
    return Claims(
        issuer=_text(said, "iss"),
        audience=_audience(said.get("aud")),
        grant=Grant(
            user=_text(said, "sub"),
            session=_session(said.get("sid")),
            destination=_destination(said.get("dst")),
            roles=roles(said.get("roles")),
            parallel=_whole(said, "par", 1, PARALLEL_MOST) if "par" in said else 1,
            thumbprint=thumbprint(said["cnf"]) if "cnf" in said else "",
        ),
        issued=_whole(said, "iat", 0, _LATEST),
        not_before=_whole(said, "nbf", 0, _LATEST),
        expires=_whole(said, "exp", 0, _LATEST),
        id=_text(said, "jti"),
    )


def destination(text: str) -> Address:
    """`host:port`, `[2001:db8::1]:port`. Raises ValueError."""
    match = _DESTINATION.fullmatch(text)
    if match is None or int(match[2]) > 65_535:
        raise ValueError(f"{text!r} is not a host and port")
    try:
        host = HOST.read(match[1].strip("[]"))
    except Refused:
        raise ValueError(f"{match[1]!r} is not a host") from None
    if (":" in host) != match[1].startswith("["):
        raise ValueError("an IPv6 address stands in brackets, and nothing else")
    return Address(host, int(match[2]))


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not 0 < len(value) < 256 or not value.isprintable():
        malformed(f"{name} is not a text of 1 to 255 printable characters")
    return value


def _whole(said: dict[str, Any], name: str, least: int, most: int) -> int:
    value = said.get(name)
    if type(value) is not int or not least <= value <= most:
        malformed(f"{name} is not a whole number from {least} to {most}")
    return value


def _audience(value: Any) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    if not names:
        malformed("aud names nobody")
    return tuple(_text({"aud": name}, "aud") for name in names)


def _session(value: Any) -> str:
    # Without dots: `sid.1` would be another token's second session.
    if not isinstance(value, str) or not _SESSION.fullmatch(value):
        malformed("sid is not 1 to 64 letters, digits, `_` and `-`")
    return value


def _destination(value: Any) -> Address:
    try:
        return destination(value if isinstance(value, str) else "")
    except ValueError as why:
        malformed(f"dst: {why}")


def roles(value: Any) -> frozenset[str]:
    """A list of roles. Raises Denied: malformed."""
    listed = value if isinstance(value, list) and all(isinstance(one, str) for one in value) else []
    if not listed or not set(listed) <= set(ROLES) or len(set(listed)) < len(listed):
        malformed(f"roles is not a list of some of {', '.join(ROLES)}, each once")
    return frozenset(listed)


def thumbprint(value: Any) -> str:
    """A confirmation (RFC 7800) by the thumbprint of a certificate. Raises Denied: malformed."""
    # One of another kind cannot be checked, and must not count as none.
    if not isinstance(value, dict) or set(value) != {"x5t#S256"}:
        malformed("cnf has no x5t#S256, or more than that")
    said = value["x5t#S256"]
    if not isinstance(said, str) or not _THUMBPRINT.fullmatch(said):
        malformed("cnf: x5t#S256 is not a SHA-256 in base64url")
    return said


# -- JSON ------------------------------------------------------------------------------------------


def json_object(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object, or a refusal that says `what` is none. Raises Denied: malformed."""
    try:
        found = json.loads(data, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        malformed(f"{what} is not JSON")
    if not isinstance(found, dict):
        malformed(f"{what} is not an object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def malformed(detail: str) -> NoReturn:
    """Refuse a token that breaks the form."""
    raise Denied("malformed", detail)
