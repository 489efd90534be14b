"""How a balancer stands, as JSON knows it: the values that the API answers with.

In: a balancer, what is remembered of its servers. Out: dicts of numbers, text, null. Times are ISO
8601 in UTC, lengths of time seconds, amounts bytes. Nothing secret is in any of them: keys of
sessions are told by their kind, files by their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import dropwhile, islice
from typing import Any, Final

import attrs
from twisted.internet.interfaces import IReactorTime

from ..balance import effective_weight, ejected
from ..claims import Seat
from ..config.dump import dump
from ..connection import Story
from ..ends import address
from ..service import Balancer
from ..session import Session
from ..terms import Server
from .past import Past

Json = dict[str, Any]

CHANNELS: Final = 20_000
"""Living channels that are gone through for one answer: some ten milliseconds."""

STATES: Final = ("up", "down", "ejected", "drain", "maintenance")
"""How a server stands, in one word: what keeps new sessions away from it, if anything does."""


@attrs.frozen
class Filter:
    """Which sessions are asked for; empty: all of them."""

    backend: str = ""
    server: str = ""
    group: str = ""
    state: str = ""
    client: str = ""
    """An address, without port."""

    def fits(self, session: Session) -> bool:
        """Whether it is one of them, but for its clients."""
        server = session.server
        return (
            (not self.backend or session.group.backend == self.backend)
            and (not self.server or (server is not None and server.name == self.server))
            and (not self.group or session.group.name == self.group)
            and (not self.state or session.state.value == self.state)
        )


@attrs.frozen(eq=False)
class Views:
    """Looks at one balancer. `wall` tells seconds since 1970, `clock` is the balancer's."""

    balancer: Balancer
    clock: IReactorTime
    wall: Callable[[], float]
    past: Past
    version: str
    started: float

    # -- the whole ----------------------------------------------------------------------------

    def status(self) -> Json:
        """The balancer in a few figures."""
        balancer, now = self.balancer, self.wall()
        up = sum(self._state(server) == "up" for server in balancer.servers)
        return {
            "version": self.version,
            "time": iso(now),
            "started": iso(self.started),
            "seconds": round(now - self.started, 3),
            "state": "running" if balancer.listening else "draining",
            "generation": balancer.generation.number,
            "connections": len(balancer.stories),
            "sessions": len(balancer.claims.sessions),
            "servers": len(list(balancer.servers)),
            "servers_up": up,
            "channels_astray": balancer.claims.astray,
        }

    def configuration(self) -> Json:
        """What is in force, defaults included."""
        generation = self.balancer.generation
        return {"generation": generation.number, "toml": dump(generation.settings)}

    def frontends(self) -> list[Json]:
        """Every frontend, where it listens and how many are connected."""
        listening: dict[str, list[str]] = {}
        for name, port in self.balancer.listening:
            listening.setdefault(name, []).append(_where(port.getHost()))
        return [
            {
                "name": name,
                "protocol": front.parts.frontend.protocol,
                "tls": front.parts.frontend.tls.mode,
                "listening": listening.get(name, []),
                "connections": front.door.connected,
                "maxconn": front.parts.frontend.maxconn,
            }
            for name, front in self.balancer.generation.fronts.items()
        ]

    def certificates(self) -> list[Json]:
        """Those that are shown to clients, and those that servers show to checks."""
        return [*self._shown(), *self._seen()]

    def _shown(self) -> Iterator[Json]:
        for name, front in self.balancer.generation.fronts.items():
            tls, frontend = front.parts.tls, front.parts.frontend
            if tls is None:
                continue
            for one, names, ends in zip(
                frontend.tls.certificates, tls.names, tls.ends, strict=True
            ):
                yield self._certificate("frontend", name, one.file, list(names), ends)

    def _seen(self) -> Iterator[Json]:
        for server in self.balancer.servers:
            ends = self.past.of(server).expires
            if ends is not None:
                yield self._certificate("server", str(server), None, [], ends)

    def _certificate(
        self, kind: str, of: str, file: str | None, names: list[str], ends: float
    ) -> Json:
        days = round((ends - self.wall()) / 86400, 1)
        return {"kind": kind, "of": of, "file": file, "names": names, "ends": iso(ends),
                "days": days}  # fmt: skip

    # -- servers ------------------------------------------------------------------------------

    def servers(self) -> list[Json]:
        """Every server of every backend, in the configured order."""
        moving = self._moving()
        return [self._server(server, moving) for server in self.balancer.servers]

    def _moving(self) -> Counter[Server] | None:
        """Bytes that living channels have moved, by server; None: there are too many of them."""
        claims, found = self.balancer.claims, Counter[Server]()
        if claims.living > CHANNELS:
            return None
        for session in claims.sessions:
            if session.server is not None:
                joined = (seat.joined for seat in claims.seats(session) if seat.joined is not None)
                found[session.server] += sum(c.from_client + c.from_server for c in joined)
        return found

    def server(self, server: Server) -> Json:
        """One of them, with what became of it."""
        changes = self.past.of(server).changes
        history = [{"time": iso(c.time), "state": c.state, "reason": c.reason} for c in changes]
        return {**self._server(server, self._moving()), "history": history}

    def _server(self, server: Server, moving: Counter[Server] | None) -> Json:
        memory, live = self.past.of(server), self.balancer.backends[server.backend]
        last = memory.changes[-1] if memory.changes else None
        weight = effective_weight(server, live.settings.slow_start, self.clock.seconds())
        return {
            "backend": server.backend,
            "name": server.name,
            "host": server.host,
            "addresses": list(server.addresses or (server.host,)),
            "state": self._state(server),
            "up": server.up,
            "admin": server.admin,
            "weight": server.weight,
            "effective_weight": round(weight, 2),
            "sessions": server.sessions,
            "sessions_in_all": memory.sessions + server.sessions,
            "bytes": memory.bytes + moving[server] if moving is not None else None,
            "connections": server.connections,
            "maxconn": server.maxconn,
            "check": live.settings.check.type,
            "checked": iso(memory.checked) if memory.checked is not None else None,
            "checks": [round(seconds, 6) if ok else None for ok, seconds in memory.checks],
            "since": iso(last.time) if last is not None else None,
            "reason": last.reason if last is not None else "",
        }

    def _state(self, server: Server) -> str:
        if server.admin != "ready":
            return server.admin
        if not server.up:
            return "down"
        return "ejected" if ejected(server, self.clock.seconds()) else "up"

    # -- sessions -----------------------------------------------------------------------------

    def sessions(self, which: Filter, limit: int, after: str, newest: bool = False) -> Json:
        """A page of them, oldest or newest first; `next`: behind which there is more."""
        stories = self._stories()
        found = (
            session
            for session in self._after(after, newest)
            if which.fits(session) and self._of_client(session, which.client, stories)
        )
        page = list(islice(found, limit + 1))
        told = [self._session(session, stories) for session in page[:limit]]
        return {"sessions": told, "next": page[limit - 1].id if len(page) > limit else None}

    def session(self, id: str) -> Json | None:
        """One of them; None: there is none of this id."""
        session = self.balancer.claims.sessions.get(id)
        return self._session(session, self._stories()) if session is not None else None

    def _after(self, id: str, newest: bool) -> Iterator[Session]:
        """Those behind it in this order; it may be gone meanwhile."""
        sessions, last = self.balancer.claims.sessions, _number(id) if id else 0
        if newest:
            return dropwhile(lambda s: bool(last) and _number(s.id) >= last, reversed(sessions))
        return dropwhile(lambda s: _number(s.id) <= last, sessions)

    def _stories(self) -> dict[Seat, Story]:
        return {story.seat: story for story in self.balancer.stories if story.seat is not None}

    def _of_client(self, session: Session, client: str, stories: dict[Seat, Story]) -> bool:
        if not client:
            return True
        seats = self.balancer.claims.seats(session)
        return any(seat in stories and stories[seat].peer.host == client for seat in seats)

    def _session(self, session: Session, stories: dict[Seat, Story]) -> Json:
        channels = [
            self._channel(seat, stories.get(seat)) for seat in self.balancer.claims.seats(session)
        ]
        clients = sorted({each["client"].rpartition(":")[0] for each in channels if each["client"]})
        age = self.clock.seconds() - session.opened
        return {
            "id": session.id,
            "group": session.group.name,
            "backend": session.group.backend,
            "server": session.server.name if session.server is not None else None,
            "state": session.state.value,
            "key": session.kind,
            "opened": iso(self.wall() - age),
            "seconds": round(age, 3),
            "clients": clients,
            "roles": dict(Counter(each["role"] for each in channels)),
            "from_client": sum(each["from_client"] for each in channels),
            "from_server": sum(each["from_server"] for each in channels),
            "channels_in_all": session.total,
            "channels": channels,
        }

    def _channel(self, seat: Seat, story: Story | None) -> Json:
        counts, channel = seat.joined, seat.channel
        return {
            "number": channel.number,
            "role": channel.role,
            "state": channel.place.value,
            "connection": story.id if story is not None else None,
            "frontend": story.parts.frontend.name if story is not None else None,
            "client": str(story.peer) if story is not None else None,
            "seconds": round(self.clock.seconds() - story.began, 3) if story is not None else None,
            "from_client": counts.from_client if counts is not None else 0,
            "from_server": counts.from_server if counts is not None else 0,
        }


def _number(id: str) -> int:
    """The number in a session's id, which rises."""
    return int(id.rpartition("-")[2], 16)


def iso(seconds: float) -> str:
    """A time as people and programs read it: `2026-11-23T12:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _where(host: Any) -> str:
    path = getattr(host, "name", None)
    if isinstance(path, bytes):
        return "unix:" + path.decode("utf-8", "backslashreplace")
    return str(address(host))
