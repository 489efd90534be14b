"""The `lb:` endpoint: a Twisted server behind a balancer sees its clients, not the balancer.

In: another server endpoint, and who may connect. Out: the application's protocols, each made only
when the PROXY header has come whole, on a transport whose addresses are the client's.

- The application hears of a connection when its header is whole, never before: a banner that goes
  out earlier goes to whoever has not said who he is (attack 16).
- Everything else stays the transport's own: half-close, producers, TLS, the reason of the end.
- Whoever came in counts until the connection is gone, however it goes.
"""

from __future__ import annotations

import ipaddress
import sys
from typing import Any, Literal, cast

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from .accept import Door
from .config.settings import Frontend, FrontendTimeout, Network, ProxyIn
from .ends import address
from .errors import Ended, WireError
from .facility import logger
from .proxied import Proxied
from .terms import MORE
from .wire.proxyheader import parse

log = logger(__name__)


@implementer(IStreamServerEndpoint)
@attrs.frozen(eq=False)
class BehindBalancer:
    """Listens on another endpoint, for connections that begin with a PROXY header."""

    inner: IStreamServerEndpoint
    rule: Frontend
    """Of it count: proxy, allow, deny, maxconn, timeout.proxy."""
    clock: IReactorTime

    # IStreamServerEndpoint

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        return self.inner.listen(Entry(protocolFactory, self.rule, self.clock))


class Entry(WrappingFactory):
    """The application's factory behind a door; started and stopped with it."""

    noisy = False

    def __init__(self, factory: IProtocolFactory, rule: Frontend, clock: IReactorTime) -> None:
        super().__init__(factory)
        self.rule = rule
        self.clock = clock
        # No chance without `startups`, and no descriptors to spare: there are no servers to dial.
        self.door = Door(attrs.evolve(rule, startups=None), lambda count: 0, sys.maxsize)

    # IProtocolFactory

    # Twisted wraps a protocol at once; here there is none before the header.
    def buildProtocol(self, addr: IAddress | None) -> Arrival | None:  # type: ignore[override]
        assert addr is not None, "an accepted connection has an address"
        peer = address(addr)
        word = self.door.refuses(peer)
        if word is not None:
            log.info("{peer} turned away: {word}", peer=str(peer), word=word)
            return None
        application = None
        if self.rule.proxy.mode == "off":
            application = self.wrappedFactory.buildProtocol(addr)
            if application is None:
                return None
        arrival = Arrival(self, application)
        self.door.entered(arrival, peer)
        return arrival


class Arrival(Protocol):
    """One connection: reads the header, then passes everything to the application's protocol.

    Never holds more than a header and what was read along with it.
    """

    def __init__(self, entry: Entry, application: IProtocol | None) -> None:
        self._entry = entry
        self._held = b""
        self._late: IDelayedCall | None = None
        self._application = application

    # IProtocol

    def connectionMade(self) -> None:
        if self._application is not None:
            self._passes(self._application).makeConnection(self._real)
        else:
            seconds = self._entry.rule.timeout.proxy
            self._late = self._entry.clock.callLater(seconds, self._too_late)

    def dataReceived(self, data: bytes) -> None:
        if self._application is not None:
            self._application.dataReceived(data)
        elif self._waits:
            self._held += data
            self._read_header()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._wait_no_more()
        self._entry.door.left()
        if self._application is not None:
            self._application.connectionLost(reason)

    # IHalfCloseableProtocol, where the application's protocol is one

    def readConnectionLost(self) -> None:
        cast(IHalfCloseableProtocol, self._application).readConnectionLost()

    def writeConnectionLost(self) -> None:
        cast(IHalfCloseableProtocol, self._application).writeConnectionLost()

    # -- the header -----------------------------------------------------------------------------

    @property
    def _real(self) -> Any:
        """The transport below: of which kind, only the endpoint inside ours knows."""
        return self.transport

    @property
    def _waits(self) -> bool:
        return self._late is not None and self._late.active()

    def _wait_no_more(self) -> None:
        if self._late is not None and self._late.active():
            self._late.cancel()

    def _too_late(self) -> None:
        self._refuse("not whole by the deadline")

    def _read_header(self) -> None:
        try:
            verdict = parse(self._held)
        except WireError as error:
            self._refuse(str(error))
            return
        if verdict is MORE:
            return
        self._wait_no_more()
        header, length = verdict
        if not header.local:
            try:
                self._entry.door.introduced(self, header.source or address(self._real.getPeer()))
            except Ended as why:
                self._refuse(str(why))
                return
        rest, self._held = self._held[length:], b""
        transport = Proxied(self._real, header)
        application = self._entry.wrappedFactory.buildProtocol(transport.getPeer())
        if application is None:
            self._real.loseConnection()
        else:
            transport.carry(self._passes(application), rest)

    def _refuse(self, why: str) -> None:
        self._wait_no_more()
        peer = address(self._real.getPeer())
        log.info("{peer} closed: PROXY header: {why}", peer=str(peer), why=why)
        self._real.abortConnection()

    def _passes(self, application: IProtocol) -> IProtocol:
        """From now on everything is the application's; it is asked how it wants to half-close."""
        self._application = application
        if IHalfCloseableProtocol.providedBy(application):
            alsoProvides(self, IHalfCloseableProtocol)
        return application


def behind_balancer(
    reactor: Any,
    description: str,
    *unescaped: str,
    proxy: str = "required",
    trusted: str = "",
    allow: str = "",
    deny: str = "",
    maxconn: str = "10000",
    timeout: str = "3",
) -> BehindBalancer:
    """The endpoint of `lb:DESCRIPTION:trusted=NETWORK,NETWORK…`, with colons in DESCRIPTION and in
    IPv6 networks written as `\\\\:`, equal signs as `\\\\=`. `timeout` is in seconds.

    Raises ValueError that names the option.
    """
    if unescaped:
        raise ValueError(rf"lb: write colons of the endpoint within as \: after {description!r}")
    believed = _networks("trusted", trusted)
    if proxy not in ("required", "off"):
        raise ValueError(f"lb: proxy={proxy}: required or off")
    if proxy == "required" and not believed:
        raise ValueError("lb: say trusted=NETWORK, whose PROXY headers are believed")
    if proxy == "off" and believed:
        raise ValueError("lb: trusted= goes with proxy=required; allow= says who may connect")
    rule = Frontend(
        "lb",
        proxy=ProxyIn(cast(Literal["required", "off"], proxy), believed),
        allow=_networks("allow", allow),
        deny=_networks("deny", deny),
        maxconn=int(_above_zero("maxconn", maxconn, int)),
        timeout=FrontendTimeout(proxy=_above_zero("timeout", timeout, float)),
    )
    return BehindBalancer(serverFromString(reactor, description), rule, reactor)


def _networks(option: str, text: str) -> tuple[Network, ...]:
    """Networks, or single addresses, separated by commas."""
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"lb: {option}={text}: {error}") from None


def _above_zero(option: str, text: str, kind: type[int] | type[float]) -> float:
    try:
        number = kind(text)
    except ValueError:
        number = 0
    if not 0 < number < sys.maxsize:
        raise ValueError(f"lb: {option}={text}: must be a number above zero")
    return number
