"""Builds the balancer from settings, and puts others in force: where all objects meet.

`balancer(settings, reactor)` gives a service. Starting it listens, and fails when a listener
cannot; `reload` puts other settings in force, or fails and changes nothing; stopping it drains: no
new connections, living sessions get `limits.drain` seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import get_args

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, TimeoutError, inlineCallbacks
from twisted.internet.interfaces import IListeningPort

from .accept import Entrance
from .backend import LiveBackend, Reach
from .certificates import Certificates
from .claims import Claims
from .config.settings import Settings
from .connection import Parts, Story, carry
from .drains import Drains
from .ends import End, address
from .facts import Announced, ConnectionEnded, Note, ServerChanged
from .generation import BackendInForce, FrontInForce, Generation, Lasting, generation
from .opened import Listeners
from .plugins import NOTHING_ADDED, Added, added
from .reactors import Reactor
from .relay import Idle, tcp_of
from .session import Sessions
from .sockets import SocketReactor
from .terms import Address, Admin, Ending, Server

FLUSH = 5.0
"""Seconds that connections get to close in order when their sessions were ended at a stop."""


class Balancer(MultiService):
    """The whole balancer as a service: frontends, sessions, backends, checks."""

    def __init__(
        self, settings: Settings, reactor: Reactor, note: Note, plugins: Added = NOTHING_ADDED
    ) -> None:
        super().__init__()
        self._owner = os.urandom(3).hex()
        sessions = Sessions(
            capacity=settings.limits.sessions, secret=os.urandom(32), owner=self._owner
        )
        self.claims = Claims(sessions, reactor, note)
        self.stories: set[Story] = set()
        """Every client connection that is not gone yet."""
        self.patience: float | None = None
        """Seconds that a stop gives to living sessions; None: as configured."""
        self._reactor = reactor
        self._note = note
        self._count = 0
        self._idle = Idle(reactor, self.claims.end)
        self._drains = Drains(reactor, lambda server: self.claims.evict(server, "drained"))
        tcp, self._relay = tcp_of(settings.relay, reactor, settings.limits.unread)
        self.listeners = Listeners(tcp)
        """Every open one."""
        self._emptied: Deferred[None] | None = None
        self._hurried = False
        self.draining = False
        """It stops: nobody new comes in."""
        self._certificates = Certificates(reactor, note)
        self._certificates.setServiceParent(self)
        self._lasting = Lasting(
            reactor,
            tcp,
            note,
            plugins,
            self.claims,
            Reach(tcp, self.claims, note),
            self._idle,
            self._changed,
        )
        self.generation = generation(settings, self._lasting, None)
        """What is in force."""
        self._begin(None)

    # -- for operators and tests --------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self.generation.settings

    @property
    def backends(self) -> dict[str, LiveBackend]:
        """Every backend in force, by its name."""
        return {name: each.live for name, each in self.generation.backends.items()}

    @property
    def parts(self) -> dict[str, Parts]:
        """What the connections of each frontend in force go through."""
        return {name: front.parts for name, front in self.generation.fronts.items()}

    @property
    def listening(self) -> list[tuple[str, IListeningPort]]:
        """Frontend and port of every open listener."""
        return [(listener.frontend, listener.port) for listener in self.listeners]

    @property
    def servers(self) -> Iterator[Server]:
        """All servers of all backends, as they stand."""
        return (server for server, _ in self.generation.servers)

    def server(self, backend: str, name: str) -> Server:
        """One server. Raises KeyError when there is none of this name."""
        for server in self.servers:
            if (server.backend, server.name) == (backend, name):
                return server
        raise KeyError(f"{backend}/{name}")

    def address(self, frontend: str) -> Address:
        """Where this frontend listens first."""
        return next(address(port.getHost()) for name, port in self.listening if name == frontend)

    def set_admin(self, server: Server, admin: Admin, reason: str = "set by an operator") -> None:
        """Drain: no new sessions; living ones go on, until the backend's `timeout.drain`.

        Maintenance: the same without checks. Raises ValueError for another word.
        """
        if admin not in get_args(Admin):
            raise ValueError(f"{admin!r}: a server is {', '.join(get_args(Admin))}")
        server.admin = admin
        self._note(ServerChanged(str(server), admin, reason))
        self._stands_as(server, admin)

    def set_weight(self, server: Server, weight: int, reason: str = "set by an operator") -> None:
        """Until the configuration says otherwise; 0: no new sessions."""
        server.weight = weight
        self._note(ServerChanged(str(server), "weight", f"{reason}, now {weight}"))

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
        elif state == "maxconn":
            self.claims.room(server)

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
        self._hurried = self.draining = False
        self._idle.start()
        super().startService()

    @inlineCallbacks
    def stopService(self):  # type: ignore[no-untyped-def]
        """Drain: stop listening, let living sessions end by themselves until the deadline."""
        self.draining = True
        yield self.listeners.close()
        self._note(Announced("draining", f"{len(self.stories)} connections"))
        patience = self.settings.limits.drain if self.patience is None else self.patience
        yield self._until_empty(0.0 if self._hurried else patience)
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

    # -- configurations -----------------------------------------------------------------------

    def reload(self, settings: Settings) -> Generation:
        """Put these settings in force; nobody who is connected, or connects now, is cut off.

        Raises CannotListen, PluginError, OSError, ValueError, with everything as it was.
        """
        former = self.generation
        _must_stay(former.settings, settings)
        new = generation(settings, self._lasting, former)
        if self.running:
            self._open(new)
        if isinstance(self.listeners.reactor, SocketReactor):
            self.listeners.reactor.loop.forget()  # ports that may be somebody else's from now on
        self.generation = new
        self._begin(former)
        self._note(Announced("reloaded", f"generation {new.number}"))
        return new

    def _begin(self, former: Generation | None) -> None:
        """What has changed is in force from here on; what was left out is not any more."""
        new, old = self.generation, former or _nothing(self.generation)
        self.claims.sessions.capacity = new.settings.limits.sessions
        for name, backend in new.backends.items():
            if old.backends.get(name) is not backend:
                self._begin_backend(name, backend, old.backends.get(name))
        for name, front in new.fronts.items():
            if old.fronts.get(name) is not front:
                self._begin_front(name, front)
        for name in old.backends.keys() - new.backends.keys():
            old.backends[name].asking.disownServiceParent()
            self._certificates.forget(f"backend {name}")
        for name in old.fronts.keys() - new.fronts.keys():
            self._certificates.forget(f"frontend {name}")
        for server in dict(old.servers).keys() - dict(new.servers).keys():
            self._removed(server, old.backends[server.backend])

    def _begin_backend(self, name: str, new: BackendInForce, old: BackendInForce | None) -> None:
        if old is not None:
            old.asking.disownServiceParent()
        self._certificates.forget(f"backend {name}")
        self._certificates.used_by(new.live.settings, new.live.tls)
        for server, rule in new.live.rules.items():
            was = old.live.rules.get(server) if old is not None else None
            self._lasting.servers[server.backend, server.name, server.host] = server
            if was is None or was.weight != rule.weight:
                server.weight = rule.weight
            if was is None or was.maxconn != rule.maxconn:
                server.maxconn = rule.maxconn
                self.claims.room(server)
            if server.admin != rule.state and (was is None or was.state != rule.state):
                self.set_admin(server, rule.state, "configured")
            if new.live.settings.check.type == "off":
                server.up = True
        new.asking.setServiceParent(self)

    def _begin_front(self, name: str, front: FrontInForce) -> None:
        front.door.ruled_by(front.parts.frontend)
        self._certificates.forget(f"frontend {name}")
        self._certificates.shown_by(front.parts.frontend, front.parts.tls)

    def _removed(self, server: Server, was: BackendInForce) -> None:
        """It drains; who lingers there, and may come back to another server, is let go."""
        server.admin = "drain"
        self._note(ServerChanged(str(server), "removed", "not configured any more"))
        self.claims.unavailable(server)
        self.claims.forget(server)
        self._drains.begin(server, was.live.settings.timeout.drain)

    # -- frontends ----------------------------------------------------------------------------

    def _listen(self) -> None:
        """Open every frontend, or none."""
        self._note(Announced("relay", self._relay))
        self._open(self.generation)

    def _open(self, new: Generation) -> None:
        """Listen for its frontends. Raises CannotListen, with nothing changed."""
        hold = new.settings.limits.hold
        ways = [(f.parts.frontend, self._entrance(f, hold)) for f in new.fronts.values()]
        for listener in self.listeners.change(ways):
            where = address(listener.port.getHost())
            self._note(Announced("listening", f"{listener.frontend} on {where}"))

    def _entrance(self, front: FrontInForce, hold: int) -> Entrance:
        door, parts, frontend = front.door, front.parts, front.parts.frontend

        def enter(end: End) -> None:
            self._count += 1
            story = Story(f"{self._owner}.{self._count:x}", end, parts, gone)
            self.stories.add(story)
            path = Deferred.fromCoroutine(carry(story))
            end.on_lost = path.cancel
            path.addBoth(lambda _: settled(end))

        def settled(end: End) -> None:
            door.settled(end)
            end.on_lost = None

        def gone(story: Story) -> None:
            self.stories.discard(story)
            door.left()
            if not self.stories:
                self._wait_no_more()

        def turned_away(peer: Address, word: Ending) -> None:
            self._note(ConnectionEnded("", frontend.name, peer, word, 0.0))

        return Entrance(door, hold, enter, turned_away)


def _must_stay(old: Settings, new: Settings) -> None:
    """Raises ValueError for a change that only a restart can make."""
    if new.relay != old.relay:
        raise ValueError("relay: the way of moving bytes is chosen at the start; restart")
    if new.limits.unread != old.limits.unread:
        raise ValueError("limits.unread: buffers are sized at the start; restart")


def _nothing(new: Generation) -> Generation:
    """Before the first one."""
    return Generation(0, new.settings, {}, {})


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
