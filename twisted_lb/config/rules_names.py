"""Rules of names: each is given once, and each that is used is defined.

Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from .document import WrittenFrontend, WrittenRoute
from .locate import Path
from .meaning import Complaint, Meaning, Rule
from .values import did_you_mean, quote


def anything_there(meaning: Meaning) -> Iterator[Complaint]:
    """A configuration without a frontend does nothing."""
    if not meaning.document.frontends:
        yield Complaint(("frontend",), "is missing: without a [[frontend]] nothing is listened on")
    for index, backend in enumerate(meaning.document.backends):
        if not backend.servers:
            path: Path = ("backend", index, "server")
            yield Complaint(path, "is empty: a backend needs at least one [[backend.server]]")


def names_are_unique(meaning: Meaning) -> Iterator[Complaint]:
    """Log lines and metrics name frontends, backends and servers by these names."""
    document = meaning.document
    yield from _twice(("frontend",), document.frontends)
    yield from _twice(("backend",), document.backends)
    for index, backend in enumerate(document.backends):
        yield from _twice(("backend", index, "server"), backend.servers)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def _twice(path: Path, named: Iterable[_Named]) -> Iterator[Complaint]:
    seen: dict[str, int] = {}
    for number, one in enumerate(named, 1):
        first = seen.setdefault(one.name, number)
        if first != number:
            message = f"{quote(one.name)} is the name of no. {first}, too: rename one of the two"
            yield Complaint((*path, number - 1, "name"), message)


def own_groups_are_new(meaning: Meaning) -> Iterator[Complaint]:
    """The group that a frontend with `backend` gets has the frontend's name."""
    for path, frontend in meaning.frontends:
        if frontend.backend and frontend.name in meaning.document.groups:
            yield Complaint(
                (*path, "name"),
                f"{quote(frontend.name)} is also a [group]'s name: a frontend with `backend` has "
                "a group of its own by its own name; rename one of the two",
            )


def destinations_are_clear(meaning: Meaning) -> Iterator[Complaint]:
    """A frontend and each of its routes say in one way where connections go."""
    for path, frontend in meaning.frontends:
        if frontend.protocol == "ftp":
            yield from _ftp_destination(path, frontend)
        else:
            yield from _destination(path, frontend, optional=bool(frontend.routes))
        for index, route in enumerate(frontend.routes):
            yield from _destination((*path, "route", index), route, optional=False)


def _ftp_destination(path: Path, frontend: WrittenFrontend) -> Iterator[Complaint]:
    if frontend.group:
        yield Complaint(
            (*path, "group"),
            "an ftp frontend takes `backend`: each control connection is a session of its own, "
            "and its data channels are announced on it, so there are no keys to configure",
            ((*path, "protocol"),),
        )
    elif not frontend.backend:
        yield _nowhere(path, "backend")


def _destination(
    path: Path, one: WrittenFrontend | WrittenRoute, optional: bool
) -> Iterator[Complaint]:
    if one.group and one.backend:
        message = f"[group.{one.group}] names the backend: take `group` or `backend` away"
        yield Complaint((*path, "backend"), message)
    elif not one.group and not one.backend and not optional:
        yield _nowhere(path, "group")


def _nowhere(path: Path, key: str) -> Complaint:
    others = tuple((*path, other) for other in ("group", "backend", "route", "protocol"))
    either = "" if key == "backend" else ", and `backend` too"
    return Complaint((*path, key), f"is missing{either}: where do its connections go?", others)


def names_are_defined(meaning: Meaning) -> Iterator[Complaint]:
    """Every group and backend that is named exists."""
    groups = meaning.document.groups
    backends = {backend.name for backend in meaning.document.backends}
    unsure: tuple[Path, ...] = (
        ("backend",),
        *(("backend", index, "name") for index in range(len(meaning.document.backends))),
    )
    for path, group in _named(meaning, "group"):
        if group not in groups:
            hint = did_you_mean(group, groups)
            if group in backends:
                hint = f"a backend has this name: write `backend = {quote(group)}`"
            yield _undefined((*path, "group"), f"[group.{group}]", hint, ("group",))
    for path, backend in _named(meaning, "backend"):
        if backend not in backends:
            title = f"[[backend]] of name {quote(backend)}"
            hint = did_you_mean(backend, backends)
            yield _undefined((*path, "backend"), title, hint, *unsure)


def _undefined(path: Path, what: str, hint: str, *because: Path) -> Complaint:
    return Complaint(path, f"there is no {what}{': ' + hint if hint else ''}", because)


def _named(meaning: Meaning, key: str) -> Iterator[tuple[Path, str]]:
    """Every place that names a group or a backend, and the name."""
    places: list[tuple[Path, object]] = [
        (("group", name), group) for name, group in meaning.document.groups.items()
    ]
    for path, frontend in meaning.frontends:
        if key != "group" or frontend.protocol != "ftp":  # that is told to take no group at all
            places.append((path, frontend))
        places += [((*path, "route", i), route) for i, route in enumerate(frontend.routes)]
    for path, place in places:
        if name := getattr(place, key, ""):
            yield path, name


RULES: Final[tuple[Rule, ...]] = (
    anything_there,
    names_are_unique,
    own_groups_are_new,
    destinations_are_clear,
    names_are_defined,
)
