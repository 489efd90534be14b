"""`--check --live`: settings in, a visit to every server on the ports that its channels dial, a
report out: what is wrong with each, and in what those of one backend differ.

Servers are visited in parallel, the ports of one after each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import attrs
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults

from .config.settings import Backend, Frontend, Group, Settings
from .health.look import Look, Sought
from .health.names import is_literal, look_up
from .likeness import Finding, Seen, findings, siblings, table
from .reactors import Reactor
from .terms import Address
from .tls import Identity

AT_ONCE: Final = 32
"""Servers that are visited at one time: each visit takes a descriptor or two."""
SAMPLE: Final = 4
"""Ports of one range that are visited at most: its first ones."""


@attrs.frozen
class Report:
    """What came of it."""

    findings: tuple[Finding, ...]
    tables: tuple[str, ...]
    visited: int
    """Ports of servers that were looked at."""

    @property
    def fine(self) -> bool:
        """Whether nothing is to be mended."""
        return not any(finding.fault for finding in self.findings)

    def __str__(self) -> str:
        return "\n".join((*map(str, self.findings), *self.tables))


async def look_live(settings: Settings, reactor: Reactor, wall: float) -> Report:
    """Visit every server; `wall` is now, in seconds since 1970. Raises OSError for a file."""
    places = DeferredSemaphore(AT_ONCE)
    visits = [
        places.run(Deferred.fromCoroutine, _visit(reactor, host, list(sought)))
        for host, sought in _by_server(settings)
    ]
    seen = [one for each in await gatherResults(visits) for one in each]
    warnings = {backend.name: backend.live.expiry_warning for backend in settings.backends.values()}
    tables = tuple(filter(None, map(table, siblings(seen))))
    return Report(findings(seen, wall, warnings), tables, len(seen))


async def _visit(reactor: Reactor, host: str, sought: list[Sought]) -> list[Seen]:
    """Everything that is sought of one server, at its first address."""
    addresses = (host,) if is_literal(host) else await look_up(reactor, host)
    if not addresses:
        return [
            Seen(one.backend, one.server, Address(host, one.port), "its name has no address")
            for one in sought
        ]
    return [await Look(reactor, one, addresses[0])() for one in sought]


def _by_server(settings: Settings) -> Iterator[tuple[str, list[Sought]]]:
    for backend in settings.backends.values():
        wanted = list(sought(settings, backend))
        for rule in backend.servers:
            if rule.state != "maintenance":
                named = (
                    attrs.evolve(one, server=rule.name, send_proxy=rule.send_proxy)
                    for one in wanted
                )
                yield rule.host, list(named)


def sought(settings: Settings, backend: Backend) -> Iterator[Sought]:
    """What is sought of each server of a backend, a port at a time. Raises OSError, ValueError."""
    ca = backend.live.ca or backend.tls.ca or backend.check.ca
    trusted = Path(ca).read_bytes() if ca else None
    tls, identity = backend.tls, None
    if tls.mode != "off" and tls.certificate:
        identity = Identity.read(tls.certificate, tls.key or tls.certificate)
    verifies = tls.mode != "off" or backend.check.type == "tls"
    members = [member for member in settings.members() if member[1].backend == backend.name]
    live = attrs.evolve(
        backend.live,
        names=backend.live.names or tuple(_names(backend, members)),
        alpn=backend.live.alpn or tuple(_protocols(backend, members)),
    )
    done: set[int] = set()
    for frontend, group in members:
        ports = sorted(group.dialled(frontend) - {0} - done)[:SAMPLE]
        done.update(ports)
        for port in ports:
            spoken, ftp = _speaks_tls(backend, frontend), frontend.protocol == "ftp"
            auth = spoken and tls.mode in ("starttls", "match")
            yield Sought(
                backend.name, "", port, spoken, ftp and (auth or not spoken), live,
                ca=trusted, identity=identity, verifies=verifies, auth=auth,
            )  # fmt: skip


def _speaks_tls(backend: Backend, frontend: Frontend) -> bool:
    if backend.live.tls != "auto":
        return backend.live.tls == "on"
    return backend.tls.mode != "off" or frontend.tls.mode == "pass"


def _names(backend: Backend, members: Iterable[tuple[Frontend, Group]]) -> Iterator[str]:
    """What clients and channels call the servers, where `live.names` does not say it."""
    told = [backend.tls.identity, backend.check.name]
    for frontend, group in members:
        told += [
            name for route in frontend.routes if route.group == group.name for name in route.sni
        ]
    yield from dict.fromkeys(name for name in told if name and not name.startswith("*."))


def _protocols(backend: Backend, members: Iterable[tuple[Frontend, Group]]) -> Iterator[str]:
    told = list(backend.tls.alpn)
    for frontend, group in members:
        told += [
            name for route in frontend.routes if route.group == group.name for name in route.alpn
        ]
    yield from dict.fromkeys(told)
