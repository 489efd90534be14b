"""The TLS of one FTP session's connections, on both sides: who is shown what, who resumes what.

In: an End that nobody receives, whose TLS is to begin. Out: the same End, secured, or Ended.

Rules:
- We are every client's TLS server and every server's TLS client (RFC 4217 section 7; T62).
- A client's data connections are held against its control connection: the same context, the same
  certificate of its own, and, where that is required, the same TLS session (section 10.2; T65,
  attack 6). A context of one session's own makes "the same" exact.
- Toward the server the same name is verified on each connection (T69), and each goes on with the
  TLS session of this FTP session, never with another's (T67).
- The contexts are those that the control connections were secured with, to the session's end:
  certificates may have changed since.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred, TimeoutError

from .config.settings import Frontend
from .contexts import ClientTls
from .ends import End
from .errors import Ended, WireError
from .facts import Note, Secured
from .opening import certificate_for
from .protocols.actions import Side
from .reactors import Reactor
from .secure import dial_tls, serve_tls
from .terms import MORE, Address
from .tls import ClientContext, ClientHandshake, Resumption, ServerContext, ServerHandshake
from .wire.clienthello import HelloReader
from .wire.tlsrecord import UNRECOGNIZED_NAME, alert


@attrs.frozen(eq=False)
class Speaks:
    """How one session's server is spoken to."""

    context: ClientContext
    name: str
    """That its certificate must carry."""


@attrs.define(eq=False)
class TowardServer:
    """The server's side of one FTP session: its data connections go on with its control one."""

    reactor: Reactor
    control: End
    speaks: Speaks | None
    seconds: float
    tolerant: bool
    _resumption: Resumption | None = None

    async def __call__(self, end: End, data: bool) -> None:
        """Secure this End. Raises Ended."""
        handshake = self._again() if data else self._first()
        await dial_tls(end, handshake, self.seconds, self.reactor, self.tolerant)

    def _first(self) -> ClientHandshake:
        assert self.speaks is not None, "a server that is asked for TLS has settings for it"
        return ClientHandshake(self.speaks.context, self.speaks.name)

    def _again(self) -> ClientHandshake:
        """As on the control connection, with which everything of this session goes on."""
        control = self.control.handshake
        assert isinstance(control, ClientHandshake), "data is protected after control"
        if self._resumption is None:
            self._resumption = control.resumption()
        return ClientHandshake(control.context, control.name, self._resumption)


@attrs.define(eq=False)
class Securing:
    """The TLS of one FTP session, on both sides."""

    reactor: Reactor
    frontend: Frontend
    control: End
    """The client's."""
    client: ClientTls | None
    """What the client is shown; None: it is not protected."""
    server: TowardServer
    on_stranger: Callable[[Address], None]
    """Told of a data connection that is not the client's."""
    note: Note = lambda fact: None

    async def __call__(self, side: Side, end: End, data: bool) -> None:
        """Secure this End. Raises Ended."""
        if side is Side.SERVER:
            await self.server(end, data)
        elif data:
            await self._serve_data(end)
        else:
            await self._serve_control(end)
        assert end.tls is not None, "a handshake that is done has shown something"
        self.note(Secured(side.value, end.tls.version, end.tls.resumed))

    @property
    def _seconds(self) -> float:
        return self.frontend.timeout.opening

    @property
    def _tolerant(self) -> bool:
        return self.frontend.ftp.tls.unclean_close == "tolerate"

    # -- the client's side --------------------------------------------------------------------

    async def _serve_control(self, end: End) -> None:
        hello = Deferred.fromCoroutine(self._shown(end))
        try:
            context = await hello.addTimeout(self._seconds, self.reactor)
        except TimeoutError:
            raise Ended("too-slow", "no ClientHello after AUTH") from None
        await serve_tls(end, context, self._seconds, self.reactor)

    async def _shown(self, end: End) -> ServerContext:
        """What is shown to this client, by the name that it asks for."""
        assert self.client is not None, "a client that may say AUTH is shown something"
        reader, heard = HelloReader(), 0
        try:
            while (hello := reader.take(bytes(end.held[heard:]))) is MORE:
                if end.eof or end.lost:
                    raise Ended("client-left")
                heard = len(end.held)
                await end.more()
        except WireError as why:
            raise Ended("tls-failed", str(why)) from None
        chosen = certificate_for(self.client.names, hello, self.frontend.tls.strict_sni)
        if chosen is None:
            end.write(alert(UNRECOGNIZED_NAME))
            raise Ended("tls-failed", f"no certificate for {hello.server_name}")
        return self.client.context(chosen)

    async def _serve_data(self, end: End) -> None:
        control = self.control
        assert isinstance(control.handshake, ServerHandshake), "data is protected after control"
        context = control.handshake.context
        facts = await serve_tls(end, context, self._seconds, self.reactor, self._tolerant)
        assert control.tls is not None
        stranger = facts.thumbprint != control.tls.thumbprint
        if stranger or (self.frontend.ftp.tls.reuse == "required" and not facts.resumed):
            self.on_stranger(end.peer)
            raise Ended("tls-failed", "a data connection of another TLS session")
