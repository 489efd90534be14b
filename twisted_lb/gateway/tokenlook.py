"""A token as people want to see it: what it says, in words, and everything that is wrong with it.

Sans-I/O. In: a token, whom to trust, the time. Out: lines, and the words that speak against it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from .grants import Denied
from .token import Jws, Trust, faults, parse, signed
from .tokenclaims import json_object, read


@attrs.define
class Seen:
    """What was seen of a token: lines for people, and the words that speak against it."""

    lines: list[str] = attrs.field(factory=list)
    wrong: list[str] = attrs.field(factory=list)

    def against(self, word: str, detail: str) -> None:
        """One more thing that is wrong."""
        self.wrong.append(word)
        self.lines.append(f"{word}: {detail or _EXPLAINED[word]}")


_EXPLAINED: Final = {
    "unverified": "no issuer's certificate was given: --trusted FILE",
    "wrong-algorithm": "the header's algorithm is not that of the key, or none that is taken",
    "unknown-issuer": "no trusted key has signed it, or it names another issuer",
    "bad-signature": "it names a trusted key, which has not signed it: it was changed",
    "wrong-audience": "it is for another front-end",
    "expired": "its time is over",
    "not-yet": "its time has not come, or the clocks differ",
}


def look(text: str, trust: Trust, now: float) -> Seen:
    """Everything that can be said of a token. Without keys to trust its signature is not looked at,
    without an audience any will do."""
    seen = Seen()
    try:
        jws = parse(text)
    except Denied as why:
        seen.against(why.word, why.detail)
        return seen
    seen.lines += [_line(name, value) for name, value in jws.header.items()]
    _signature(seen, jws, trust, now)
    _claims(seen, jws, trust, now)
    seen.lines.append("good" if not seen.wrong else f"not good: {', '.join(seen.wrong)}")
    return seen


def _signature(seen: Seen, jws: Jws, trust: Trust, now: float) -> None:
    if not trust.keys:
        seen.against("unverified", "")
        return
    try:
        key = signed(jws, trust.keys, now)
    except Denied as why:
        expired = f"the certificate in {why.detail} is not valid now" if why.detail else ""
        seen.against(why.word, expired)
    else:
        seen.lines.append(f"signed by {key.name}")


def _claims(seen: Seen, jws: Jws, trust: Trust, now: float) -> None:
    try:
        seen.lines += _spelt(json_object(jws.payload, "the payload"), now)
        claims = read(jws.payload)
    except Denied as why:
        seen.against(why.word, why.detail)
        return
    if not trust.audience:
        trust = attrs.evolve(trust, audience=claims.audience[0])
    for word in faults(claims, trust, now):
        seen.against(word, "")


def _spelt(said: dict[str, Any], now: float) -> Iterator[str]:
    for name, value in said.items():
        time = f"  {moment(value, now)}" if name in ("iat", "nbf", "exp") else ""
        yield f"{_line(name, value)}{time}"


def _line(name: str, value: Any) -> str:
    """What a token says under this name; nothing in it is one for a terminal to obey."""
    return f"{_escaped(name)[1:-1]:6} {_escaped(value)}"


def _escaped(value: Any) -> str:
    return json.dumps(value).replace("\x7f", "\\u007f")  # JSON leaves DEL as it is


def moment(value: Any, now: float) -> str:
    """A time of a token for people: when, and how long until or since then."""
    if type(value) is not int or not 0 <= value < 1 << 37:
        return ""
    when = datetime.fromtimestamp(value, UTC).isoformat().replace("+00:00", "Z")
    apart = int(abs(value - now))
    days, hours, minutes = apart // 86_400, apart // 3600 % 24, apart // 60 % 60
    units = ((days, "d"), (hours, "h"), (minutes, "min"), (apart % 60, "s"))
    spelt = " ".join([f"{count} {unit}" for count, unit in units if count][:2]) or "0 s"
    return f"{when}, in {spelt}" if value > now else f"{when}, {spelt} ago"
