"""Rules of `passive_ports`: each port of ours says which server's data connections come to it.

Sans-I/O. What passes through encrypted names no session; where each server announces ports of its
own, the port names the server. What would lead a data connection astray is told before the start.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from .locate import Path
from .meaning import Complaint, Meaning, Member, Rule
from .settings import Backend, ServerRule
from .values import quote


def ranges_are_apart(meaning: Meaning) -> Iterator[Complaint]:
    """No port is two servers'."""
    for index, backend in enumerate(meaning.document.backends):
        owners = [(place, rule) for place, rule in enumerate(backend.servers) if rule.passive_ports]
        for (_, one), (place, other) in itertools.combinations(owners, 2):
            common = _ports(one) & _ports(other)
            if common:
                yield Complaint(
                    ("backend", index, "server", place, "passive_ports"),
                    f"{_told(common)} {quote(one.name)}'s, too: whose data connection would come "
                    "there?",
                )


def ports_lead_to_their_servers(meaning: Meaning) -> Iterator[Complaint]:
    """Who listens on them passes on to the same port, and is led by nothing else."""
    for member in meaning.members:
        owned = _owned(meaning, member)
        heard = {address.port for address in member.frontend.listen}
        if not owned & heard:
            continue
        listen: Path = (*member.path, "listen")
        strangers = heard - owned
        if strangers:
            yield Complaint(
                listen,
                f"{_told(strangers)} no server's, others are in `passive_ports`: a client that "
                "comes to one of these would be sent to any server; listen there with a frontend "
                "of its own, or give them to a server",
            )
        if member.group.name != member.frontend.name:
            yield Complaint(
                (*member.path, "group"),
                "is nothing for `passive_ports` of servers: the port says which server it is, and "
                "a key would say another; take `backend`",
                (listen,),
            )
        elif member.group.rule(member.frontend.role).server_port != "same":
            yield Complaint(
                member.port_path,
                'has to be "same": servers announce these very ports (`passive_ports`)',
                (listen,),
            )


def ports_are_listened_on(meaning: Meaning) -> Iterator[Complaint]:
    """What a server announces leads to us."""
    for index, backend in enumerate(meaning.document.backends):
        members = [member for member in meaning.members if member.group.backend == backend.name]
        heard = {address.port for member in members for address in member.frontend.listen}
        if any(member.frontend.endpoint for member in members):
            continue
        for place, rule in enumerate(backend.servers):
            deaf = _ports(rule) - heard
            if deaf:
                yield Complaint(
                    ("backend", index, "server", place, "passive_ports"),
                    f"{_told(deaf)} nobody's to listen on: a frontend with `backend = "
                    f"{quote(backend.name)}` has to",
                    tuple((*member.path, "listen") for member in members),
                )


def _owned(meaning: Meaning, member: Member) -> set[int]:
    """The ports that belong to servers of this member's backend."""
    backends: dict[str, Backend] = meaning.settings.backends
    backend = backends.get(member.group.backend)
    return set().union(*map(_ports, backend.servers)) if backend else set()


def _ports(rule: ServerRule) -> set[int]:
    return (
        set(range(rule.passive_ports[0], rule.passive_ports[1] + 1))
        if rule.passive_ports
        else set()
    )


def _told(ports: set[int]) -> str:
    """The first and the last of them, and a verb."""
    first, last = min(ports), max(ports)
    if first == last:
        return f"port {first} is"
    every = len(ports) == last - first + 1
    return f"ports {first}-{last} are" if every else f"{len(ports)} ports of {first}-{last} are"


RULES: Final[tuple[Rule, ...]] = (
    ranges_are_apart,
    ports_lead_to_their_servers,
    ports_are_listened_on,
)
