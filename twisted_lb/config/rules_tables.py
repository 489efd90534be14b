"""Rules within one frontend or backend: its keys agree with each other.

Sans-I/O. Keys that are read only beside another one are in `applies`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .locate import Path
from .meaning import Complaint, Meaning, Rule
from .settings import Check
from .values import quote


def frontends_listen(meaning: Meaning) -> Iterator[Complaint]:
    """A frontend says in one way where it listens."""
    for path, frontend in meaning.frontends:
        listen, endpoint = (*path, "listen"), (*path, "endpoint")
        if frontend.listen and frontend.endpoint:
            yield Complaint(endpoint, "stands beside `listen`: take one of the two away")
        elif not frontend.listen and not frontend.endpoint:
            yield Complaint(listen, 'is missing: where to listen, as "*:21"', (endpoint,))


def routes_can_match(meaning: Meaning) -> Iterator[Complaint]:
    """Each route matches something that no route before it has taken.

    A route without a protocol takes its names whole; one without a name comes after all names.
    """
    for path, frontend in meaning.frontends:
        seen: set[tuple[str, str]] = set()
        for index, route in enumerate(frontend.routes):
            at = (*path, "route", index)
            pairs = {(sni, alpn) for sni in route.sni or ("",) for alpn in route.alpn or ("",)}
            if ("", "") in pairs:
                message = "matches everything: that is the frontend's own `group` or `backend`"
                yield Complaint(at, message, ((*at, "sni"), (*at, "alpn")))
            elif all(pair in seen or (pair[0], "") in seen for pair in pairs):
                yield Complaint(at, "never matches: routes before it take all that it names")
            seen |= pairs


def proxies_are_trusted(meaning: Meaning) -> Iterator[Complaint]:
    """A PROXY header is an address that the sender chose."""
    for path, frontend in meaning.frontends:
        if frontend.proxy.mode == "required" and not frontend.proxy.trusted:
            yield Complaint(
                (*path, "proxy", "trusted"),
                "is missing: whoever may write PROXY headers may claim any address",
            )


def data_headers_are_wanted(meaning: Meaning) -> Iterator[Complaint]:
    """`ftp.proxy_data` extends what a server wants on its control connection."""
    for path, frontend in meaning.frontends:
        if not frontend.ftp.proxy_data or frontend.backend not in meaning.settings.backends:
            continue
        servers = meaning.settings.backends[frontend.backend].servers
        if all(server.send_proxy == "off" for server in servers):
            message = f"no server of backend {quote(frontend.backend)} has `send_proxy`"
            yield Complaint((*path, "ftp", "proxy_data"), message)


def bare_data_is_of_ftp(meaning: Meaning) -> Iterator[Complaint]:
    """Nothing else has data connections of its own."""
    for path, frontend in meaning.frontends:
        if frontend.proxy.bare_data and frontend.protocol != "ftp":
            message = 'is read only with `protocol = "ftp"`'
            yield Complaint((*path, "proxy", "bare_data"), message, ((*path, "protocol"),))


def checks_can_run(meaning: Meaning) -> Iterator[Complaint]:
    """A check has all that its type needs."""
    for index, backend in enumerate(meaning.document.backends):
        path: Path = ("backend", index, "check")
        tls: Path = ("backend", index, "tls")
        for key, message in _check_lacks(backend.check, named=backend.tls.mode != "off"):
            yield Complaint((*path, key), message, ((*path, "type"), (*path, "user"), tls))


def _check_lacks(check: Check, named: bool) -> Iterator[tuple[str, str]]:
    if check.type == "tls" and not check.name and not named:
        yield "name", 'is missing: the name that certificates must carry, as "lb.example.com"'
    if check.type == "agent" and check.port is None:
        yield "port", "is missing: an agent answers on a port of its own"
    if check.type == "ftp" and check.data and not check.user:
        yield "user", "is missing: a data connection needs a login"
    if check.type == "ftp" and check.user and not check.password_file:
        yield "password_file", "is missing: passwords stand in files, not here"
    if check.type == "ftp" and check.password_file and not check.user:
        yield "user", "is missing: whose password is in `password_file`?"


def idle_times_are_read(meaning: Meaning) -> Iterator[Complaint]:
    """Idle is a session: its group says when, and a frontend only for a group of its own."""
    for path, frontend in meaning.frontends:
        if frontend.protocol == "ftp":
            continue  # has no group, and a preset
        if frontend.group and frontend.timeout.idle is not None:
            message = (
                f"is not read with a group: a session's idle time is [group.{frontend.group}]'s"
            )
            yield Complaint((*path, "timeout", "idle"), message)


RULES: Final[tuple[Rule, ...]] = (
    frontends_listen,
    routes_can_match,
    proxies_are_trusted,
    data_headers_are_wanted,
    bare_data_is_of_ftp,
    idle_times_are_read,
    checks_can_run,
)
