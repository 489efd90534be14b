"""Reaches the session's server for one channel: the first decides, the others wait for that pin.

In: a seat at the table of sessions, an errand. Out: an End of the session's server, which has
answered. The claimant tries candidates in order; nothing was relayed yet, so one that refuses is
passed by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred, TimeoutError

from .balance import KEYLESS, Pool, accepted, fit, has_late, has_room, refused
from .claims import Claims, Seat
from .config.settings import Backend, ServerRule
from .contexts import ServerTls
from .dial import Refused, dial
from .ends import DEFAULT_TUNING, End, Tuning
from .errors import Ended
from .facility import logger
from .facts import Note, Secured, ServerChanged
from .hints import Hints
from .reactors import Reactor
from .secure import dial_tls
from .session import Claim, Dial, Place, Queue, Session, Stop
from .terms import ALONE, MORE, Address, More, Route, Server
from .tls import ClientHandshake

log = logger(__name__)


class Judge(Protocol):
    """Reads what a server says first, where the protocol lets the server speak first."""

    def take(self, data: bytes) -> More | bool:
        """Newly arrived bytes: True, it serves us; False, it refuses; MORE."""

    def silence(self) -> bool:
        """The deadline came: whether what it said is enough all the same."""

    @property
    def complete(self) -> bool:
        """Whether what it said is fit to be repeated to a client as the last word."""


@attrs.frozen(eq=False)
class LiveBackend:
    """A backend in force: its settings, and its servers as they stand."""

    settings: Backend
    pool: Pool
    rules: dict[Server, ServerRule]
    """What the configuration says of each server."""
    tls: ServerTls | None = None
    """How TLS is spoken with them; None: not at all."""

    def owner(self, port: int) -> Server | None:
        """The server whose data connections come to this port of ours, if it is one's."""
        for server, rule in self.rules.items():
            if rule.passive_ports and rule.passive_ports[0] <= port <= rule.passive_ports[1]:
                return server
        return None


def home(session: Session) -> LiveBackend:
    """The backend that a session was opened in, which may not be in force any more."""
    assert isinstance(session.home, LiveBackend), "whoever opens a session says where"
    return session.home


@attrs.frozen
class Errand:
    """What one connection asks of its server."""

    route: Route
    backend: LiveBackend
    header: Callable[[ServerRule, Seat], bytes]
    """The PROXY header for this server, or nothing."""
    judge: Callable[[], Judge | None]
    """Who reads the server's greeting, if the server speaks first."""
    hints: Hints
    greeting_timeout: float = 15.0
    source: Callable[[], str] = lambda: ""
    """The client's network, for policies that hash it: a key of its own says nothing twice."""
    hint: str = ""
    """What the hints know the client by; empty: no hints."""
    tuning: Tuning = DEFAULT_TUNING
    came_to: int = 0
    """The port of ours that the client connected to."""


_REFUSED: Final = ("no-server", "server-refused")
"""The words that follow from a server's refusal, so that its reason belongs in the log."""


class Reach:
    """Obeys a seat's orders until its server has answered."""

    def __init__(self, reactor: Reactor, claims: Claims, note: Note) -> None:
        self._reactor = reactor
        self._claims = claims
        self._note = note

    async def __call__(self, seat: Seat, errand: Errand) -> End:
        """The End of the session's server. Raises Ended with the word of the order to stop."""
        while True:
            order = await self._order(seat, errand)
            if isinstance(order, Stop):
                detail = seat.why if order.word in _REFUSED else ""
                raise Ended(order.word, detail, seat.told)
            if isinstance(order, Claim):
                end = await self._decide(seat, errand)
            else:
                end = await self._attempt(seat, order.server, errand)
            if end is not None:
                return end

    async def _order(self, seat: Seat, errand: Errand) -> Claim | Dial | Stop:
        """What is to be done next; who queues for the server waits no longer than that may take."""
        order = await seat.order()
        if isinstance(order, Queue):
            patience = errand.backend.settings.timeout.queue
            try:
                order = await seat.order().addTimeout(patience, self._reactor)
            except TimeoutError:
                raise Ended("too-slow", "its server stayed at maxconn") from None
        return order  # type: ignore[return-value]  # Drop and Gone are never handed on

    async def _decide(self, seat: Seat, errand: Errand) -> End | None:
        """Try candidates until one answers. None: another order waits at the seat."""
        session = seat.session
        for server in self._candidates(seat, errand):
            if server in session.tried or not self._still_fit(server, seat, errand):
                continue
            self._claims.trying(seat, server)
            end = await self._attempt(seat, server, errand)
            if end is not None:
                if errand.hint:
                    errand.hints.remember(errand.hint, server, self._reactor.seconds())
                return end
            if seat.channel.place is Place.GONE:
                return None
        self._claims.exhausted(seat)
        return None

    def _candidates(self, seat: Seat, errand: Errand) -> list[Server]:
        session, now = seat.session, self._reactor.seconds()
        owner = errand.backend.owner(errand.came_to)
        if owner is not None:
            return [owner]
        return errand.backend.pool.candidates(
            "" if errand.backend.settings.balance in KEYLESS else _hashed(errand),
            session.reserve,
            now,
            hint=errand.hints.find(errand.hint, now) if errand.hint else None,
        )

    def _still_fit(self, server: Server, seat: Seat, errand: Errand) -> bool:
        """Whether it may be tried now: candidates before it may have taken their time."""
        if errand.backend.owner(errand.came_to) is server:
            return has_late(server, seat.session.reserve)
        return fit(server) and has_room(server, seat.session.reserve)

    async def _attempt(self, seat: Seat, server: Server, errand: Errand) -> End | None:
        """Ask one server. None: it refused, or the attempt no longer counts."""
        attempt = Deferred.fromCoroutine(self._ask(seat, server, errand))
        seat.attempting(attempt)
        try:
            end = await attempt
        except Refused as why:
            if refused(server, errand.backend.settings.eject, self._reactor.seconds()):
                self._note(ServerChanged(str(server), "ejected", str(why)))
            seat.told, seat.why = why.said, f"{server}: {why}"
            log.debug("session {id} goes past {why}", id=seat.session.id, why=seat.why)
            self._claims.refused(seat)
            return None
        except CancelledError:
            if not seat.interrupted:
                raise
            seat.interrupted = False
            return None
        finally:
            seat.attempting(None)
        accepted(server)
        session, first = seat.session, not seat.session.address
        if first and seat.channel.place is Place.DIALLING:  # before the others hear of the pin
            session.address = end.peer.host
        if self._claims.connected(seat):
            self._claims.joins(seat, end.peer.host, server)
            return end
        end.abort()
        return None

    async def _ask(self, seat: Seat, server: Server, errand: Errand) -> End:
        """Connect, say who comes, and hear the greeting. Raises Refused."""
        until = self._reactor.seconds() + errand.backend.settings.timeout.connect
        end = await self._connect(seat.session, server, errand, until)
        try:
            await self._introduce(end, errand.backend.rules[server], seat, errand, until)
        except BaseException:
            end.abort()
            raise
        return end

    async def _connect(self, session: Session, server: Server, errand: Errand, until: float) -> End:
        """To the address that the session's first channel reached; that one tries all there are.

        A name may be of several machines, and a session belongs to one. Raises Refused.
        """
        hosts = (session.address,) if session.address else server.addresses or (server.host,)
        for number, host in enumerate(hosts, 1):
            left = (until - self._reactor.seconds()) / (len(hosts) + 1 - number)
            target = Address(host, errand.route.port)
            try:
                end = await dial(self._reactor, target, left, tuning=errand.tuning)
            except Refused:
                if number == len(hosts):
                    raise
            else:
                break
        return end

    async def _introduce(
        self, end: End, rule: ServerRule, seat: Seat, errand: Errand, until: float
    ) -> None:
        """Say who comes, in clear as the PROXY protocol wants it; TLS; hear the greeting."""
        header = errand.header(rule, seat)
        if header:
            end.write(header)
        tls = errand.backend.tls
        if tls is not None and tls.settings.mode == "on":
            await self._secure(end, rule, tls, until)
        if errand.route.replay:
            end.write(errand.route.replay)
        judge = errand.judge()
        if judge is not None:
            await self._heard(end, judge, errand.greeting_timeout)

    async def _secure(self, end: End, rule: ServerRule, tls: ServerTls, until: float) -> None:
        """Know by TLS that this is the server before it hears a byte. Raises Refused."""
        left = max(0.0, until - self._reactor.seconds())
        try:
            handshake = ClientHandshake(tls.context, tls.settings.name_of(rule))
            facts = await dial_tls(end, handshake, left, self._reactor)
        except Ended as why:
            raise Refused(str(why)) from None
        self._note(Secured("server", facts.version, facts.resumed))

    async def _heard(self, end: End, judge: Judge, seconds: float) -> None:
        """Let the judge read what the server says first. Raises Refused."""
        hearing = Deferred.fromCoroutine(_hear(end, judge))
        try:
            serves = await hearing.addTimeout(seconds, self._reactor)
        except TimeoutError:
            serves = judge.silence()
        if not serves:
            said = bytes(end.held)
            text = said[:200].decode("utf-8", "backslashreplace").strip()
            raise Refused(f"greeted with {text!r}", said if judge.complete else b"")


def _hashed(errand: Errand) -> str:
    """What a policy may hash: the session's key, but where no two connections have the same one
    the client's network."""
    key = errand.route.key
    return errand.source() if key is None or key.kind == ALONE else key.value


async def _hear(end: End, judge: Judge) -> bool:
    heard = 0
    while True:
        verdict = judge.take(bytes(end.held[heard:]))
        heard = len(end.held)
        if verdict is not MORE:
            return verdict
        if end.eof or end.lost:
            raise Refused("closed before its greeting")
        if heard >= end.cap:  # reading has stopped: more will never come
            raise Refused(f"said {heard} bytes without an end")
        await end.more()
