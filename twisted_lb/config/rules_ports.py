"""Rules of ports: nothing listens twice, data ports are apart, a check knows where to knock.

Sans-I/O. Data listeners for clients stand on the address that the control connection reached, so
that two ftp frontends on different addresses may draw from the same range.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator
from typing import Final

import attrs

from .addresses import runs
from .document import WrittenFrontend
from .locate import Path
from .meaning import Complaint, Meaning, Member, Rule
from .settings import Backend
from .values import quote


@attrs.frozen
class Claim:
    """Ports on a host that a frontend needs for itself."""

    path: Path
    """The frontend's."""
    key: str
    """`listen`, or the dotted key of a range for data connections."""
    owner: str
    host: str
    first: int
    last: int

    @property
    def place(self) -> Path:
        """The key's path."""
        return (*self.path, *self.key.split("."))


def claims_are_apart(meaning: Meaning) -> Iterator[Complaint]:
    """No two claims have a port in common on one address; of each two keys one clash is told."""
    claims = [claim for path, frontend in meaning.frontends for claim in _listeners(path, frontend)]
    claims += [claim for path, frontend in meaning.frontends for claim in _data(path, frontend)]
    told: set[tuple[Path, Path]] = set()
    for one, other in itertools.combinations(claims, 2):
        if _clash(one, other) and (one.place, other.place) not in told:
            told.add((one.place, other.place))
            because = ((*other.path, "listen"), (*other.path, "protocol"), one.place)
            yield Complaint(other.place, _shared(one, other), because)


def _listeners(path: Path, frontend: WrittenFrontend) -> Iterator[Claim]:
    for run in runs(frontend.listen):
        if run[0].port:
            yield Claim(path, "listen", frontend.name, run[0].host, run[0].port, run[-1].port)


def _data(path: Path, frontend: WrittenFrontend) -> Iterator[Claim]:
    if frontend.protocol != "ftp":
        return
    hosts = {address.host: None for address in frontend.listen} or ("*",)
    for host in hosts:
        yield Claim(path, "ftp.passive_ports", frontend.name, host, *frontend.ftp.passive_ports)
    if frontend.ftp.server_ports is not None:
        yield Claim(path, "ftp.server_ports", frontend.name, "*", *frontend.ftp.server_ports)


def _clash(one: Claim, other: Claim) -> bool:
    if one.place == other.place and one.key != "listen":
        return False
    apart = one.last < other.first or other.last < one.first
    return not apart and _same_place(one.host, other.host)


def _shared(one: Claim, other: Claim) -> str:
    first, last = max(one.first, other.first), min(one.last, other.last)
    ports = f"ports {first}-{last} also belong" if first < last else f"port {first} also belongs"
    return f"{ports} to {one.key} of frontend {quote(one.owner)}, on the same address"


def _same_place(one: str, other: str) -> bool:
    """Whether two listeners on these hosts would meet; the unspecified address means all, that of
    IPv6 those of IPv4, too."""
    if not {"*", "::"}.isdisjoint((one, other)) or one == other:
        return True
    a, b = ipaddress.ip_address(one), ipaddress.ip_address(other)
    return a.version == b.version and (a.is_unspecified or b.is_unspecified)


def ftp_has_addresses(meaning: Meaning) -> Iterator[Complaint]:
    """Data connections need an IP address to come to; a unix socket has none."""
    for path, frontend in meaning.frontends:
        if frontend.protocol == "ftp" and frontend.endpoint.startswith("unix:"):
            yield Complaint(
                (*path, "endpoint"),
                "is a unix socket: ftp opens data connections at the address that its control "
                'connection came to, so it needs one of TCP; use `listen`, as "*:21"',
                ((*path, "protocol"),),
            )


def checks_know_their_port(meaning: Meaning) -> Iterator[Complaint]:
    """Where channels go to several ports of a server, the check must be told which one to ask."""
    for index, backend in enumerate(meaning.document.backends):
        if backend.check.type in ("off", "agent") or backend.check.port is not None:
            continue
        members = [member for member in meaning.members if _dials(member, backend)]
        ports = {port for each in members for port in each.group.dialled(each.frontend)}
        if len(ports) > 1 or 0 in ports:
            where = f"{len(ports)} ports of a server" if len(ports) > 1 else "any port of a server"
            yield Complaint(
                ("backend", index, "check", "port"),
                f"is missing: channels of this backend go to {where}; say which one to check",
                tuple((*member.path, "listen") for member in members),
            )


def _dials(member: Member, backend: Backend) -> bool:
    """Whether the member's channels dial this backend, as far as it is complete."""
    frontend, group = member.frontend, member.group
    known = frontend.role in group.roles or group.carries_roles
    complete = bool(frontend.listen or frontend.endpoint) and known
    return complete and group.backend == backend.name


RULES: Final[tuple[Rule, ...]] = (claims_are_apart, ftp_has_addresses, checks_know_their_port)
