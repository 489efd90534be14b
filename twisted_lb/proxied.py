"""The transport that an application behind an `lb:` endpoint gets: the real one, but for what the
PROXY header told.

In: a connection whose header was read, and what was read along with it. Out: the application's
bytes, when it wants to read; addresses, session and role for whoever asks.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IProtocol
from zope.interface import directlyProvides, providedBy

from .interfaces import IProxied
from .terms import Address
from .wire.address import ip
from .wire.proxyheader import Header


class Proxied:
    """Provides IProxied, and whatever the real transport provides; what is not here is its own.

    What was read along with the header is kept back while the application does not want to read:
    for others it would still be in the kernel.
    """

    def __init__(self, transport: Any, header: Header) -> None:
        self.header = header
        self.session = header.session
        self.role = header.role
        self.unique_id = header.unique_id.decode(errors="backslashreplace")
        self._transport = transport
        self._reader: IProtocol | None = None
        """Who reads what was kept back."""
        self._kept = b""
        self._paused = False
        self._declare()

    def _declare(self) -> None:
        directlyProvides(self, providedBy(self._transport), IProxied)

    def carry(self, application: IProtocol, rest: bytes) -> None:
        """Tell the application of its connection, then bring what was read along."""
        self._reader = application
        application.makeConnection(cast(Any, self))  # whatever the real transport provides
        self._kept = rest
        self._bring()

    def _bring(self) -> None:
        if self._kept and not self._paused and not self._transport.disconnecting:
            kept, self._kept = self._kept, b""
            cast(IProtocol, self._reader).dataReceived(kept)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    # ITransport

    def getPeer(self) -> IAddress:
        """The client, as the balancer tells it."""
        return self._told(self.header.source) or cast(IAddress, self._transport.getPeer())

    def getHost(self) -> IAddress:
        """What the client connected to, as the balancer tells it."""
        return self._told(self.header.destination) or cast(IAddress, self._transport.getHost())

    def _told(self, told: Address | None) -> IAddress | None:
        if told is None or self.header.local:
            return None
        kind = IPv4Address if ip(told.host).version == 4 else IPv6Address
        return kind("TCP", told.host, told.port)

    # IPushProducer

    def pauseProducing(self) -> None:
        self._paused = True
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        self._bring()
        if not self._paused:
            self._transport.resumeProducing()

    # ITLSTransport

    def startTLS(self, *args: Any) -> None:
        self._transport.startTLS(*args)
        self._reader = self._transport.protocol  # deciphers, then tells the application
        self._declare()
