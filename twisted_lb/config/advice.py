"""Settings → what is allowed and yet may surprise: told by `--check`, never refused.

Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ..errors import Problem
from ..terms import LEARNED
from .settings import Settings

SESSIONS_PER_PORT: Final = 10
"""A passive port is taken from the announcement until its one connection comes: moments. Beyond so
many sessions for one port, transfers that start together are refused."""


def advice(settings: Settings) -> tuple[Problem, ...]:
    """Everything worth a second look, without lines: nothing here is one key's fault."""
    return tuple(problem for look in LOOKS for problem in look(settings))


def _shared_sessions(settings: Settings) -> Iterator[Problem]:
    for group in settings.groups.values():
        kinds = [kind for kind in group.key if not group.exact(kind)]
        if not kinds:
            continue
        words = ", ".join(kinds)
        yield Problem(
            f"group.{group.name}.key",
            f"{words} is shared: users who show the same one (behind one NAT address, say) are one "
            f"session on one server, of at most {group.max_channels} channels",
        )
        if settings.backends[group.backend].on_down == "keep":
            yield Problem(
                f"backend[{group.backend}].on_down",
                f'"keep" needs keys that separate users: with {words}, as long as one of them is '
                "connected to a server that is down, the others are sent there too",
            )


def _nothing_to_learn(settings: Settings) -> Iterator[Problem]:
    for group in settings.groups.values():
        if LEARNED not in group.key:
            continue
        others = [role for role, rule in group.roles.items() if not rule.opens]
        if others:
            refused = f"their channels of other roles ({', '.join(others)}) are refused (unkeyed)"
        else:
            refused = "each of their channels is a session of its own, on any server"
        yield Problem(
            f"group.{group.name}.key",
            f"{LEARNED} is learned up to TLS 1.2; clients of TLS 1.3 show nothing that can be: "
            f"{refused}. Either servers and clients stay with TLS 1.2, or what remains is a coarse "
            'key, as "source"',
        )


def _few_passive_ports(settings: Settings) -> Iterator[Problem]:
    for frontend in settings.frontends:
        first, last = frontend.ftp.passive_ports
        ports = last - first + 1
        if frontend.protocol == "ftp" and ports * SESSIONS_PER_PORT < frontend.maxconn:
            yield Problem(
                f"frontend[{frontend.name}].ftp.passive_ports",
                f"{ports} ports for up to {frontend.maxconn} sessions (maxconn): when more than "
                f"{ports} transfers start together, some are refused with 425",
            )


def _unused(settings: Settings) -> Iterator[Problem]:
    used = {group.name for _, group in settings.members()}
    for group in settings.groups.values():
        if group.name not in used:
            yield Problem(f"group.{group.name}", "no frontend uses it")
    backends = {group.backend for group in settings.groups.values()}
    for name in settings.backends.keys() - backends:
        yield Problem(f"backend[{name}]", "no frontend or group uses it")


def _roles_that_never_come(settings: Settings) -> Iterator[Problem]:
    for group in settings.groups.values():
        fronts = [frontend for frontend, theirs in settings.members() if theirs is group]
        coming = {frontend.role for frontend in fronts}
        announced = any(frontend.protocol == "ftp" for frontend in fronts)
        for role in group.roles:
            if fronts and not (announced or group.carries_roles) and role not in coming:
                path = f"group.{group.name}.role.{role}"
                yield Problem(path, "no frontend of the group has this role")


def _no_weight(settings: Settings) -> Iterator[Problem]:
    for backend in settings.backends.values():
        if not any(server.weight and server.state == "ready" for server in backend.servers):
            yield Problem(
                f"backend[{backend.name}].server",
                "no server takes new sessions: each has weight 0, drains or is in maintenance",
            )


LOOKS: Final[tuple[Callable[[Settings], Iterator[Problem]], ...]] = (
    _shared_sessions,
    _nothing_to_learn,
    _few_passive_ports,
    _unused,
    _roles_that_never_come,
    _no_weight,
)
