"""`/token` of the token server: an HTTP request in, a token or one word out.

In: `POST /token` with a user's name and password (HTTP Basic, RFC 7617) and what is asked for, as
JSON. Out: a signed token, or a status and one word; for every request one TokenAsked.
`docs/protocols/security-proxy.md` has the exchange byte by byte.

Rules:
- A wrong password and an unknown user are one answer, after about the same time.
- No password is checked for one who failed too often, or while too many are: see `logins`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from secrets import token_urlsafe
from typing import Any, Final

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from ..capped import BODY_MOST, CappedRequest
from ..ends import address
from ..facility import logger
from ..facts import Note, TokenAsked
from ..terms import Address
from .keys import SigningKey
from .logins import Logins, Passwords
from .token import issue
from .tokenclaims import Claims
from .tokenrequest import NotGiven, decide, read_request
from .tokensettings import TokenServerSettings

REALM: Final = b'Basic realm="lb-token-server", charset="UTF-8"'

log = logger(__name__)


@attrs.define
class _Asking:
    """What is known of one request so far, for the log."""

    client: Address
    began: float
    user: str = ""
    destination: str = ""


class TokenResource(Resource):
    """`/token`. `wall` tells seconds since 1970."""

    isLeaf = True

    def __init__(
        self,
        settings: TokenServerSettings,
        key: SigningKey,
        passwords: Passwords,
        clock: IReactorTime,
        wall: Callable[[], float],
        note: Note,
    ) -> None:
        super().__init__()
        self._settings = settings
        self._key = key
        self._logins = Logins(passwords, settings.failed_logins, clock.seconds)
        self._clock = clock
        self._wall = wall
        self._note = note

    # Resource

    def render(self, request: Request) -> int:
        assert isinstance(request, CappedRequest), "the site makes no others"
        asking = _Asking(_client(request), self._clock.seconds())
        answering = Deferred.fromCoroutine(self._answer(request, asking))
        request.notifyFinish().addErrback(lambda _: answering.cancel())
        answering.addErrback(self._left, asking)
        return NOT_DONE_YET

    # -- one request --------------------------------------------------------------------------

    async def _answer(self, request: CappedRequest, asking: _Asking) -> None:
        try:
            claims = await self._given(request, asking)
            text = issue(claims, self._key)
        except NotGiven as why:
            _refuse(request, why)
            self._tell(asking, why.word)
            return
        except CancelledError:
            raise
        except Exception:
            log.failure("a request for a token failed")
            _refuse(request, NotGiven(500, "internal-error"))
            self._tell(asking, "internal-error")
            return
        _send(request, 200, {"token": text, "expires": claims.expires})
        self._tell(asking, "given", claims)

    async def _given(self, request: CappedRequest, asking: _Asking) -> Claims:
        """The claims that this request is given. Raises NotGiven."""
        if request.path != b"/token":
            raise NotGiven(404, "path")
        if request.method != b"POST":
            raise NotGiven(405, "method")
        if request.announced > BODY_MOST:
            raise NotGiven(413, "too-long")
        await self._known(request, asking)
        content: Any = request.content
        body = content.read(BODY_MOST + 1)
        if len(body) > BODY_MOST:
            raise NotGiven(413, "too-long")
        asked = read_request(body)
        asking.destination = str(asked.destination)
        return decide(asked, asking.user, self._settings, self._wall(), _draw)

    async def _known(self, request: Request, asking: _Asking) -> None:
        """Return when the user is who they say. Raises NotGiven."""
        try:
            asking.user, password = _credentials(request)
        except UnicodeDecodeError:
            raise NotGiven(401, "login") from None
        if not asking.user:
            raise NotGiven(401, "login")
        if not await self._logins.check(asking.client.host, asking.user, password):
            raise NotGiven(401, "login")

    def _left(self, failure: Failure, asking: _Asking) -> None:
        failure.trap(CancelledError)
        self._tell(asking, "client-left")

    def _tell(self, asking: _Asking, answer: str, claims: Claims | None = None) -> None:
        seconds = self._clock.seconds() - asking.began
        token, session = (claims.id, claims.grant.session) if claims else ("", "")
        self._note(
            TokenAsked(
                asking.client, asking.user, asking.destination, answer, seconds, token, session
            )
        )


def _draw() -> str:
    return token_urlsafe(16)


# -- HTTP ------------------------------------------------------------------------------------------


def _client(request: Request) -> Address:
    return address(request.getClientAddress())


def _credentials(request: Request) -> tuple[str, str]:
    """Name and password; nobody where there is none, or one that does not print.

    Raises UnicodeDecodeError.
    """
    user, password = request.getUser().decode(), request.getPassword().decode()
    return (user, password) if user.isprintable() and len(user) < 256 else ("", "")


def _refuse(request: Request, why: NotGiven) -> None:
    if why.status == 401:
        request.setHeader(b"WWW-Authenticate", REALM)
    if why.status == 405:
        request.setHeader(b"Allow", b"POST")
    if why.status == 413:
        request.setHeader(b"Connection", b"close")
    if why.status in (429, 503):
        request.setHeader(b"Retry-After", b"30")
    _send(request, why.status, {"error": why.word} | ({"detail": why.detail} if why.detail else {}))


def _send(request: Request, status: int, said: Mapping[str, object]) -> None:
    request.setResponseCode(status, HTTPStatus(status).phrase.encode("ascii"))
    request.setHeader(b"Content-Type", b"application/json")
    request.setHeader(b"Cache-Control", b"no-store")
    request.write(json.dumps(said).encode("ascii") + b"\n")
    request.finish()
