"""The configuration as it is written, and the settings that it means.

Sans-I/O. A Document has the shape of the TOML text: one class per table. It differs from the
settings in one point only: a frontend, or one of its routes, may name a backend where no group is
needed. `settle` gives each of these a group of its own; `unsettle` finds them again.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, Literal

import attrs

from .settings import (
    AdminEndpoint,
    Backend,
    Frontend,
    Group,
    Limits,
    Log,
    Relay,
    RoleRule,
    Settings,
    SniRoute,
    Takeover,
)

ServerPort = int | tuple[int, int] | Literal["same"]

PRESETS: Final[dict[str, dict[str, Any]]] = {
    "ftp": {"role": "control", "timeout": {"idle": "15m"}},
}
"""What a protocol sets in its `[[frontend]]` where the text says nothing, in the same words.

An FTP client that does nothing for a quarter of an hour has left; a terminal has not.
"""


@attrs.frozen
class WrittenRoute(SniRoute):
    """A `[[frontend.route]]`."""

    group: str = ""
    backend: str = ""


@attrs.frozen
class WrittenFrontend(Frontend):
    """A `[[frontend]]`."""

    backend: str = ""
    """Instead of a group: every connection (for ftp: control connection) is its own session."""
    server_port: ServerPort = "same"
    """With `backend`: what `server_port` is to a group's role."""
    routes: tuple[WrittenRoute, ...] = ()

    @property
    def own_groups(self) -> dict[str, str]:
        """The groups that this frontend needs for itself → their backends."""
        groups = {own_name(self, route.backend): route.backend for route in self.routes}
        return {name: b for name, b in [*groups.items(), (self.name, self.backend)] if b}


@attrs.frozen
class Document:
    """A whole configuration file."""

    frontends: tuple[WrittenFrontend, ...] = ()
    groups: dict[str, Group] = attrs.field(factory=dict)
    backends: tuple[Backend, ...] = ()
    limits: Limits = attrs.field(factory=Limits)
    log: Log = attrs.field(factory=Log)
    admin: AdminEndpoint = attrs.field(factory=AdminEndpoint)
    takeover: Takeover = attrs.field(factory=Takeover)
    relay: Relay = "auto"


def own_name(frontend: Frontend, backend: str) -> str:
    """The group of a route that names a backend. No name that people give has a slash."""
    return f"{frontend.name}/{backend}"


def own_group(frontend: Frontend, port: ServerPort, name: str, backend: str) -> Group:
    """The group of a frontend that has none: no two of its connections belong together."""
    ftp = frontend.protocol == "ftp"
    roles = {frontend.role: RoleRule(principal=ftp, server_port=port)}
    if ftp:
        roles["data"] = RoleRule()
    return Group(
        name=name,
        backend=backend,
        key=("connection",),
        linger=0.0,
        roles=roles,
        grace=frontend.ftp.grace,
        idle=frontend.timeout.idle,
    )


def settle(document: Document) -> Settings:
    """The settings that a document without errors means."""
    groups = dict(document.groups)
    for written in document.frontends:
        for name, backend in written.own_groups.items():
            groups[name] = own_group(written, written.server_port, name, backend)
    return Settings(
        frontends=tuple(_settle_frontend(written) for written in document.frontends),
        groups=groups,
        backends={backend.name: backend for backend in document.backends},
        limits=document.limits,
        log=document.log,
        admin=document.admin,
        takeover=document.takeover,
        relay=document.relay,
    )


def _settle_frontend(written: WrittenFrontend) -> Frontend:
    routes = tuple(
        SniRoute(route.group or own_name(written, route.backend), route.sni, route.alpn)
        for route in written.routes
    )
    fields = _fields(written, Frontend) | {"routes": routes}
    return Frontend(**fields | {"group": written.group or (written.backend and written.name)})


def unsettle(settings: Settings) -> Document:
    """A document that means these settings, with a backend wherever a group says no more."""
    frontends = tuple(_unsettle_frontend(settings, frontend) for frontend in settings.frontends)
    own = {name for frontend in frontends for name in frontend.own_groups}
    return Document(
        frontends=frontends,
        groups={name: group for name, group in settings.groups.items() if name not in own},
        backends=tuple(settings.backends.values()),
        limits=settings.limits,
        log=settings.log,
        admin=settings.admin,
        takeover=settings.takeover,
        relay=settings.relay,
    )


def _unsettle_frontend(settings: Settings, frontend: Frontend) -> WrittenFrontend:
    own = _own_groups(settings, frontend)
    routes = tuple(
        WrittenRoute(**_fields(route, SniRoute) | _group_or_backend(own, route.group))
        for route in frontend.routes
    )
    fields = _fields(frontend, Frontend) | _group_or_backend(own, frontend.group)
    ports = [group.roles[frontend.role].server_port for group in own.values()]
    return WrittenFrontend(**fields | {"routes": routes}, server_port=ports[0] if ports else "same")


def _own_groups(settings: Settings, frontend: Frontend) -> dict[str, Group]:
    """Those of its groups that `own_group` would make again, and that nobody else names."""
    uses = Counter(name for each in settings.frontends for name in _groups_of(each))
    own: dict[str, Group] = {}
    for name in _groups_of(frontend):
        group = settings.groups[name] if name in settings.groups else Group(name, "")
        port = group.roles[frontend.role].server_port if frontend.role in group.roles else "same"
        alone = name == frontend.name == frontend.group and uses[name] == 1
        named = alone or name == own_name(frontend, group.backend)
        if named and own_group(frontend, port, name, group.backend) == group:
            own[name] = group
    return own


def _groups_of(frontend: Frontend) -> tuple[str, ...]:
    return (frontend.group, *(route.group for route in frontend.routes))


def _group_or_backend(own: dict[str, Group], group: str) -> dict[str, str]:
    return {"group": "", "backend": own[group].backend} if group in own else {"group": group}


def _fields(value: Any, cls: type) -> dict[str, Any]:
    """The fields of `cls` that `value` has, unchanged."""
    return {field.name: getattr(value, field.name) for field in attrs.fields(cls)}
