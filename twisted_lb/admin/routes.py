"""All that can be asked of the admin endpoint, as a table: `web` finds a request's route in it, and
the OpenAPI document is made of it (`openapi`).

GET changes nothing. What acts is POST, PATCH or DELETE, and takes JSON or nothing. A request that
is wrong is told which of its fields is, and changes nothing.
"""

from __future__ import annotations

from typing import Final

from .. import facility
from . import answers
from .route import MOST, SESSION, Given, Route

_TEXT: Final = {"type": "string", "maxLength": MOST}
_SERVER: Final = "/v1/servers/{backend}/{server}"

ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/v1/status", "The balancer in a few figures.", answers.status),
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
        answers.change,
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
        answers.fail_back,
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
        answers.sessions,
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
        "GET",
        "/v1/sessions/{id}",
        "One session with its channels.",
        answers.session,
        missing="session",
    ),
    Route(
        "DELETE",
        "/v1/sessions/{id}",
        "End a session with all its channels; answers how it stood.",
        answers.end,
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
        answers.levels,
    ),
    Route(
        "PATCH",
        "/v1/log",
        "Let a facility say more, or less, until the process ends.",
        answers.set_level,
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
        answers.reload,
    ),
    Route(
        "POST",
        "/v1/shutdown",
        "Listen no more, let living sessions end, then end the process.",
        answers.shut_down,
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
