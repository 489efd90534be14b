"""A gateway program as a service: listens, counts who is there, and stops in order.

In: what is listened on, and the path of whoever comes. Out: a service like the balancer's: starting
it listens, and fails when a listener cannot; stopping it lets living sessions end by themselves
until the deadline. It listens as long as that takes: a living session may need one more channel.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from random import SystemRandom
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import inlineCallbacks
from twisted.internet.interfaces import IListeningPort

from ..accept import Door, descriptors
from ..claims import Claims
from ..config.settings import Frontend
from ..ends import address
from ..facts import Announced, Note
from ..listeners import listen
from ..reactors import Reactor
from ..relay import Idle
from ..session import Sessions
from ..terms import Address
from .settings import Limits
from .visits import Room, Visit, Visits

FLUSH = 5.0
"""Seconds that connections get to close in order when their sessions were ended at a stop."""

random = SystemRandom()

Carry = Callable[[Visit], Coroutine[Any, Any, None]]


def choose(count: int) -> int:
    """Chance, from the system's generator: nobody outside can foresee it."""
    return random.randrange(count)


class Gate(MultiService):
    """The part of both programs that has nothing to do with what is spoken."""

    def __init__(self, limits: Limits, reactor: Reactor, note: Note) -> None:
        super().__init__()
        owner = os.urandom(3).hex()
        sessions = Sessions(capacity=limits.sessions, secret=os.urandom(32), owner=owner)
        claims = Claims(sessions, reactor, note)
        self.room = Room(reactor, claims, Idle(reactor, claims.end), note)
        self.visits = Visits(owner, self.room)
        self.listening: list[tuple[str, IListeningPort]] = []
        """Listener and port, of every one that is open."""
        self._doors: list[tuple[Frontend, Carry]] = []
        self._patience = limits.drain

    def opens(self, frontend: Frontend, path: Carry) -> None:
        """Listen there from the start on; whoever comes takes this path."""
        self._doors.append((frontend, path))

    def address(self, listener: str) -> Address:
        """Where this one listens first."""
        return next(address(port.getHost()) for name, port in self.listening if name == listener)

    def drain(self) -> None:
        """A stop begins: no new sessions from now on."""

    def end_now(self) -> None:
        """A stop under way waits no longer for sessions to end by themselves."""
        self._patience = 0.0
        self.visits.wait_no_more()

    # -- IService -----------------------------------------------------------------------------

    def privilegedStartService(self) -> None:
        """Listen while the process may still bind low ports."""
        self._listen()
        super().privilegedStartService()

    def startService(self) -> None:
        """Listen, if that was not done yet, and run."""
        if not self.listening:
            self._listen()
        self.room.idle.start()
        super().startService()

    @inlineCallbacks
    def stopService(self):  # type: ignore[no-untyped-def]
        """Let living sessions end by themselves until the deadline; then end them."""
        self.drain()
        self.room.note(Announced("draining", f"{len(self.visits)} connections"))
        yield self.visits.until_empty(self._patience)
        for _, port in self.listening:
            yield port.stopListening()
        self.listening.clear()
        self.room.claims.end_all("killed")
        for visit in self.visits:
            if not visit.role:  # it has shown nothing yet that would end
                visit.cut()
        yield self.visits.until_empty(FLUSH)
        self.visits.cut("killed")
        yield self.visits.until_empty(FLUSH)
        self.room.idle.stop()
        self.room.claims.stop()
        yield super().stopService()
        self.room.note(Announced("stopped"))

    def _listen(self) -> None:
        """Open every listener, or none."""
        try:
            for frontend, path in self._doors:
                door = Door(frontend, choose, descriptors())
                entrance = self.visits.entrance(frontend, door, path)
                for port in listen(self.room.reactor, frontend, entrance):
                    self.listening.append((frontend.name, port))
        except Exception:
            for _, port in self.listening:
                port.stopListening()
            self.listening.clear()
            raise
        for name, port in self.listening:
            self.room.note(Announced("listening", f"{name} on {address(port.getHost())}"))
