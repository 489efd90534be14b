"""What the security proxy does for each role, once a client may: reach its host, and join them.

In: a visit, its opening line, what its token grants. Out: a relay, a conversation, a channel of one
that runs; or Ended with the answer as its last words.
"""

from __future__ import annotations

import hmac
import os
from secrets import token_hex

import attrs

from ..config.settings import BackendTls, LoginRules
from ..contexts import ServerTls
from ..ends import End
from ..errors import Ended
from ..facts import AttackSeen
from ..ports import PortRange
from ..protocols.actions import Side
from ..protocols.ftp.circumstances import Circumstances
from ..protocols.ftp.failedlogins import FailedLogins
from ..protocols.ftp.greeting import Greeting
from ..securing import TowardServer
from ..terms import Address, Ending
from ..ways import Nearby, Way
from . import openingline
from .hosts import Hosts
from .openingline import Answer, Opening
from .past import Past
from .proxysession import ProxySession
from .settings import ProxySettings
from .talks import ftp_group, relay, rules, seat_of, speak_ftp, terminal_group
from .transfers import PROXYS, place
from .visits import Visit

SECRET = 16
"""Bytes of chance in the secret that joins channels."""


@attrs.define(eq=False)
class Roles:
    """The living sessions of a security proxy, and how more come to be."""

    settings: ProxySettings
    hosts: Hosts
    ports: PortRange
    """Where data connections from hosts are listened for."""
    unknown_sessions: int = 0
    """Channels that came to a proxy that does not know their session: how a misrouting shows."""
    draining: bool = False
    """No new terminals and controls; what living sessions need still comes in."""
    sessions: dict[str, ProxySession] = attrs.field(factory=dict)
    """FTP sessions by the id that clients know them by."""
    _terminals: dict[str, Visit] = attrs.field(factory=dict)
    """Sessions that are a terminal: a token is good for so many of either kind as it says."""
    _past: Past = attrs.field(factory=Past)
    _logins: FailedLogins = attrs.field(
        # By the host's user only. Every client's machine is a tunnel: people go by their tokens.
        factory=lambda: FailedLogins(LoginRules(per_address=None), os.urandom(32))
    )

    async def terminal(self, visit: Visit, address: Address, welcome: bytes) -> None:
        """Bytes to the host and back. Raises Ended."""
        if visit.session:  # else a listener that asks for no token: nobody counts there
            self._mind_the_first(visit)
            self._terminals[visit.session] = visit
            visit.on_ended = lambda: self._over(visit)
        group = terminal_group(self.settings.terminal_idle)
        host = await self.hosts.reach(visit, group, "terminal", address)
        if welcome:
            visit.end.write(welcome)
        relay(visit, host)

    async def control(self, visit: Visit, address: Address) -> None:
        """An FTP session's control channel. Raises Ended."""
        self._mind_the_first(visit)
        group = ftp_group(self.settings.ftp)
        host = await self.hosts.reach(visit, group, "control", address, Greeting)
        try:
            self._mind_the_first(visit)
        except Ended:
            host.abort()
            raise
        self._converse(visit, host, self.hosts.tls(address))

    def _mind_the_first(self, visit: Visit) -> None:
        """A client that has gone holds its session no longer: it may be the one who comes.

        What the host has yet to be told of that is no reason to wait. Raises Ended.
        """
        session, terminal = self.sessions.get(visit.session), self._terminals.get(visit.session)
        if (session and not session.left) or (terminal and not terminal.end.lost):
            why = "a second terminal or control channel of one session"
            raise Ended("key-full", why, bytes(openingline.ROLE))
        if session:
            self._forget(visit.session, session)

    def _over(self, terminal: Visit) -> None:
        if self._terminals.get(terminal.session) is terminal:
            del self._terminals[terminal.session]

    def _forget(self, name: str, session: ProxySession) -> None:
        """Nobody joins this session any more; another may have its name by now."""
        if self.sessions.get(name) is session:
            del self.sessions[name]
            self._past.ended(name, session.secret, session.clock.seconds())

    def _converse(self, visit: Visit, host: End, tls: ServerTls | None) -> None:
        name, seat, claims = visit.session, seat_of(visit), visit.room.claims
        session = self.sessions[name] = ProxySession(
            visit,
            token_hex(SECRET),
            self.settings.timeout,
            lambda word: claims.end(seat.session, word),
        )

        def finished(word: Ending) -> None:
            self._forget(name, session)
            session.finish(word)

        def stranger(peer: Address) -> None:
            visit.room.note(AttackSeen("data-theft", visit.listener, peer))

        nearby = Nearby(visit.room.reactor, host, self.ports, stranger)
        ways: dict[Side, Way] = {Side.CLIENT: session, Side.SERVER: nearby}
        visit.end.write(bytes(Answer(200, f"join={session.secret}")))
        toward = TowardServer(
            visit.room.reactor, host, None, self.settings.timeout.host, tolerant=False
        )

        async def secure(side: Side, end: End, data: bool) -> None:
            """The host's connections; clients' have been through TLS since they began."""
            assert side is Side.SERVER
            await toward(end, data)

        about = self._circumstances(visit, host, tls)
        speak_ftp(visit, host, about, ways, secure, finished)

    def _circumstances(self, visit: Visit, host: End, tls: ServerTls | None) -> Circumstances:
        return Circumstances(
            client=place(PROXYS),
            client_local=place(PROXYS),
            server=host.peer,
            server_local=host.local,
            rules=rules(self.settings.ftp),
            server_tls=tls.settings if tls is not None else BackendTls(),
            tries=self._logins.tries(visit.user, visit.server.lower()),
            session=seat_of(visit).session.id,
            server_name=visit.server,
            frontend=visit.listener,
        )

    def join(self, visit: Visit, opening: Opening) -> None:
        """A channel of a session that this proxy has, or should have. Raises Ended."""
        session = self.sessions.get(opening.session)
        known = session is not None and hmac.compare_digest(session.secret, opening.credential)
        if session is None or not known:
            now = visit.room.reactor.seconds()
            if self._past.had(opening.session, opening.credential, now):
                why = "late-channel: its session has just ended"
                raise Ended("no-route", why, bytes(openingline.SESSION))
            self.unknown_sessions += session is None
            kind = "unknown-session" if session is None else "wrong-secret"
            visit.room.note(AttackSeen(kind, visit.listener, visit.end.peer, visit.session))
            raise Ended("no-route", "no such session here", bytes(openingline.SESSION))
        if opening.transfer is None:
            session.notify(visit)
        else:
            session.data(visit, opening.transfer)
