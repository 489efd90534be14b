"""What can be asked of the admin endpoint: a table of routes, each a request's shape and an answer.

Sans-I/O but for what the answers do. The OpenAPI document is made of this table (`openapi`), and
`web` finds a request's route in it. Rules:
- GET changes nothing. What acts is POST, PATCH or DELETE, and takes JSON or nothing.
- A request that is wrong is told which of its fields is, and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import attrs

from .. import facility
from ..terms import Server
from .views import Filter, Json, Views

Method = Literal["GET", "POST", "PATCH", "DELETE"]


class Refused(Exception):
    """A request is not done: a status, what is wrong, and with which field of it."""

    def __init__(self, status: int, error: str, field: str = "") -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.field = field


@attrs.frozen
class Given:
    """One field of a request: in its path, its query, or its body."""

    name: str
    meaning: str
    schema: Mapping[str, Any]
    """JSON Schema: `type` with `enum`, `minimum`, `maximum`, `maxLength`, `pattern`."""
    required: bool = False

    def read(self, raw: Any) -> Any:
        """What was given, if it is what is wanted. Raises Refused."""
        kind, schema = self.schema["type"], self.schema
        if kind == "integer" and isinstance(raw, float) and raw.is_integer():
            raw = int(raw)  # JSON does not tell 7.0 from 7
        fits = _KINDS[kind](raw)
        if fits and "enum" in schema:
            fits = raw in schema["enum"]
        if fits and kind in ("integer", "number"):
            fits = schema.get("minimum", raw) <= raw <= schema.get("maximum", raw)
        if fits and kind == "string":
            fits = len(raw) <= schema.get("maxLength", MOST) and bool(
                re.fullmatch(schema.get("pattern", "(?s).*"), raw)
            )
        if not fits:
            raise Refused(400, f"wants {self.wanted}, not {str(raw)[:80]!r}", self.name)
        return raw

    @property
    def wanted(self) -> str:
        """In words."""
        if "enum" in self.schema:
            return "one of " + ", ".join(self.schema["enum"])
        if "minimum" in self.schema:
            most = self.schema.get("maximum")
            return f"a number from {self.schema['minimum']}" + (f" to {most}" if most else "")
        return {"string": "a text", "boolean": "true or false"}.get(self.schema["type"], "a number")


MOST: Final = 256
"""Characters of any text."""


SESSION: Final = "^[0-9a-f]{1,16}-[0-9a-f]{1,16}$"
"""A session's id."""


def _whole(raw: Any) -> bool:
    return isinstance(raw, int) and not isinstance(raw, bool)


def _number(raw: Any) -> bool:
    return isinstance(raw, (int, float)) and not isinstance(raw, bool)


_KINDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda raw: isinstance(raw, str),
    "integer": _whole,
    "number": _number,
    "boolean": lambda raw: isinstance(raw, bool),
}


@attrs.frozen(eq=False)
class Route:
    """One thing that can be asked."""

    method: Method
    path: str
    """With its fields in braces."""
    summary: str
    answer: Callable[[Api, Json], Any]
    """Takes the fields; gives what is sent as JSON. Raises Refused."""
    query: tuple[Given, ...] = ()
    body: tuple[Given, ...] = ()
    status: int = 200
    missing: str = ""
    """What may be not there, for 404; empty: nothing."""

    @property
    def acts(self) -> bool:
        """Whether it changes anything."""
        return self.method != "GET"

    @property
    def fields(self) -> tuple[str, ...]:
        """Those of the path."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))

    def matches(self, parts: list[str]) -> Json | None:
        """The path's fields, when the path is this one's."""
        ours = self.path.strip("/").split("/")
        if len(ours) != len(parts):
            return None
        found = {}
        for our, part in zip(ours, parts, strict=True):
            if our.startswith("{"):
                found[our.strip("{}")] = part
            elif our != part:
                return None
        return found


@attrs.frozen(eq=False)
class Api:
    """What the answers are made with."""

    views: Views
    reload: Callable[[], object]
    """Puts the configuration in force that its file holds now. Raises Refused."""
    shut_down: Callable[[float | None], None]
    """Ends the process when its sessions have ended, or after so many seconds; None: as set."""
    who: str = "the API"
    """Who asks, for the log."""
    may_act: bool = True

    def server(self, given: Json) -> Server:
        """The server that the path names. Raises Refused."""
        try:
            return self.views.balancer.server(given["backend"], given["server"])
        except KeyError:
            name = f"{given['backend']}/{given['server']}"
            raise Refused(404, f"there is no server {name}") from None


# -- answers ---------------------------------------------------------------------------------------


def _status(api: Api, _: Json) -> Json:
    return {**api.views.status(), "may_act": api.may_act}


def _change(api: Api, given: Json) -> Json:
    server, balancer = api.server(given), api.views.balancer
    if "admin" in given:
        balancer.set_admin(server, given["admin"], f"set by {api.who}")
    if "weight" in given:
        balancer.set_weight(server, given["weight"], f"set by {api.who}")
    return api.views.server(server)


def _sessions(api: Api, given: Json) -> Json:
    limit, after = given.pop("limit", 100), given.pop("after", "")
    newest = given.pop("order", "oldest") == "newest"
    return api.views.sessions(Filter(**given), limit, after, newest)


def _session(api: Api, given: Json) -> Json:
    found = api.views.session(given["id"])
    if found is None:
        raise Refused(404, f"there is no session {given['id']}")
    return found


def _end(api: Api, given: Json) -> Json:
    found, claims = _session(api, given), api.views.balancer.claims
    session = claims.sessions.get(given["id"])
    assert session is not None, "it was found"
    claims.end(session, "killed")
    return found


def _fail_back(api: Api, given: Json) -> Json:
    try:
        api.views.balancer.fail_back(given["backend"])
    except KeyError:
        raise Refused(404, f"there is no backend {given['backend']}") from None
    except ValueError as why:
        raise Refused(409, str(why)) from None
    return _status(api, given)


def _levels(api: Api, _: Json) -> Json:
    return {"levels": facility.levels(), "facilities": ["all", *facility.facilities()]}


def _set_level(api: Api, given: Json) -> Json:
    try:
        facility.set_level(given.get("facility", "all"), given["level"])
    except ValueError as why:
        raise Refused(404, str(why), "facility") from None
    return _levels(api, given)


def _reload(api: Api, given: Json) -> Json:
    api.reload()
    return _status(api, given)


def _shut_down(api: Api, given: Json) -> Json:
    api.shut_down(given.get("deadline"))
    return _status(api, given)


# -- the table -------------------------------------------------------------------------------------

_TEXT: Final = {"type": "string", "maxLength": MOST}
_SERVER: Final = "/v1/servers/{backend}/{server}"

ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/v1/status", "The balancer in a few figures.", _status),
    Route(
        "GET",
        "/v1/servers",
        "Every server and how it stands.",
        lambda a, _: {"servers": a.views.servers()},
    ),
    Route(
        "GET",
        _SERVER,
        "One server, with what became of it lately.",
        lambda a, given: a.views.server(a.server(given)),
        missing="server",
    ),
    Route(
        "PATCH",
        _SERVER,
        "Drain a server, take it out, make it ready, change its weight.",
        _change,
        body=(
            Given(
                "admin",
                "drain: no new sessions, living ones go on; maintenance: nor checks",
                {"type": "string", "enum": ["ready", "drain", "maintenance"]},
            ),
            Given(
                "weight",
                "until the configuration changes it; 0: no new sessions",
                {"type": "integer", "minimum": 0, "maximum": 256},
            ),
        ),
        missing="server",
    ),
    Route(
        "POST",
        "/v1/backends/{backend}/fail-back",
        'New sessions go to the primary again (`balance = "first"`).',
        _fail_back,
        missing="backend",
    ),
    Route(
        "GET",
        "/v1/frontends",
        "Every frontend and where it listens.",
        lambda a, _: {"frontends": a.views.frontends()},
    ),
    Route(
        "GET",
        "/v1/sessions",
        "Living sessions with their channels, a page at a time.",
        _sessions,
        query=(
            Given("backend", "only of this backend", _TEXT),
            Given("server", "only on servers of this name", _TEXT),
            Given("group", "only of this group", _TEXT),
            Given("client", "only with a channel from this address", _TEXT),
            Given(
                "state",
                "only in this state",
                {
                    "type": "string",
                    "enum": ["pinning", "pinned", "closing", "lingering", "returning"],
                },
            ),
            Given("order", "which come first", {"type": "string", "enum": ["oldest", "newest"]}),
            Given("limit", "so many", {"type": "integer", "minimum": 1, "maximum": 1000}),
            Given("after", "`next` of the page before", {"type": "string", "pattern": SESSION}),
        ),
    ),
    Route(
        "GET", "/v1/sessions/{id}", "One session with its channels.", _session, missing="session"
    ),
    Route(
        "DELETE",
        "/v1/sessions/{id}",
        "End a session with all its channels; answers how it stood.",
        _end,
        missing="session",
    ),
    Route(
        "GET",
        "/v1/certificates",
        "Certificates that clients are shown, and that servers show, with their ends.",
        lambda a, _: {"certificates": a.views.certificates()},
    ),
    Route(
        "GET",
        "/v1/configuration",
        "The configuration in force, defaults included, as TOML.",
        lambda a, _: a.views.configuration(),
    ),
    Route(
        "GET",
        "/v1/log",
        "From which level on each facility says something in the process' log.",
        _levels,
    ),
    Route(
        "PATCH",
        "/v1/log",
        "Let a facility say more, or less, until the process ends.",
        _set_level,
        body=(
            Given("facility", "one of those that GET tells; all, where it is not given", _TEXT),
            Given("level", "from here on", {"type": "string", "enum": list(facility.LEVELS)}, True),
        ),
        missing="facility",
    ),
    Route(
        "POST",
        "/v1/reload",
        "Read the configuration's file again; 409 with every mistake, and nothing changed.",
        _reload,
    ),
    Route(
        "POST",
        "/v1/shutdown",
        "Listen no more, let living sessions end, then end the process.",
        _shut_down,
        body=(
            Given(
                "deadline",
                "seconds that they get, instead of `limits.drain`",
                {"type": "number", "minimum": 0, "maximum": 86400 * 7},
            ),
        ),
        status=202,
    ),
)
