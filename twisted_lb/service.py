"""Builds the balancer from settings: the only place where all objects meet.

`balancer(settings, reactor)` gives a service. Starting it listens, and fails when a listener
cannot; stopping it drains: no new connections, living sessions get `limits.drain` seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from random import SystemRandom
from typing import get_args

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, TimeoutError, inlineCallbacks
from twisted.internet.interfaces import IListeningPort

from .accept import Door, Entrance, descriptors
from .backend import LiveBackend, Reach
from .balance import Pool, policy
from .certificates import Certificates
from .claims import Claims
from .config.settings import Backend, Frontend, Settings
from .connection import Parts, Spoken, Story, carry
from .contexts import client_tls, server_tls
from .drains import Drains
from .ends import End, address
from .facts import Announced, ConnectionEnded, Note, ServerChanged
from .health.names import Names
from .health.probes import Prober
from .health.watch import Watch, subjects
from .hints import Hints
from .listeners import listen
from .opening import dialogue
from .plugins import NOTHING_ADDED, Added, added
from .reactors import Reactor
from .relay import Idle
from .session import Sessions
from .sight import Sources
from .spoken import Ftp, Opaque
from .terms import Address, Admin, Ending, Server

FLUSH = 5.0
"""Seconds that connections get to close in order when their sessions were ended at a stop."""

random = SystemRandom()


def choose(count: int) -> int:
    """Chance, from the system's generator: nobody outside can foresee it."""
    return random.randrange(count)


class Balancer(MultiService):
    """The whole balancer as a service: frontends, sessions, backends, checks."""

    def __init__(
        self, settings: Settings, reactor: Reactor, note: Note, plugins: Added = NOTHING_ADDED
    ) -> None:
        super().__init__()
        self.settings = settings
        self.backends = {b.name: live_backend(b, plugins) for b in settings.backends.values()}
        owner = os.urandom(3).hex()
        sessions = Sessions(capacity=settings.limits.sessions, secret=os.urandom(32), owner=owner)
        self.claims = Claims(sessions, reactor, note)
        self.stories: set[Story] = set()
        """Every client connection that is not gone yet."""
        self.listening: list[tuple[str, IListeningPort]] = []
        """Frontend and port of every open listener."""
        self.parts: dict[str, Parts] = {}
        """What the connections of each frontend that listens go through."""
        self._reactor = reactor
        self._plugins = plugins
        self._note = note
        self._owner = owner
        self._count = 0
        self._idle = Idle(reactor, self.claims.end)
        self._reach = Reach(reactor, self.claims, note)
        self._sources = Sources()
        self._drains = Drains(reactor, lambda server: self.claims.evict(server, "drained"))
        self._emptied: Deferred[None] | None = None
        self._hurried = False

        self._certificates = Certificates(reactor, note)
        self._certificates.setServiceParent(self)
        for live in self.backends.values():
            self._certificates.used_by(live.settings, live.tls)
        self._add_checks()

    # -- for operators and tests --------------------------------------------------------------

    @property
    def servers(self) -> Iterator[Server]:
        """All servers of all backends, as they stand."""
        return (server for live in self.backends.values() for server in live.pool.servers)

    def server(self, backend: str, name: str) -> Server:
        """One server. Raises KeyError when there is none of this name."""
        for server in self.backends[backend].pool.servers:
            if server.name == name:
                return server
        raise KeyError(f"{backend}/{name}")

    def address(self, frontend: str) -> Address:
        """Where this frontend listens first."""
        return next(address(port.getHost()) for name, port in self.listening if name == frontend)

    def set_admin(self, server: Server, admin: Admin) -> None:
        """Drain: no new sessions; living ones go on, until the backend's `timeout.drain`.

        Maintenance: the same without checks. Raises ValueError for another word.
        """
        if admin not in get_args(Admin):
            raise ValueError(f"{admin!r}: a server is {', '.join(get_args(Admin))}")
        server.admin = admin
        self._note(ServerChanged(str(server), admin, "set by an operator"))
        self._stands_as(server, admin)

    def fail_back(self, backend: str) -> None:
        """New sessions go to the primary again (`balance = "first"`, `failback = "manual"`).

        Raises KeyError when there is no such backend, ValueError when it knows no primary.
        """
        if not self.backends[backend].pool.fail_back():
            raise ValueError(f"backend {backend}: its policy knows no primary")
        self._note(Announced("failed-back", backend))

    def _changed(self, server: Server, state: str, reason: str) -> None:
        """A check changed how the server stands."""
        if state == "down":
            self.claims.down(server, end=self._ends_sessions(server))
        else:
            self._stands_as(server, state)

    def _stands_as(self, server: Server, state: str) -> None:
        """An operator or an agent has said how it stands."""
        if state in ("drain", "maintenance"):
            self.claims.unavailable(server)
            self._drains.begin(server, self.backends[server.backend].settings.timeout.drain)
        elif state == "ready":
            self._drains.forget(server)

    def _ends_sessions(self, server: Server) -> bool:
        """What a server that is down does to its living sessions: what its backend says."""
        on_down = self.backends[server.backend].settings.on_down
        if on_down is not None:
            return on_down == "end"
        groups = (f.group for f in self.settings.frontends if f.protocol == "ftp")
        return any(self.settings.groups[g].backend == server.backend for g in groups)

    # -- IService -----------------------------------------------------------------------------

    def privilegedStartService(self) -> None:
        """Listen while the process may still bind low ports."""
        self._listen()
        super().privilegedStartService()

    def startService(self) -> None:
        """Listen, if that was not done yet, and run."""
        if not self.listening:
            self._listen()
        self._hurried = False
        self._idle.start()
        super().startService()

    @inlineCallbacks
    def stopService(self):  # type: ignore[no-untyped-def]
        """Drain: stop listening, let living sessions end by themselves until the deadline."""
        for _, port in self.listening:
            yield port.stopListening()
        self.listening.clear()
        self._note(Announced("draining", f"{len(self.stories)} connections"))
        yield self._until_empty(0.0 if self._hurried else self.settings.limits.drain)
        word = "killed" if self._hurried else "drained"
        self.claims.end_all(word)
        self._cut([story for story in self.stories if story.seat is None], word)
        yield self._until_empty(FLUSH)
        self._cut(list(self.stories), word)
        yield self._until_empty(FLUSH)
        self._drains.stop()
        self._idle.stop()
        self.claims.stop()
        yield super().stopService()
        self._note(Announced("stopped"))

    def _cut(self, stories: list[Story], word: Ending) -> None:
        for story in stories:
            story.ended(word)
            story.cut()

    def end_now(self) -> None:
        """A stop under way waits no longer for sessions to end by themselves."""
        self._hurried = True
        self._wait_no_more()

    def _wait_no_more(self) -> None:
        if self._emptied is not None and not self._emptied.called:
            self._emptied.callback(None)

    def _until_empty(self, seconds: float) -> Deferred[None]:
        """Fires when the last connection is gone, when told to end now, or at the deadline."""
        self._emptied = Deferred()
        if not self.stories or not seconds:
            self._emptied.callback(None)
        waiting = self._emptied.addTimeout(seconds, self._reactor)
        return waiting.addErrback(lambda failure: failure.trap(TimeoutError) and None)

    # -- checks and names -----------------------------------------------------------------------

    def _add_checks(self) -> None:
        """Everything that is asked of servers again and again, as services of ours."""
        watch = Watch(
            self._reactor,
            Prober(self._reactor),
            wall=time.time,  # noqa: TID251 - certificates end by the wall's clock
            note=self._note,
            on_change=self._changed,
        )
        for live in self.backends.values():
            by_name = {server.name: server for server in live.pool.servers}
            ports = self.settings.dialled(live.settings.name) - {0}
            port = ports.pop() if len(ports) == 1 else None
            watch.attend(subjects(live.settings, by_name, port, live.tls), choose)
        watch.setServiceParent(self)
        named = [(s, live.settings.resolve) for live in self.backends.values() for s in live.rules]
        Names(self._reactor, named, self._note).setServiceParent(self)

    # -- frontends ----------------------------------------------------------------------------

    def _listen(self) -> None:
        """Open every frontend, or none."""
        try:
            for frontend in self.settings.frontends:
                for port in listen(self._reactor, frontend, self._entrance(frontend)):
                    self.listening.append((frontend.name, port))
        except Exception:
            for _, port in self.listening:
                port.stopListening()
            self.listening.clear()
            raise
        for name, port in self.listening:
            self._note(Announced("listening", f"{name} on {address(port.getHost())}"))

    def _entrance(self, frontend: Frontend) -> Entrance:
        door = Door(frontend, choose, descriptors())
        parts = self.parts[frontend.name] = self._parts(frontend, door)

        def enter(end: End) -> None:
            self._count += 1
            story = Story(f"{self._owner}.{self._count:x}", end, parts, gone)
            self.stories.add(story)
            path = Deferred.fromCoroutine(carry(story))
            path.addBoth(lambda _: door.settled(end))
            end.on_lost = path.cancel

        def gone(story: Story) -> None:
            self.stories.discard(story)
            door.left()
            if not self.stories:
                self._wait_no_more()

        def turned_away(peer: Address, word: Ending) -> None:
            self._note(ConnectionEnded("", frontend.name, peer, word, 0.0))

        return Entrance(door, self.settings.limits.hold, enter, turned_away)

    def _parts(self, frontend: Frontend, door: Door) -> Parts:
        groups = self.settings.groups
        tls = client_tls(frontend)
        self._certificates.shown_by(frontend, tls)
        return Parts(
            frontend,
            groups,
            self.backends,
            self._reactor,
            self.claims,
            self._reach,
            self._note,
            lambda shown: dialogue(
                frontend, groups, shown, self._plugins.keys, tls.names if tls is not None else ()
            ),
            self._spoken(frontend),
            Hints(frontend.ftp.sticky_for),
            tls,
            self._sources if frontend.observe else None,
            door.introduced,
        )

    def _spoken(self, frontend: Frontend) -> Spoken:
        """What relays its connections."""
        if frontend.protocol == "ftp":
            return Ftp(self._idle, frontend.ftp, choose)
        anothers = self._plugins.protocols.get(frontend.protocol)
        if anothers is not None:
            spoken: Spoken = anothers(self._reactor, self._idle, frontend)
            return spoken
        return Opaque(self._reactor, self._idle)


def live_backend(backend: Backend, plugins: Added) -> LiveBackend:
    """A backend's servers as they stand at the start, and how to choose among them."""
    servers = tuple(
        Server(backend.name, rule.name, rule.host, rule.weight, rule.maxconn, admin=rule.state)
        for rule in backend.servers
    )
    return LiveBackend(
        backend,
        Pool(servers, policy(backend, choose, plugins.policies), backend.slow_start),
        dict(zip(servers, backend.servers, strict=True)),
        server_tls(backend),
    )


def balancer(
    settings: Settings,
    reactor: Reactor,
    note: Note = lambda fact: None,
    plugins: Iterable[object] = (),
) -> Balancer:
    """The balancer as a service, for embedding: start it, and it listens.

    `note` hears every fact (`twisted_lb.facts`) of what happens; `plugins` are objects that provide
    interfaces of `twisted_lb.interfaces`. Nothing is read from the network before the start. Raises
    OSError or ValueError when a file that TLS or a check needs cannot be used, PluginError.
    """
    return Balancer(settings, reactor, note, added(plugins))
