"""What each request to the admin endpoint does and answers: an Api and its fields in, JSON out."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from .. import facility
from ..terms import Server
from .route import Refused
from .views import Filter, Json, Views


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


def status(api: Api, _: Json) -> Json:
    """How it stands, and whether who asks may act."""
    return {**api.views.status(), "may_act": api.may_act}


def change(api: Api, given: Json) -> Json:
    """Another standing of a server, another weight."""
    server, balancer = api.server(given), api.views.balancer
    if "admin" in given:
        balancer.set_admin(server, given["admin"], f"set by {api.who}")
    if "weight" in given:
        balancer.set_weight(server, given["weight"], f"set by {api.who}")
    return api.views.server(server)


def sessions(api: Api, given: Json) -> Json:
    """A page of sessions."""
    limit, after = given.pop("limit", 100), given.pop("after", "")
    newest = given.pop("order", "oldest") == "newest"
    return api.views.sessions(Filter(**given), limit, after, newest)


def session(api: Api, given: Json) -> Json:
    """One session. Raises Refused."""
    found = api.views.session(given["id"])
    if found is None:
        raise Refused(404, f"there is no session {given['id']}")
    return found


def end(api: Api, given: Json) -> Json:
    """End a session; how it stood. Raises Refused."""
    found, claims = session(api, given), api.views.balancer.claims
    living = claims.sessions.get(given["id"])
    assert living is not None, "it was found"
    claims.end(living, "killed")
    return found


def fail_back(api: Api, given: Json) -> Json:
    """New sessions go to the primary again. Raises Refused."""
    try:
        api.views.balancer.fail_back(given["backend"])
    except KeyError:
        raise Refused(404, f"there is no backend {given['backend']}") from None
    except ValueError as why:
        raise Refused(409, str(why)) from None
    return status(api, given)


def levels(api: Api, _: Json) -> Json:
    """From which level on each facility logs."""
    return {"levels": facility.levels(), "facilities": ["all", *facility.facilities()]}


def set_level(api: Api, given: Json) -> Json:
    """Change one of them. Raises Refused."""
    try:
        facility.set_level(given.get("facility", "all"), given["level"])
    except ValueError as why:
        raise Refused(404, str(why), "facility") from None
    return levels(api, given)


def reload(api: Api, given: Json) -> Json:
    """Put the file in force. Raises Refused."""
    api.reload()
    return status(api, given)


def shut_down(api: Api, given: Json) -> Json:
    """End the process in order."""
    api.shut_down(given.get("deadline"))
    return status(api, given)
