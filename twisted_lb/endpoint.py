"""The `lb:` endpoint: a Twisted server behind a balancer sees its clients, not the balancer.

In: another server endpoint, and who may connect. Out: the application's protocols, each made only
when the PROXY header has come whole, on a transport whose addresses are the client's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, cast

import attrs
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamServerEndpoint,
    ITransport,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer, providedBy

from .accept import Door, Entrance, descriptors, proxy_header
from .config.settings import Frontend, FrontendTimeout, Network, ProxyIn
from .ends import End
from .errors import Ended
from .interfaces import IProxied
from .terms import Address, Ending
from .wire.address import ip
from .wire.proxyheader import Header

HOLD = 65_536
"""Bytes kept of a client until its protocol is made."""

log = Logger()


@implementer(IStreamServerEndpoint)
@attrs.frozen(eq=False)
class BehindBalancer:
    """Listens on another endpoint for connections that begin with a PROXY header."""

    inner: IStreamServerEndpoint
    rule: Frontend
    clock: IReactorTime
    choose: Callable[[int], int]

    # IStreamServerEndpoint

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        door = Door(self.rule, self.choose, descriptors())

        def enter(end: End) -> None:
            peer = end.peer
            gone = lambda: door.left()  # noqa: E731
            path = Deferred.fromCoroutine(self._receive(end, protocolFactory, gone))
            path.addBoth(lambda _: door.settled(peer))
            end.on_lost = path.cancel

        def turned_away(peer: Address, word: Ending) -> None:
            log.info("{peer} turned away: {word}", peer=str(peer), word=word)

        return self.inner.listen(Entrance(door, HOLD, enter, turned_away))

    async def _receive(self, end: End, factory: IProtocolFactory, gone: Callable[[], None]) -> None:
        waiting = Deferred.fromCoroutine(proxy_header(end))
        waiting.addTimeout(self.rule.timeout.proxy, self.clock)
        try:
            header = await waiting
        except (Ended, TimeoutError) as why:
            log.info("{peer} sent no PROXY header: {why}", peer=str(end.peer), why=why)
            end.give(_Nobody(gone))
            end.abort()
            return
        transport = _ProxiedTransport(end, header)
        protocol = factory.buildProtocol(transport.getPeer())
        if protocol is None:
            end.give(_Nobody(gone))
            end.close()
            return
        protocol.makeConnection(cast(ITransport, transport))
        end.give(_Feed(end, protocol, gone))


class _ProxiedTransport:
    """The real transport, but for its two addresses and what the header told."""

    def __init__(self, end: End, header: Header) -> None:
        self.header = header
        self.session = header.session
        self.role = header.role
        self._transport = end.transport
        self._proxied = not header.local and header.source is not None
        directlyProvides(self, providedBy(end.transport), IProxied)

    def getPeer(self) -> IAddress:
        """The client, as the balancer tells it."""
        source = self.header.source
        return _twisted(source) if self._proxied and source else self._transport.getPeer()

    def getHost(self) -> IAddress:
        """What the client connected to."""
        destination = self.header.destination
        if self._proxied and destination:
            return _twisted(destination)
        return self._transport.getHost()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _twisted(address: Address) -> IAddress:
    kind = IPv4Address if ip(address.host).version == 4 else IPv6Address
    return kind("TCP", address.host, address.port)


@attrs.frozen
class _Feed:
    """Receiver that feeds the application's protocol."""

    end: End
    protocol: IProtocol
    gone: Callable[[], None]

    # Receiver

    def data(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    def eof(self) -> None:
        half = IHalfCloseableProtocol(self.protocol, None)
        if half is not None:
            half.readConnectionLost()
        else:
            self.end.close()

    def lost(self, clean: bool) -> None:
        self.gone()
        self.protocol.connectionLost(Failure(ConnectionDone() if clean else ConnectionLost()))


@attrs.frozen
class _Nobody:
    """Receiver of a connection that gets no protocol."""

    gone: Callable[[], None]

    # Receiver

    def data(self, data: bytes) -> None:
        pass  # it is being closed

    def eof(self) -> None:
        pass

    def lost(self, clean: bool) -> None:
        self.gone()


def behind_balancer(
    reactor: Any,
    description: str,
    trusted: str = "",
    deny: str = "",
    maxconn: str = "10000",
    timeout: str = "3",
    *,
    choose: Callable[[int], int],
) -> BehindBalancer:
    """The endpoint of `lb:DESCRIPTION:trusted=NETWORK,NETWORK…`, with colons in DESCRIPTION and in
    IPv6 networks written as `\\\\:`. Raises ValueError.

    `timeout` is in seconds.
    """
    if not trusted:
        raise ValueError("lb: say trusted=NETWORK, whose PROXY headers are believed")
    rule = Frontend(
        "lb",
        proxy=ProxyIn("required", networks(trusted)),
        deny=networks(deny),
        maxconn=int(maxconn),
        timeout=FrontendTimeout(proxy=float(timeout)),
    )
    return BehindBalancer(serverFromString(reactor, description), rule, reactor, choose)


def networks(text: str) -> tuple[Network, ...]:
    """Networks, or single addresses, separated by commas."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
