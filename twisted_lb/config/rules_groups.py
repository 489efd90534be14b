"""Rules of membership: the roles, keys and ports by which connections become one session.

Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..terms import LEARNED
from .locate import Path
from .meaning import Complaint, Meaning, Member, Rule
from .settings import Group, RoleRule
from .values import quote

ALWAYS_SHOWN: Final = ("connection", "source", "local-port")
"""Kinds of key that every connection has: no kind after them is ever asked."""

SHOWN_BY: Final = {
    "alpn": ("tls", "mode", ("pass", "terminate")),
    "opening": ("tls", "mode", ("off", "terminate")),
    "tls-session": ("tls", "mode", ("pass",)),
    "sni": ("tls", "mode", ("pass", "terminate")),
    "certificate": ("tls", "clients", ("any", "optional", "required")),
    "proxy": ("proxy", "mode", ("required",)),
}
"""Kinds of key that need a key of a frontend's table to be one of these."""


def roles_are_declared(meaning: Meaning) -> Iterator[Complaint]:
    """A frontend's role is one that each of its groups declares."""
    for member in meaning.members:
        path, role, group = (*member.path, "role"), member.frontend.role, member.group
        if member.frontend.protocol == "ftp":
            if role != "control":
                yield Complaint(path, f"{quote(role)} is not an ftp frontend's role: `control` is")
        elif role not in group.roles and not group.carries_roles:
            declared = ", ".join(map(quote, group.roles))
            roles: Path = ("group", group.name, "role")
            message = f"{quote(role)} is not a role of [group.{group.name}], which has {declared}"
            yield Complaint(path, message, (roles,))


def keys_can_decide(meaning: Meaning) -> Iterator[Complaint]:
    """Every kind of key in a group's list can be the one that decides."""
    for name, group in meaning.document.groups.items():
        path: Path = ("group", name, "key")
        if not group.key:
            yield Complaint(path, "is empty: without a key every connection would be refused")
        for index, kind in enumerate(group.key):
            before = group.key[:index]
            always = next((other for other in before if other in ALWAYS_SHOWN), None)
            if kind in before:
                yield Complaint((*path, index), f"{quote(kind)} is there already")
            elif always is not None:
                message = f"{quote(kind)} is never asked: {quote(always)} is always there"
                yield Complaint((*path, index), message)
        if "connection" in group.key and len(group.roles) > 1:
            roles = ", ".join(map(quote, group.roles))
            message = f'"connection" makes each connection a session of its own: {roles} never meet'
            yield Complaint(path, message, (("group", name, "role"),))


def keys_are_shown(meaning: Meaning) -> Iterator[Complaint]:
    """`sni` needs a ClientHello to read, `certificate` to be asked for, `proxy` a PROXY header."""
    for member in meaning.members:
        for kind, (table, key, wanted) in SHOWN_BY.items():
            written = getattr(getattr(member.frontend, table), key)
            if kind in member.group.key and written not in wanted:
                words = " or ".join(map(quote, wanted))
                yield Complaint(
                    ("group", member.group.name, "key"),
                    f"{quote(kind)} is never shown on frontend {quote(member.frontend.name)}: it "
                    f"needs `{table}.{key} = {words}` there",
                    ((*member.path, table, key),),
                )


def patterns_are_read(meaning: Meaning) -> Iterator[Complaint]:
    """A kind of key that needs a pattern has one, and no pattern is without its kind."""
    for name, group in meaning.document.groups.items():
        path: Path = ("group", name)
        for kind in ("alpn", "opening", "sni"):
            written = getattr(group.pattern, kind)
            if kind in group.key and not written and kind != "sni":
                message = f"is missing: the key {quote(kind)} is what this pattern finds"
                yield Complaint((*path, "pattern", kind), message, ((*path, "key"),))
            elif written and kind not in group.key:
                message = f"is read only with {quote(kind)} in `key`"
                yield Complaint((*path, "pattern", kind), message, ((*path, "key"),))


def learned_keys_stand_alone(meaning: Meaning) -> Iterator[Complaint]:
    """A TLS session names its channels only when nothing weaker could; somebody opens it."""
    for name, group in meaning.document.groups.items():
        path: Path = ("group", name, "key")
        opening = [role for role, rule in group.roles.items() if rule.opens]
        if LEARNED not in group.key:
            for role in opening:
                message = f"is read only with {quote(LEARNED)} as `key`"
                yield Complaint(("group", name, "role", role, "opens"), message, (path,))
            continue
        if len(group.key) > 1:
            message = (
                f"{quote(LEARNED)} stands alone: the first channel of a session cannot show it, "
                "and any other kind would decide for all that come later"
            )
            yield Complaint(path, message)
        if not opening:
            message = (
                "has no role that opens a session: say `opens = true` of those whose first "
                "channel has no TLS session to resume yet"
            )
            yield Complaint(("group", name, "role"), message, (path,))


def ranges_are_equal(meaning: Meaning) -> Iterator[Complaint]:
    """A range of server ports maps the ports that are listened on one to one."""
    for member in meaning.members:
        for path, rule in _rules(member):
            if isinstance(rule.server_port, tuple):
                first, last = rule.server_port
                if why := _unlike(member, last - first + 1):
                    message = f"has {last - first + 1} ports, but frontend {why}"
                    yield Complaint(path, message, ((*member.path, "listen"),))


def _rules(member: Member) -> Iterator[tuple[Path, RoleRule]]:
    """The rules of the roles that this frontend's channels may have, each with its port's path."""
    group, own = member.group, member.frontend.role
    if group.carries_roles:
        for role, rule in group.roles.items():
            yield ("group", group.name, "role", role, "server_port"), rule
    elif own in group.roles:
        yield member.port_path, group.roles[own]


def _unlike(member: Member, length: int) -> str:
    """Why the frontend's ports cannot be mapped to so many; empty when they can."""
    name = quote(member.frontend.name)
    ports = {address.port for address in member.frontend.listen}
    if not ports:
        return f"{name} does not say in `listen` which ports it has"
    if max(ports) - min(ports) + 1 != len(ports):
        return f"{name} listens on ports with gaps"
    return f"{name} listens on {len(ports)}" if len(ports) != length else ""


def whole_sessions_fit(meaning: Meaning) -> Iterator[Complaint]:
    """There is room for one channel of each role."""
    for name, group in meaning.document.groups.items():
        if group.max_channels < len(group.roles):
            message = f"{group.max_channels} is less than the {len(group.roles)} roles of a session"
            yield Complaint(("group", name, "max_channels"), message)
    for index, backend in enumerate(meaning.document.backends):
        largest = _largest(meaning, backend.name)
        for number, server in enumerate(backend.servers):
            if largest and server.maxconn is not None and server.maxconn < len(largest.roles):
                yield Complaint(
                    ("backend", index, "server", number, "maxconn"),
                    f"{server.maxconn} has no room for one session of group "
                    f"{quote(largest.name)}, which has {len(largest.roles)} channels",
                )


def _largest(meaning: Meaning, backend: str) -> Group | None:
    """The group of this backend with the most roles."""
    groups = [group for group in meaning.settings.groups.values() if group.backend == backend]
    return max(groups, key=lambda group: len(group.roles), default=None)


RULES: Final[tuple[Rule, ...]] = (
    roles_are_declared,
    keys_can_decide,
    keys_are_shown,
    patterns_are_read,
    learned_keys_stand_alone,
    ranges_are_equal,
    whole_sessions_fit,
)
