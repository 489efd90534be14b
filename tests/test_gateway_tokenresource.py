"""Asking the token server over HTTP: what is answered, what is logged, what is not waited for."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from io import BytesIO
from typing import Any

import attrs
import pytest
from passlib.context import CryptContext  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.server import Site

from twisted_lb.config.settings import LoginRules
from twisted_lb.facts import TokenAsked
from twisted_lb.gateway import tokenresource
from twisted_lb.gateway.logins import CHECKS_OF_ONE, Passwords
from twisted_lb.gateway.token import Trust, verify
from twisted_lb.gateway.tokenresource import BODY_MOST, CappedRequest, TokenResource
from twisted_lb.gateway.tokensettings import Issuer, Permitted, TokenServerSettings
from twisted_lb.gateway.users import Users
from twisted_lb.terms import Address

from .conftest import Errors
from .tokens import FRONT, NOW, THUMBPRINT, issuer

ANN = CryptContext(["bcrypt"], bcrypt__rounds=4).hash("anns")
SETTINGS = TokenServerSettings(
    listen=(),
    users="users",
    issuer=Issuer("mss", "issuer.key", (FRONT,)),
    destinations=(Permitted(Address("mainframe", 23), ("ann",)),),
    failed_logins=LoginRules(per_address=5, per_user=3, within=60.0),
)
ASKED = {"destination": "mainframe:23", "cnf": {"x5t#S256": THUMBPRINT}}
TRUST = Trust(issuer().trust.keys, FRONT)

Aside = Callable[[Callable[[], bool]], Deferred[bool]]


@attrs.frozen
class Response:
    status: int
    headers: dict[str, str]
    said: Any


class Server:
    """A token server without a network. `aside` stands for the threads."""

    def __init__(self, aside: Aside = lambda check: succeed(check())) -> None:
        self.clock = Clock()
        self.facts: list[Any] = []
        passwords = Passwords(Users(f"ann:{ANN}\n".encode(), "users"), aside)
        resource = TokenResource(
            SETTINGS, issuer().key, passwords, self.clock, lambda: NOW, self.facts.append
        )
        self.site = Site(resource, CappedRequest, reactor=self.clock)

    def send(self, request: bytes) -> tuple[Any, StringTransport]:
        """A connection on which this was sent."""
        transport = StringTransport()
        protocol: Any = self.site.buildProtocol(transport.getPeer())
        protocol.makeConnection(transport)
        protocol.dataReceived(request)
        return protocol, transport

    def answer(self, request: bytes) -> Response:
        """What it says to a request; the connection is closed then."""
        protocol, transport = self.send(request)
        response = read(transport.value())
        protocol.connectionLost(Failure(ConnectionDone()))
        return response

    def ask(self, user: str = "ann", password: str = "anns", said: Any = ASKED) -> Response:
        return self.answer(post(user, password, json.dumps(said).encode()))

    @property
    def told(self) -> list[tuple[str, str]]:
        """User and answer of every request in the log."""
        assert all(isinstance(fact, TokenAsked) for fact in self.facts)
        return [(fact.user, fact.answer) for fact in self.facts]


def post(
    user: str, password: str, body: bytes, *headers: bytes, length: int | None = None
) -> bytes:
    login = b"Basic " + b64encode(f"{user}:{password}".encode())
    size = len(body) if length is None else length
    return b"\r\n".join(
        [
            b"POST /token HTTP/1.1",
            b"Host: mss",
            b"Authorization: " + login,
            b"Content-Length: %d" % size,
            *headers,
            b"",
            body,
        ]
    )


def read(data: bytes) -> Response:
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    if headers.get("Transfer-Encoding") == "chunked":
        size, _, rest = body.partition(b"\r\n")
        body = rest[: int(size, 16)]
    return Response(int(status.split()[1]), headers, json.loads(body))


def test_a_user_is_given_a_token() -> None:
    server = Server()
    answer = server.ask()
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    claims = verify(answer.said["token"], TRUST, NOW)
    assert (claims.grant.user, claims.grant.destination) == ("ann", Address("mainframe", 23))
    assert answer.said["expires"] == claims.expires
    assert server.facts == [
        TokenAsked(
            Address("192.168.1.1", 54321),
            "ann",
            "mainframe:23",
            "given",
            0.0,
            claims.id,
            claims.grant.session,
        )
    ]


def test_no_two_tokens_are_of_one_session() -> None:
    server = Server()
    claims = [verify(server.ask().said["token"], TRUST, NOW) for _ in range(2)]
    assert len({each.id for each in claims}) == len({each.grant.session for each in claims}) == 2


def test_a_wrong_password_and_an_unknown_user_are_answered_alike() -> None:
    server = Server()
    wrong, unknown = server.ask(password="x"), server.ask(user="bob")
    for answer in (wrong, unknown):
        del answer.headers["Date"]
    assert wrong == unknown
    assert wrong.status == 401
    assert wrong.headers["WWW-Authenticate"] == 'Basic realm="lb-token-server", charset="UTF-8"'
    assert server.told == [("ann", "login"), ("bob", "login")]


def test_without_a_name_no_password_is_checked() -> None:
    server = Server(aside=None)  # type: ignore[arg-type]  # crashes when it is called
    for line in (b"X: y", b"Authorization: Bearer x", b"Authorization: Basic %", b"Authorization:"):
        answer = server.answer(b"POST /token HTTP/1.1\r\nHost: mss\r\n" + line + b"\r\n\r\n")
        assert answer.status == 401
    for user in ("", "a\nb", "x" * 256):
        assert server.ask(user=user).status == 401
    latin = b"Authorization: Basic " + b64encode(b"\xe9:x")
    assert server.answer(b"POST /token HTTP/1.1\r\nHost: m\r\n" + latin + b"\r\n\r\n").status == 401


def test_guessing_a_users_password_ends_soon() -> None:
    """From wherever; and the right one is not tried either, until the allowance grows back."""
    server = Server()
    assert [server.ask(password="x").status for _ in range(4)] == [401, 401, 401, 429]
    limited = server.ask()
    assert limited.status == 429
    assert limited.headers["Retry-After"] == "30"
    server.clock.advance(20)
    assert server.ask().status == 200


def test_guessing_many_users_from_one_address_ends_soon() -> None:
    server = Server()
    assert [server.ask(user=f"u{n}").status for n in range(6)] == [401] * 5 + [429]
    assert server.told[-1] == ("u5", "limit")


def test_a_place_where_the_user_may_not_go_is_refused() -> None:
    server = Server()
    answer = server.ask(said={**ASKED, "destination": "elsewhere:23"})
    assert (answer.status, answer.said) == (403, {"error": "destination"})
    assert server.facts[0].destination == "elsewhere:23"


def test_a_request_that_cannot_be_understood_is_explained() -> None:
    answer = Server().ask(said={"destination": 7})
    assert (answer.status, answer.said["error"]) == (400, "malformed")
    assert "host and port" in answer.said["detail"]


def test_only_strangers_hear_nothing_of_what_they_asked() -> None:
    assert Server().ask(user="bob", said={"destination": 7}).status == 401


def test_other_paths_and_methods_are_refused() -> None:
    server = Server()
    got = server.answer(b"GET /token HTTP/1.1\r\nHost: mss\r\n\r\n")
    assert (got.status, got.headers["Allow"]) == (405, "POST")
    assert server.answer(b"POST /other HTTP/1.1\r\nHost: mss\r\n\r\n").status == 404


@pytest.mark.parametrize("expects", [(), (b"Expect: 100-continue",)])
def test_a_body_that_is_announced_too_long_is_not_waited_for(expects: tuple[bytes, ...]) -> None:
    """Nor is a password checked. What comes of it all the same is no request."""
    server = Server(aside=None)  # type: ignore[arg-type]  # crashes when it is called
    head = post("ann", "anns", b"", *expects, length=BODY_MOST + 1)
    protocol, transport = server.send(head)
    answer = read(transport.value())
    assert (answer.status, answer.said) == (413, {"error": "too-long"})
    assert answer.headers["Connection"] == "close"
    assert transport.disconnecting
    said = transport.value()
    protocol.dataReceived(head)
    assert transport.value() == said
    assert server.told == [("", "too-long")]
    protocol.connectionLost(Failure(ConnectionDone()))


def test_a_body_of_any_length_is_neither_kept_nor_read() -> None:
    server = Server()
    head = post("ann", "anns", b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    protocol, transport = server.send(head)
    content = protocol._channel.requests[0].content
    assert isinstance(content, BytesIO)
    for _ in range(20):
        protocol.dataReceived(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
    assert content.tell() == BODY_MOST + 1
    protocol.dataReceived(b"0\r\n\r\n")
    assert read(transport.value()).status == 413
    protocol.connectionLost(Failure(ConnectionDone()))


def test_a_client_that_leaves_while_its_password_is_checked_is_forgotten() -> None:
    checks: list[Deferred[bool]] = []
    server = Server(aside=lambda check: checks.append(Deferred()) or checks[-1])  # type: ignore[func-returns-value]
    protocol, transport = server.send(post("ann", "anns", json.dumps(ASKED).encode()))
    protocol.connectionLost(Failure(ConnectionDone()))
    assert server.told == [("ann", "client-left")]
    checks[0].callback(True)
    assert transport.value() == b""


def test_who_leaves_before_the_answer_has_guessed_all_the_same() -> None:
    """Else nobody who hangs up early would ever have failed."""
    checks: list[Deferred[bool]] = []
    server = Server(aside=lambda check: checks.append(Deferred()) or checks[-1])  # type: ignore[func-returns-value]
    for _ in range(3):
        protocol, _ = server.send(post("ann", "x", json.dumps(ASKED).encode()))
        protocol.connectionLost(Failure(ConnectionDone()))
        checks[-1].callback(False)
    assert server.ask().status == 429


def test_who_hears_that_it_is_busy_may_come_again() -> None:
    checks: list[Deferred[bool]] = []
    server = Server(aside=lambda check: checks.append(Deferred()) or checks[-1])  # type: ignore[func-returns-value]
    body = json.dumps(ASKED).encode()
    asking = [server.send(post("ann", "anns", body)) for _ in range(CHECKS_OF_ONE)]
    busy = server.ask()
    assert (busy.status, busy.said, busy.headers["Retry-After"]) == (503, {"error": "busy"}, "30")
    checks[0].callback(True)
    assert read(asking[0][1].value()).status == 200
    for protocol, _ in asking:
        protocol.connectionLost(Failure(ConnectionDone()))


def test_our_own_fault_is_told_in_the_log_and_in_no_answer(
    clean_reactor: Errors, monkeypatch: Any
) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("broken")

    monkeypatch.setattr(tokenresource, "issue", broken)
    server = Server()
    answer = server.ask()
    assert (answer.status, answer.said) == (500, {"error": "internal-error"})
    assert server.told == [("ann", "internal-error")]
    assert "broken" in clean_reactor.seen.pop()
