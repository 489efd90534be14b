"""Looks at one server on one port as its clients would: what to look for in, what was seen out.

One visit for each question, one deadline for each visit. A server that cannot be reached is asked
nothing more. What a server says is capped as in every check, and never trusted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred, TimeoutError

from ..config.settings import Live
from ..errors import WireError
from ..likeness import FtpSeen, Seen, TlsSeen
from ..reactors import Reactor
from ..terms import MORE, Address
from ..tls import VERSIONS, ClientHandshake, Identity, LookingContext, certificate_seen
from ..wire.ftp import ReplyReader
from ..wire.proxyheader import encode_local
from .ftp import asked_for_tls
from .visit import Failed, Shortage, Visit

STATUS_LINE: Final = 8192
"""Bytes of an HTTP status line at most."""

T = TypeVar("T")


@attrs.frozen
class Sought:
    """What to look for: one server, one port."""

    backend: str
    server: str
    port: int
    tls: bool
    ftp: bool
    live: Live
    """With every name filled in."""
    send_proxy: Literal["off", "v1", "v2"] = "off"
    ca: bytes | None = attrs.field(default=None, repr=False)
    """Authorities, as PEM; None: the platform's."""
    identity: Identity | None = attrs.field(default=None, repr=False)
    """What channels show to a server that asks for a certificate."""
    verifies: bool = True
    """Whether channels or checks hold it to a name; else TLS passes through, however old."""
    auth: bool = False
    """Whether TLS begins by FTP's AUTH."""

    def context(self, *, alpn: tuple[str, ...] = (), only: str | None = None) -> LookingContext:
        """What to look with."""
        minimum = "1.2" if self.verifies else "1.0"
        return LookingContext(
            self.ca, identity=self.identity, alpn=alpn, minimum=minimum, only=only
        )


class Look:
    """Looks at what is sought at one address."""

    def __init__(self, reactor: Reactor, sought: Sought, host: str) -> None:
        self._reactor = reactor
        self._sought = sought
        self._address = Address(host, sought.port)

    async def __call__(self) -> Seen:
        """What was seen; never raises but CancelledError."""
        nothing = Seen(self._sought.backend, self._sought.server, self._address)
        try:
            return await self._see(nothing)
        except (Failed, Shortage) as why:
            return attrs.evolve(nothing, failed=str(why))

    async def _see(self, seen: Seen) -> Seen:
        if self._sought.tls:
            seen = attrs.evolve(seen, tls=await self._tls())
        if self._sought.ftp:
            return attrs.evolve(seen, ftp=await self._visit(_ftp))
        if self._sought.live.path:
            return attrs.evolve(seen, status=await self._visit(self._http))
        if not self._sought.tls:
            await self._visit(_nothing)
        return seen

    # -- TLS ----------------------------------------------------------------------------------

    async def _tls(self) -> TlsSeen:
        """The certificate first: a server that shows none is asked nothing more."""
        live = self._sought.live
        handshake = await self._shake(self._sought.context())
        facts = handshake.facts()
        try:
            certificate = certificate_seen(facts.certificate, live.names)
        except ValueError as why:
            raise Failed(f"handshake: its certificate cannot be read: {why}") from None
        return TlsSeen(
            certificate.names,
            certificate.common_name,
            certificate.carried,
            handshake.problem,
            certificate.ends,
            tuple([version for version in VERSIONS if await self._offers(version)]),
            await self._answer() if live.alpn else "",
            self._sought.verifies,
        )

    async def _offers(self, version: str) -> bool:
        try:
            await self._shake(self._sought.context(only=version))
        except Failed:
            return False
        return True

    async def _answer(self) -> str:
        """What it makes of an offer of protocols."""
        offer = self._sought.context(alpn=self._sought.live.alpn)
        try:
            return (await self._shake(offer)).facts().alpn
        except Failed:
            return "refused"

    async def _shake(self, context: LookingContext) -> ClientHandshake:
        async def shaken(visit: Visit) -> ClientHandshake:
            return handshake

        handshake = ClientHandshake(context, self._name)
        return await self._visit(shaken, handshake)

    @property
    def _name(self) -> str:
        return (*self._sought.live.names, self._address.host)[0]

    # -- what is inside -----------------------------------------------------------------------

    async def _http(self, visit: Visit) -> int:
        visit.stage = "HTTP"
        host = f"[{self._name}]" if ":" in self._name else self._name
        asked = f"GET {self._sought.live.path} HTTP/1.1\r\nHost: {host}:{self._address.port}\r\n"
        visit.send(f"{asked}Connection: close\r\n\r\n".encode())
        words = (await visit.line(STATUS_LINE)).split(maxsplit=2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
            raise Failed("it does not answer by HTTP")
        return int(words[1])

    # -- visits -------------------------------------------------------------------------------

    async def _visit(
        self, ask: Callable[[Visit], Awaitable[T]], handshake: ClientHandshake | None = None
    ) -> T:
        """One visit within its deadline. Raises Failed with what was being done, and why."""
        visit = Visit(self._reactor, self._address.port, self._address.host)
        seconds = self._sought.live.timeout
        until = self._reactor.seconds() + seconds
        going = Deferred.fromCoroutine(self._go(visit, ask, handshake))
        try:
            found = await going.addTimeout(seconds, self._reactor)
        except TimeoutError:
            await visit.leave(0.0)
            raise Failed(f"{visit.stage}: no answer in {seconds:g} s") from None
        except (Failed, WireError) as why:
            await visit.leave(until)
            raise Failed(f"{visit.stage}: {why}") from None
        except CancelledError:
            await visit.leave(0.0)
            raise
        await visit.leave(until)
        return found

    async def _go(
        self,
        visit: Visit,
        ask: Callable[[Visit], Awaitable[T]],
        handshake: ClientHandshake | None,
    ) -> T:
        await visit.connect()
        if self._sought.send_proxy != "off":
            visit.send(encode_local(int(self._sought.send_proxy[1:]), *visit.ends))
        if self._sought.auth and handshake is not None:
            await asked_for_tls(visit)
        if handshake is not None or (self._sought.tls and not self._sought.auth):
            visit.stage = "handshake"
            await visit.secure(handshake or ClientHandshake(self._sought.context(), self._name))
        return await ask(visit)


async def _nothing(visit: Visit) -> None:
    """That it connects is all."""


async def _ftp(visit: Visit) -> FtpSeen:
    """The greeting and FEAT, which RFC 2389 allows before login."""
    reader = ReplyReader()
    visit.stage = "greeting"
    banner = await _reply(visit, reader)
    while banner[0].startswith("120"):
        banner = await _reply(visit, reader)
    visit.farewell = b"QUIT\r\n"
    if not banner[0].startswith("220"):
        raise Failed(banner[0])
    visit.stage = "FEAT"
    visit.send(b"FEAT\r\n")
    features = await _reply(visit, reader)
    known = features[1:-1] if features[0].startswith("211") else []
    return FtpSeen(banner[-1], tuple(sorted(line.strip() for line in known)))


async def _reply(visit: Visit, reader: ReplyReader) -> list[str]:
    """The lines of one reply."""
    lines: list[str] = []
    while True:
        line = reader.next()
        if line is MORE:
            reader.feed(await visit.more())
            continue
        lines.append(line.line.decode("utf-8", "backslashreplace"))
        if line.final:
            return lines
