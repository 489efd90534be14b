"""Reaches the host that a client may go to: the balancer's own way, with one server to choose from.

In: a visit, an address, whether the host greets. Out: a seat in a session of its own and the host's
End, or Ended with the answer for the client.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import TimeoutError

from ..backend import Errand, Judge, LiveBackend, Reach
from ..balance import Pool, policy
from ..config.settings import Backend, BackendTimeout, BackendTls, Check, Eject, Group, ServerRule
from ..contexts import ServerTls, server_tls
from ..ends import End
from ..errors import Ended
from ..hints import Hints
from ..terms import Address, Key, Role, Route, Server
from . import destinations, openingline
from .settings import Destination
from .visits import Room, Visit, within


class Hosts:
    """The hosts that may be dialled. Raises OSError, ValueError: a file of theirs is no good."""

    def __init__(self, allowed: tuple[Destination, ...], seconds: float, room: Room) -> None:
        self._allowed = allowed
        self._seconds = seconds
        self._room = room
        self._reach = Reach(room.reactor, room.claims, room.note)
        self._tls = {entry: _tls(entry) for entry in allowed}

    def allows(self, address: Address) -> bool:
        """Whether this host may be dialled."""
        return destinations.find(self._allowed, address) is not None

    def tls(self, address: Address) -> ServerTls | None:
        """How TLS is spoken with a host that may be dialled; None: not at all."""
        entry = destinations.find(self._allowed, address)
        return self._tls[entry] if entry is not None else None

    async def reach(
        self,
        visit: Visit,
        group: Group,
        role: Role,
        address: Address,
        judge: Callable[[], Judge | None] = lambda: None,
    ) -> End:
        """The host's End, for the only client of a new session. Raises Ended."""
        entry = destinations.find(self._allowed, address)
        if entry is None:
            raise Ended("no-route", f"{address} is not allowed", bytes(openingline.DESTINATION))
        key = Key("connection", visit.id)
        try:
            visit.seat = seat = await self._room.claims.claim(group, key, role)
        except Ended as full:
            raise Ended(full.word, full.detail, bytes(openingline.LIMIT)) from None
        errand = Errand(
            Route(group.name, role, key, address.port),
            self._backend(entry, address),
            header=lambda rule, seat: b"",
            judge=judge,
            hints=Hints(0.0),
            greeting_timeout=2 * self._seconds,  # the deadline below comes first
        )
        try:
            return await within(self._reach(seat, errand), self._seconds, self._room)
        except TimeoutError:
            why = Ended("too-slow", f"{address}: silent", bytes(openingline.HOST_TIMEOUT))
        except Ended as ended:
            why = Ended(ended.word, ended.detail, bytes(openingline.HOST))
        self._room.claims.end(seat.session, why.word)
        raise why

    def _backend(self, entry: Destination, address: Address) -> LiveBackend:
        rule = ServerRule(str(address), address.host)
        settings = Backend(
            "host",
            (rule,),
            check=Check(type="off"),
            eject=Eject(after=0),
            timeout=BackendTimeout(connect=2 * self._seconds),
        )
        server = Server(settings.name, rule.name, rule.host)
        pool = Pool((server,), policy(settings, lambda count: 0), 0.0)
        return LiveBackend(settings, pool, {server: rule}, self._tls[entry])


def _tls(entry: Destination) -> ServerTls | None:
    tls = BackendTls(mode=entry.tls, ca=entry.ca, identity=entry.identity)
    return server_tls(Backend("host", (), tls=tls))
