"""The path of one connection of the security proxy: TLS, opening line, grant, role. Read `carry`.

In: a visit. Out: a relay or a conversation that owns its End, or Ended with the answer as its last
words. What a stranger gets wrong, and what is merely forbidden, is answered alike.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import TimeoutError

from ..accept import proxy_header
from ..errors import Ended, WireError
from ..facts import AttackSeen
from ..secure import serve_tls
from ..terms import MORE, Address
from ..tls import ServerContext
from ..tls.facts import thumbprint
from . import openingline
from .grants import Denied, Verify, check
from .openingline import Opening
from .proxyroles import Roles
from .sessionid import shows_another
from .settings import Listener
from .visits import Visit, within

T = TypeVar("T")


@attrs.define(eq=False)
class Path:
    """What the connections of one listener go through."""

    listener: Listener
    context: ServerContext
    roles: Roles
    verify: Verify
    unbound: bool
    """Whether tokens that are bound to no key are taken."""
    seconds: float
    """The opening's deadline."""

    async def carry(self, visit: Visit) -> None:
        """Take one client from its first byte to where it may go. Raises Ended."""
        if not self.listener.authorization:
            assert self.listener.destination is not None, "without tokens there is a destination"
            visit.role, visit.server = "terminal", str(self.listener.destination)
            await self._within_opening(visit, self._secured(visit))
            if self.roles.draining:
                raise Ended("drained")
            await self.roles.terminal(visit, self.listener.destination, b"")
            return
        opening, shown = await self._within_opening(visit, self._opened(visit))
        visit.session, visit.role = opening.session, opening.role
        _agree(visit)
        if opening.role in ("data", "notification"):
            self.roles.join(visit, opening)
            return
        address = self._granted(visit, opening, shown)
        visit.server = str(address)
        if self.roles.draining:
            raise Ended("drained", last_words=bytes(openingline.CLOSING))
        if opening.role == "terminal":
            await self.roles.terminal(visit, address, bytes(openingline.WELCOME))
        else:
            await self.roles.control(visit, address)

    # -- until it is known what the client wants ----------------------------------------------

    async def _within_opening(self, visit: Visit, doing: Coroutine[Any, Any, T]) -> T:
        try:
            return await within(doing, self.seconds, visit.room)
        except TimeoutError:
            raise Ended("too-slow", "no opening line by the deadline") from None

    async def _opened(self, visit: Visit) -> tuple[Opening, str]:
        """The opening line, and the thumbprint of the client's certificate. Raises Ended."""
        shown, end = await self._secured(visit), visit.end
        while True:
            try:
                read = openingline.read(bytes(end.held))
            except WireError as why:
                raise Ended("wire-error", str(why), bytes(openingline.MALFORMED)) from None
            if read is not MORE:
                opening, length = read
                end.consume(length)
                return opening, shown
            if end.eof or end.lost:
                raise Ended("client-left", "before its opening line")
            await end.more()

    async def _secured(self, visit: Visit) -> str:
        """The thumbprint of the certificate that the client showed, to us or to the balancer."""
        passed = await _proxied(visit) if self.listener.proxy.mode == "required" else ""
        facts = await serve_tls(visit.end, self.context, self.seconds, visit.room.reactor)
        return passed or facts.thumbprint

    # -- may it? ------------------------------------------------------------------------------

    def _granted(self, visit: Visit, opening: Opening, shown: str) -> Address:
        """Where its token lets it go. Raises Ended."""
        try:
            grant = self.verify(opening.credential)
            visit.user = grant.user
            check(grant, opening, shown, self.unbound)
        except Denied as why:
            _attack(visit, f"token-{why.word}")
            detail = f"token: {why.word} {why.detail}".rstrip()
            raise Ended("no-route", detail, bytes(openingline.TOKEN)) from None
        if not self.roles.hosts.allows(grant.destination):
            _attack(visit, "destination")
            detail = f"{grant.user}: {grant.destination} is not allowed"
            raise Ended("no-route", detail, bytes(openingline.DESTINATION))
        return grant.destination


def _agree(visit: Visit) -> None:
    """A balancer went by what the ClientHello showed: it must be what was said inside.

    Raises Ended. A balancer that ends TLS has ClientHellos of its own, which show no session.
    """
    tls = visit.end.tls
    assert tls is not None, "an opening line is read inside TLS"
    if shows_another(visit.session, tls.offered):
        _attack(visit, "two-sessions")
        detail = "its ClientHello shows another session"
        raise Ended("wire-error", detail, bytes(openingline.MALFORMED))


async def _proxied(visit: Visit) -> str:
    """Who comes, and which certificate it showed, as a trusted balancer says. Raises Ended."""
    header = await proxy_header(visit.end)
    if header.source is not None and not header.local:
        visit.end.peer = header.source
    if not header.local:
        visit.introduced(visit.end, visit.end.peer)
    certificate = header.client_certificate
    return thumbprint(certificate) if certificate else ""


def _attack(visit: Visit, kind: str) -> None:
    visit.room.note(AttackSeen(kind, visit.listener, visit.end.peer, visit.session))
