"""What a user asks a token server for, and whether it is given: request → claims. Sans-I/O.

In: the JSON of a request, who sent it, the settings, the time, chance. Out: Claims to sign, or
NotGiven with the HTTP status and a word. A destination that nobody knows and one that this user may
not go to are answered alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from ..terms import Address, Role
from .grants import Denied, Grant
from .tokenclaims import Claims, destination, json_object, roles, thumbprint
from .tokensettings import Permitted, TokenServerSettings


class NotGiven(Exception):
    """No token: an HTTP status, a word, and what may help whoever asked."""

    def __init__(self, status: int, word: str, detail: str = "") -> None:
        super().__init__(status, word, detail)
        self.status = status
        self.word = word
        self.detail = detail


@attrs.frozen
class Request:
    """What is asked for."""

    destination: Address
    roles: frozenset[Role] = frozenset()
    """Empty: all that the user may have there."""
    parallel: int = 1
    thumbprint: str = ""
    """Of the certificate that the token is to be bound to."""


_KEYS = {"destination", "roles", "parallel", "cnf"}


def read_request(body: bytes) -> Request:
    """The request that a body says. Raises NotGiven: malformed."""
    try:
        said = json_object(body, "the body")
        if unknown := sorted(set(said) - _KEYS):
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(sorted(_KEYS))}")
        place = said.get("destination")
        return Request(
            destination(place if isinstance(place, str) else ""),
            roles(said["roles"]) if "roles" in said else frozenset(),
            _count(said.get("parallel", 1)),
            thumbprint(said["cnf"]) if "cnf" in said else "",
        )
    except Denied as why:
        raise NotGiven(400, "malformed", why.detail) from None
    except ValueError as why:
        raise NotGiven(400, "malformed", str(why)) from None


def _count(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError("parallel is not a whole number from 1")
    return value


def decide(
    request: Request,
    user: str,
    settings: TokenServerSettings,
    now: float,
    draw: Callable[[], str],
) -> Claims:
    """The claims of the token that this user is given. Raises NotGiven.

    `draw` gives a text that nobody can foresee; it makes the token's id and its sessions'.
    """
    issuer = settings.issuer
    place = _place(settings.destinations, user, request.destination)
    if not request.roles <= set(place.roles):
        raise NotGiven(403, "role")
    if not request.thumbprint and not issuer.unbound:
        raise NotGiven(403, "unbound", "name the certificate that the token is bound to: cnf")
    return Claims(
        issuer=issuer.name,
        audience=issuer.audience,
        grant=Grant(
            user=user,
            session=draw(),
            destination=place.address,
            roles=request.roles or frozenset(place.roles),
            parallel=min(request.parallel, issuer.parallel),
            thumbprint=request.thumbprint,
        ),
        issued=int(now),
        not_before=int(now),
        expires=int(now + issuer.lifetime),
        id=draw(),
    )


def _place(places: tuple[Permitted, ...], user: str, address: Address) -> Permitted:
    for place in places:
        if place.allows(user, address):
            return place
    raise NotGiven(403, "destination")
