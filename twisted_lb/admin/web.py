"""The admin endpoint's HTTP: a request in, JSON out; who may do what.

Rules:
- Who comes by the unix socket has shown who they are; who comes by TCP shows the token, where there
  is one, for everything but the page itself, which tells nothing.
- A browser is a way for others to speak as its user: a request that another site's page makes is
  refused (by its Origin), and one by a name that another site may own (by its Host).
- Whatever is wrong with a request is its sender's to mend: 4xx, with the field. 500 is our fault.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import attrs
from twisted.internet.address import UNIXAddress
from twisted.web.resource import Resource
from twisted.web.server import Request

from ..capped import BODY_MOST, CappedRequest
from ..config.addresses import is_address
from ..ends import address
from ..facility import logger
from ..facts import AttackSeen, Note
from .answers import Api
from .openapi import document
from .page import PAGE, POLICY
from .route import Given, Refused, Route
from .routes import ROUTES

log = logger(__name__)

SAFE: Final = {b"Cache-Control": b"no-store", b"X-Content-Type-Options": b"nosniff",
               b"Referrer-Policy": b"no-referrer"}  # fmt: skip


@attrs.frozen
class Access:
    """What who comes by TCP may do; the unix socket's own mode says who comes by it."""

    token: bytes = attrs.field(default=b"", repr=False)
    """Empty: none is asked for."""
    acts: bool = False


class AdminResource(Resource):
    """Everything below `/`. `metrics` gives the text of a scrape, or None where there are none."""

    isLeaf = True

    def __init__(
        self, api: Api, access: Access, metrics: Callable[[], tuple[bytes, str]] | None, note: Note
    ) -> None:
        super().__init__()
        self.access = access
        self._api = api
        self._metrics = metrics
        self._note = note
        self._document = document(ROUTES, api.views.version)

    # Resource

    def render(self, request: Request) -> bytes:
        assert isinstance(request, CappedRequest), "the site makes no others"
        try:
            return self._answer(request)
        except Refused as why:
            told = {"error": why.error} | ({"field": why.field} if why.field else {})
            return _send(request, why.status, told)
        except Exception:
            log.failure("a request to the admin endpoint failed")
            return _send(request, 500, {"error": "our fault: the log has a traceback"})

    # -- one request --------------------------------------------------------------------------

    def _answer(self, request: CappedRequest) -> bytes:
        read = request.method in (b"GET", b"HEAD")
        self._same_site(request)
        if request.path in (b"/", b"/index.html") and read:
            return _page(request)
        self._known(request)
        if request.path == b"/metrics" and read:
            return self._measured(request)
        if request.path == b"/v1/openapi.json" and read:
            return _send(request, 200, self._document)
        route, given = _route(request)
        if route.acts and not self._may_act(request):
            raise Refused(403, 'this way is for reading: [admin] allow = "act" lets it act, too')
        given |= _query(route, request) | (_body(route, request) if route.acts else {})
        api = attrs.evolve(self._api, who=_who(request), may_act=self._may_act(request))
        return _send(request, route.status, route.answer(api, given))

    def _measured(self, request: Request) -> bytes:
        if self._metrics is None:
            needed = "pip install 'twisted-lb[prometheus]', and a start with [admin]"
            raise Refused(501, f"metrics need {needed}")
        text, kind = self._metrics()
        _head(request, 200, kind.encode())
        return text

    # -- who asks -----------------------------------------------------------------------------

    def _known(self, request: Request) -> None:
        if _is_local(request) or not self.access.token:
            return
        shown = (request.getHeader(b"Authorization") or b"").partition(b" ")
        right = hmac.compare_digest(shown[2].strip(), self.access.token)
        if shown[0].lower() == b"bearer" and right:
            return
        request.setHeader(b"WWW-Authenticate", b'Bearer realm="twisted-lb"')
        if shown[2]:
            self._note(AttackSeen("admin-token", "admin", address(request.getClientAddress())))
        raise Refused(401, "show the token: Authorization: Bearer …")

    def _may_act(self, request: Request) -> bool:
        return _is_local(request) or self.access.acts

    def _same_site(self, request: Request) -> None:
        """Raises Refused for what another site's page asks in its reader's name."""
        host = (request.getHeader(b"Host") or b"").decode("latin-1")
        origin = request.getHeader(b"Origin")
        if origin is not None and origin.decode("latin-1") not in (f"http://{host}",):
            raise Refused(403, "another site's page asks for this", "Origin")
        if _is_local(request) or self.access.token:
            return
        name = host.removeprefix("[").partition("]")[0] if "]" in host else host.partition(":")[0]
        if name != "localhost" and not is_address(name):
            raise Refused(403, "wants localhost or an address", "Host")


def _is_local(request: Request) -> bool:
    return isinstance(request.getClientAddress(), UNIXAddress)


def _who(request: Request) -> str:
    """For the log."""
    if not _is_local(request):
        return f"the API, {address(request.getClientAddress()).host}"
    uid = getattr(getattr(request.channel, "transport", None), "uid", None)
    return f"the API, uid {uid}"


# -- what is asked ---------------------------------------------------------------------------------


def _route(request: Request) -> tuple[Route, dict[str, Any]]:
    """The route of this request, and the fields in its path. Raises Refused: 400, 404, 405."""
    parts = list(_parts(request.path))
    found = [(route, route.matches(parts)) for route in ROUTES]
    here = [(route, given) for route, given in found if given is not None]
    if not here:
        raise Refused(404, "there is nothing of this name: /v1/openapi.json has all there is")
    asked = b"GET" if request.method == b"HEAD" else request.method
    for route, given in here:
        if route.method.encode() == asked:
            return route, given
    request.setHeader(b"Allow", ", ".join(route.method for route, _ in here).encode())
    raise Refused(405, f"can be asked by {', '.join(route.method for route, _ in here)}")


def _parts(path: bytes) -> Iterator[str]:
    for part in path.strip(b"/").split(b"/"):
        try:
            yield unquote_to_bytes(part).decode()
        except UnicodeDecodeError:
            raise Refused(400, "is not UTF-8", "path") from None


def _query(route: Route, request: Request) -> dict[str, Any]:
    known = {given.name: given for given in route.query}
    read = {}
    args: Mapping[bytes, list[bytes]] = request.args or {}
    for raw, values in args.items():
        name = raw.decode("utf-8", "backslashreplace")
        given = _one_of(known, name)
        if len(values) > 1:
            raise Refused(400, "is given twice", name)
        text = values[0].decode("utf-8", "backslashreplace")
        read[name] = given.read(_from_text(given, text))
    return read


def _from_text(given: Given, text: str) -> Any:
    if given.schema["type"] == "integer" and text.isascii() and text.isdigit() and len(text) < 16:
        return int(text)
    return text


def _body(route: Route, request: CappedRequest) -> dict[str, Any]:
    """The fields of a JSON object; none where there is no body. Raises Refused."""
    content: Any = request.content
    raw = content.read(BODY_MOST + 1)
    if request.announced > BODY_MOST or len(raw) > BODY_MOST:
        raise Refused(413, f"a body has {BODY_MOST} bytes at most", "body")
    known = {given.name: given for given in route.body}
    told = _object(request, raw) if raw else {}
    read = {name: _one_of(known, name).read(value) for name, value in told.items()}
    for given in route.body:
        if given.required and given.name not in read:
            raise Refused(400, f"is missing: {given.wanted}", given.name)
    if route.method == "PATCH" and not read:
        raise Refused(400, f"changes nothing: give {' or '.join(known)}", "body")
    return read


def _object(request: CappedRequest, raw: bytes) -> dict[str, Any]:
    if request.kind != b"application/json":
        raise Refused(415, "wants application/json", "Content-Type")
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError) as why:
        raise Refused(400, f"is no JSON: {str(why)[:80]}", "body") from None
    if not isinstance(told, dict):
        raise Refused(400, "wants a JSON object", "body")
    return told


def _one_of(known: Mapping[str, Given], name: str) -> Given:
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there are none here"
        raise Refused(400, f"is no field of this: {there}", name[:80])
    return known[name]


# -- what is sent ----------------------------------------------------------------------------------


def _send(request: Request, status: int, told: object) -> bytes:
    _head(request, status, b"application/json")
    return json.dumps(told).encode("ascii") + b"\n"


def _page(request: Request) -> bytes:
    _head(request, 200, b"text/html; charset=utf-8")
    request.setHeader(b"Content-Security-Policy", POLICY)
    return PAGE


def _head(request: Request, status: int, kind: bytes) -> None:
    request.setResponseCode(status, HTTPStatus(status).phrase.encode("ascii"))
    request.setHeader(b"Content-Type", kind)
    for name, value in SAFE.items():
        request.setHeader(name, value)
