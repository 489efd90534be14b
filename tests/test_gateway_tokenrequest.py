"""Asking for a token: what may be asked, and what is given of it."""

import json
from itertools import count
from typing import Any

import attrs
import pytest

from twisted_lb.gateway.grants import Grant
from twisted_lb.gateway.tokenclaims import Claims
from twisted_lb.gateway.tokenrequest import NotGiven, Request, decide, read_request
from twisted_lb.gateway.tokensettings import Issuer, Permitted, TokenServerSettings
from twisted_lb.terms import Address

from .tokens import NOW, THUMBPRINT

FTP = Address("ftp.example.com", 21)
HOST = Address("mainframe", 23)
SETTINGS = TokenServerSettings(
    listen=(),
    users="users",
    issuer=Issuer("mss", "issuer.key", ("front.example.com",), lifetime=600.0, parallel=4),
    destinations=(
        Permitted(FTP, ("ann",), ("control", "data", "notification")),
        Permitted(HOST, ("*",)),
    ),
)
ASKED = Request(FTP, thumbprint=THUMBPRINT)


def decided(request: Request, user: str = "ann", **issuer: Any) -> Claims:
    numbers = count()
    settings = attrs.evolve(SETTINGS, issuer=attrs.evolve(SETTINGS.issuer, **issuer))
    return decide(request, user, settings, NOW + 0.9, lambda: f"drawn-{next(numbers)}")


def why(call: Any, *arguments: Any) -> tuple[int, str]:
    with pytest.raises(NotGiven) as caught:
        call(*arguments)
    return caught.value.status, caught.value.word


def test_a_user_is_given_what_they_may_have() -> None:
    assert decided(ASKED) == Claims(
        issuer="mss",
        audience=("front.example.com",),
        grant=Grant(
            user="ann",
            session="drawn-0",
            destination=FTP,
            roles=frozenset({"control", "data", "notification"}),
            parallel=1,
            thumbprint=THUMBPRINT,
        ),
        issued=int(NOW),
        not_before=int(NOW),
        expires=int(NOW) + 600,
        id="drawn-1",
    )


def test_nobody_is_given_more_than_they_ask_for_or_may_have() -> None:
    few = attrs.evolve(ASKED, roles=frozenset({"control"}), parallel=3)
    assert decided(few).grant.roles == {"control"}
    assert decided(few).grant.parallel == 3
    assert decided(attrs.evolve(ASKED, parallel=99)).grant.parallel == 4


def test_an_unknown_place_and_a_forbidden_one_are_answered_alike() -> None:
    unknown = attrs.evolve(ASKED, destination=Address("nowhere", 21))
    assert why(decided, unknown) == why(decided, ASKED, "bob") == (403, "destination")


def test_a_role_that_the_place_is_not_for_is_refused() -> None:
    assert why(decided, attrs.evolve(ASKED, roles=frozenset({"terminal"}))) == (403, "role")
    at_host = Request(HOST, frozenset({"terminal", "control"}), thumbprint=THUMBPRINT)
    assert why(decided, at_host, "bob") == (403, "role")


def test_tokens_are_bound_to_a_key_unless_the_operator_allows_others() -> None:
    loose = Request(HOST)
    assert why(decided, loose) == (403, "unbound")
    with_switch = decided(loose, unbound=True)
    assert with_switch.grant.thumbprint == ""


# -- what is asked ---------------------------------------------------------------------------------


def test_a_request_is_read() -> None:
    said = {
        "destination": "ftp.example.com:21",
        "roles": ["control", "data"],
        "parallel": 2,
        "cnf": {"x5t#S256": THUMBPRINT},
    }
    read = read_request(json.dumps(said).encode())
    assert read == Request(FTP, frozenset({"control", "data"}), 2, THUMBPRINT)
    assert read_request(b'{"destination": "mainframe:23"}') == Request(HOST)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"destination": 7},
        {"destination": "mainframe"},
        {"destination": "mainframe:23", "role": "terminal"},
        {"destination": "mainframe:23", "roles": "terminal"},
        {"destination": "mainframe:23", "roles": ["any"]},
        {"destination": "mainframe:23", "parallel": 0},
        {"destination": "mainframe:23", "parallel": "1"},
        {"destination": "mainframe:23", "parallel": True},
        {"destination": "mainframe:23", "cnf": THUMBPRINT},
        {"destination": "mainframe:23", "cnf": {}},
        [],
    ],
)
def test_what_cannot_be_understood_is_malformed(said: object) -> None:
    assert why(read_request, json.dumps(said).encode()) == (400, "malformed")


@pytest.mark.parametrize("body", [b"", b"destination=x", b"\xff", b'{"destination": "a:1", "d'])
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    assert why(read_request, body) == (400, "malformed")
