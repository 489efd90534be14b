"""The path of one connection of the tunnel: token, front-end, and both joined. Read `carry`.

In: a visit of a program of this machine. Out: a relay or a conversation that owns its End, or Ended
with a sentence that the program shows its user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs
from twisted.internet.defer import CancelledError, Deferred

from ..config.settings import Group, LoginRules
from ..ends import End
from ..errors import Ended
from ..facts import AttackSeen
from ..meet import insecure
from ..ports import PortRange
from ..protocols.actions import Side
from ..protocols.ftp.circumstances import Circumstances
from ..protocols.ftp.failedlogins import FailedLogins
from ..session import Stop
from ..terms import Address, Ending, Key, Role, Server
from ..tls import ClientContext
from ..ways import Nearby, Way
from .frontend import FrontEnd, TokenRefused
from .openingline import Answer, Opening
from .passes import Ticket
from .settings import Local, TunnelSettings
from .talks import ftp_group, relay, rules, seat_of, speak_ftp, terminal_group
from .transfers import TUNNELS, place
from .tunnelsession import TunnelSession
from .visits import Visit
from .wallet import Wallet

_ELSEWHERE: Final = ("drained", "key-full")
"""Why a proxy refuses a session and not its user."""
SESSIONS: Final = 4
"""How many are tried."""
_LAST_WORDS: Final = {"terminal": "lb-tunnel: {}\r\n", "ftp": "421 lb-tunnel: {}.\r\n"}


@attrs.frozen(eq=False)
class Path:
    """What the connections of one local port go through."""

    local: Local
    settings: TunnelSettings
    wallet: Wallet
    context: Callable[[str], ClientContext]
    """A session id → how its channels speak TLS."""
    ports: PortRange
    """Where data connections of local FTP clients are listened for."""
    server: Server
    """The front-end, as the table of sessions counts it."""

    async def carry(self, visit: Visit) -> None:
        """Take one program to its host. Raises Ended.

        A balancer keeps a session where it is: past a proxy that is closing leads another session.
        So does it past what is left there of a tunnel that died with this session.
        """
        tickets: list[Ticket] = []
        """All that were tried; nobody takes one of them before this is over."""
        visit.on_ended = lambda: self._give_back(tickets)
        try:
            tickets.append(await self.wallet.take())
            while True:
                try:
                    await self._carry(visit, tickets[-1])
                    return
                except Ended as why:
                    if why.word not in _ELSEWHERE or len(tickets) == SESSIONS:
                        raise
                    visit.leaves(why.word)
                    tickets.append(await self._another(why))
        except Ended as why:
            raise self._in_words(why) from None

    async def _another(self, why: Ended) -> Ticket:
        """Another session, after this came of one; raised again when there is none."""
        try:
            return await self.wallet.take()
        except Ended:
            raise why from None

    def _give_back(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            self.wallet.give_back(ticket)

    async def _carry(self, visit: Visit, ticket: Ticket) -> None:
        visit.session, visit.server = ticket.session, str(self.local.destination)
        seconds, reactor = self.settings.timeout.connect, visit.room.reactor
        front = FrontEnd(self.settings.front, reactor, seconds, self.context(ticket.session))
        try:
            if self.local.protocol == "terminal":
                await self._terminal(visit, front, ticket)
            else:
                await self._ftp(visit, front, ticket)
        except TokenRefused:
            self.wallet.forget(ticket)
            raise

    def _in_words(self, why: Ended) -> Ended:
        text = why.detail or why.word
        words = _LAST_WORDS[self.local.protocol].format(text)
        return Ended(why.word, why.detail, words.encode("ascii", "backslashreplace"))

    async def _reached(
        self, visit: Visit, group: Group, role: Role, front: FrontEnd, ticket: Ticket
    ) -> tuple[End, Answer]:
        """The first channel of a session, which has the token. Raises Ended."""
        visit.role = role
        key = Key("connection", visit.id)
        seat = visit.seat = await visit.room.claims.claim(group, key, role)
        order = await seat.order()
        if isinstance(order, Stop):
            raise Ended(order.word)
        visit.room.claims.trying(seat, self.server)
        opening = Opening(role, ticket.session, ticket.token)
        attempt = Deferred.fromCoroutine(front.open(opening))
        seat.attempting(attempt)  # type: ignore[arg-type]  # it is only ever cancelled
        try:
            reached = await attempt
        except CancelledError:
            if not seat.interrupted:
                raise
            raise Ended("killed", "the tunnel is closing") from None
        except Ended as why:
            visit.room.claims.end(seat.session, why.word)
            raise
        finally:
            seat.attempting(None)
        visit.room.claims.connected(seat)
        return reached

    async def _terminal(self, visit: Visit, front: FrontEnd, ticket: Ticket) -> None:
        group = terminal_group(None)
        end, _ = await self._reached(visit, group, "terminal", front, ticket)
        relay(visit, end)

    async def _ftp(self, visit: Visit, front: FrontEnd, ticket: Ticket) -> None:
        group = ftp_group(self.settings.ftp)
        end, answer = await self._reached(visit, group, "control", front, ticket)
        try:
            notification, _ = await front.open(Opening("notification", ticket.session, answer.join))
        except BaseException:
            end.abort()
            raise
        seat, claims = seat_of(visit), visit.room.claims

        def lost(word: Ending) -> None:
            claims.end(seat.session, word)

        def stranger(peer: Address) -> None:
            visit.room.note(AttackSeen("data-theft", visit.listener, peer))

        silence = self.settings.timeout.silence
        session = TunnelSession(ticket.session, answer.join, front, silence, lost, visit.gone)
        nearby = Nearby(visit.room.reactor, visit.end, self.ports, stranger)
        ways: dict[Side, Way] = {Side.CLIENT: nearby, Side.SERVER: session}
        visit.also()
        session.start(notification)
        if notification.lost:
            end.abort()
            raise Ended("server-closed", "the proxy closed the session")
        speak_ftp(visit, end, self._circumstances(visit), ways, insecure, session.finish)

    def _circumstances(self, visit: Visit) -> Circumstances:
        return Circumstances(
            client=visit.end.peer,
            client_local=visit.end.local,
            server=place(TUNNELS),
            server_local=place(TUNNELS),
            rules=rules(self.settings.ftp),
            tries=FailedLogins(LoginRules(None, None)).tries(""),  # the user's own machine
            session=seat_of(visit).session.id,
            server_name=visit.server,
            frontend=visit.listener,
        )
