"""One configuration in force: what is made of the settings of each frontend and each backend.

In: settings, what outlives them, the generation before. Out: Parts for the frontends' connections,
live backends with the services that ask their servers.

Rules:
- Making a generation changes nothing; whatever is wrong with it is raised while it is made.
- What the settings leave as it was is taken over from the generation before, not made again: its
  checks go on, its sessions notice nothing.
- A server of the same name and host is the same server: how it stands, its counts and what an
  operator said of it stay.
- Nothing here holds on to the generation before: it is gone with the last session of its day.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from random import SystemRandom
from typing import Final
from weakref import WeakValueDictionary

import attrs
from twisted.application.service import MultiService

from .accept import Door, descriptors
from .backend import LiveBackend, Reach
from .balance import Policy, Pool, policy
from .claims import Claims
from .config.settings import Backend, Frontend, Group, ServerRule, Settings
from .connection import Parts, Spoken
from .contexts import client_tls, server_tls
from .facts import Note
from .health.names import Names
from .health.probes import Prober
from .health.watch import OnChange, Watch, subjects
from .hints import Hints
from .opening import Dialogue, Shown, dialogue
from .plugins import Added
from .reactors import Reactor
from .relay import Idle
from .sight import Sources
from .spoken import Ftp, Opaque
from .terms import Server

_random: Final = SystemRandom()


def choose(count: int) -> int:
    """Chance, from the system's generator: nobody outside can foresee it."""
    return _random.randrange(count)


@attrs.frozen(eq=False)
class Lasting:
    """What outlives every configuration."""

    reactor: Reactor
    tcp: Reactor
    """The same, or with TCP of our own: for connections that are relayed."""
    note: Note
    plugins: Added
    claims: Claims
    reach: Reach
    idle: Idle
    on_change: OnChange
    """Told when a check or an agent has changed how a server stands."""
    sources: Sources = attrs.field(factory=Sources)
    servers: WeakValueDictionary[tuple[str, str, str], Server] = attrs.field(
        factory=WeakValueDictionary
    )
    """By backend, name and host: those in force, and those that have sessions yet."""


@attrs.frozen(eq=False)
class BackendInForce:
    """A backend's servers as they stand, and what asks them again and again."""

    live: LiveBackend
    port: int | None
    """What its checks dial; None: they say it themselves."""
    watch: Watch
    asking: MultiService


@attrs.frozen(eq=False)
class FrontInForce:
    """What the connections of a frontend go through."""

    parts: Parts
    door: Door


@attrs.frozen(eq=False)
class Generation:
    """A whole configuration in force."""

    number: int
    settings: Settings
    backends: Mapping[str, BackendInForce]
    fronts: Mapping[str, FrontInForce]

    @property
    def servers(self) -> Iterator[tuple[Server, ServerRule]]:
        """All servers, each with what is configured of it."""
        for backend in self.backends.values():
            yield from backend.live.rules.items()


def generation(settings: Settings, lasting: Lasting, former: Generation | None) -> Generation:
    """What these settings mean. Raises PluginError, OSError, ValueError."""
    backends = {
        backend.name: _backend(backend, settings, lasting, former)
        for backend in settings.backends.values()
    }
    fronts = {
        frontend.name: _front(frontend, settings, backends, lasting, former)
        for frontend in settings.frontends
    }
    return Generation(former.number + 1 if former else 1, settings, backends, fronts)


# -- backends --------------------------------------------------------------------------------------


def _backend(
    backend: Backend, settings: Settings, lasting: Lasting, former: Generation | None
) -> BackendInForce:
    ports = settings.dialled(backend.name) - {0}
    port = ports.pop() if len(ports) == 1 else None
    was = former.backends.get(backend.name) if former is not None else None
    if was is not None and (was.live.settings, was.port) == (backend, port):
        return was
    servers = tuple(_server(backend, rule, lasting) for rule in backend.servers)
    tls = server_tls(backend)
    pool = Pool(servers, _policy(backend, lasting, was), backend.slow_start)
    live = LiveBackend(backend, pool, dict(zip(servers, backend.servers, strict=True)), tls)
    watch = Watch(
        lasting.reactor,
        Prober(lasting.reactor),
        wall=time.time,  # noqa: TID251 - certificates end by the wall's clock
        note=lasting.note,
        on_change=lasting.on_change,
    )
    by_name = {server.name: server for server in servers}
    watch.attend(subjects(backend, by_name, port, tls), choose, was.watch if was else None)
    asking = MultiService()
    watch.setServiceParent(asking)
    named = [(server, backend.resolve) for server in servers]
    Names(lasting.reactor, named, lasting.note).setServiceParent(asking)
    return BackendInForce(live, port, watch, asking)


def _server(backend: Backend, rule: ServerRule, lasting: Lasting) -> Server:
    known = lasting.servers.get((backend.name, rule.name, rule.host))
    if known is not None:
        return known
    return Server(backend.name, rule.name, rule.host, rule.weight, rule.maxconn, admin=rule.state)


def _policy(backend: Backend, lasting: Lasting, was: BackendInForce | None) -> Policy:
    """The same one while nothing of it was changed: it knows whose turn it is."""
    if was is not None:
        theirs = was.live.settings
        names = [rule.name for rule in theirs.servers], [rule.name for rule in backend.servers]
        alike = (theirs.balance, theirs.failback) == (backend.balance, backend.failback)
        if alike and names[0] == names[1] and backend.balance not in lasting.plugins.policies:
            return was.live.pool.policy
    return policy(backend, choose, lasting.plugins.policies)


# -- frontends -------------------------------------------------------------------------------------


def _front(
    frontend: Frontend,
    settings: Settings,
    backends: Mapping[str, BackendInForce],
    lasting: Lasting,
    former: Generation | None,
) -> FrontInForce:
    groups = {group.name: group for group in settings.groups_of(frontend)}
    lives = {group.backend: backends[group.backend].live for group in groups.values()}
    was = former.fronts.get(frontend.name) if former is not None else None
    if was is not None and _unchanged(was.parts, frontend, groups, lives):
        return was
    door = was.door if was is not None else Door(frontend, choose, descriptors())
    return FrontInForce(_parts(frontend, groups, lives, door, lasting, was), door)


def _unchanged(
    parts: Parts,
    frontend: Frontend,
    groups: Mapping[str, Group],
    lives: Mapping[str, LiveBackend],
) -> bool:
    same = (parts.frontend, parts.groups) == (frontend, groups)
    return same and all(parts.backends[name] is live for name, live in lives.items())


def _parts(
    frontend: Frontend,
    groups: Mapping[str, Group],
    lives: Mapping[str, LiveBackend],
    door: Door,
    lasting: Lasting,
    was: FrontInForce | None,
) -> Parts:
    tls = client_tls(frontend)
    keys = lasting.plugins.keys

    def opened(shown: Shown) -> Dialogue:
        return dialogue(frontend, groups, shown, keys, tls.names if tls is not None else ())

    return Parts(
        frontend,
        groups,
        lives,
        lasting.tcp,
        lasting.claims,
        lasting.reach,
        lasting.note,
        opened,
        _spoken(frontend, lasting, was),
        _hints(frontend, was),
        tls,
        lasting.sources if frontend.observe else None,
        door.introduced,
    )


def _hints(frontend: Frontend, was: FrontInForce | None) -> Hints:
    if was is not None and was.parts.frontend.ftp.sticky_for == frontend.ftp.sticky_for:
        return was.parts.hints
    return Hints(frontend.ftp.sticky_for)


def _spoken(frontend: Frontend, lasting: Lasting, was: FrontInForce | None) -> Spoken:
    """What relays its connections."""
    if frontend.protocol == "ftp":
        former = was.parts.spoken if was is not None else None
        return Ftp(lasting.idle, frontend.ftp, choose, former if isinstance(former, Ftp) else None)
    anothers: Callable[..., Spoken] | None = lasting.plugins.protocols.get(frontend.protocol)
    if anothers is not None:
        return anothers(lasting.tcp, lasting.idle, frontend)
    return Opaque(lasting.tcp, lasting.idle)
