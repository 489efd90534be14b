"""TLS on a site: servers that show certificates, clients that verify who they talk to."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
)
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from tests.loopback.site import Host, Site, Talk, listen_alike
from twisted_lb.tls import ClientContext, ClientHandshake, Identity, ServerContext

from ..certificates import Authority

AUTHORITY = Authority()
TRUST = ClientContext(AUTHORITY.pem)
FRONT = "front.example"


@implementer(IOpenSSLServerConnectionCreator)
class Shows:
    """A server's side of TLS."""

    def __init__(self, pem: bytes, **context: Any) -> None:
        self._context = ServerContext(Identity.of(pem, pem, "server"), **context)

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        return self._context.connection()


class TlsHost(Host):
    """A host whose talks are inside TLS; shows a certificate for these names."""

    def __init__(self, address: str, *names: str) -> None:
        super().__init__(address)
        self.secured = TLSMemoryBIOFactory(Shows(AUTHORITY.sign(*names)), False, self)
        self.secured.noisy = False


class _Listening(Host):
    """What listens in a TlsHost's place."""

    def __init__(self, host: TlsHost) -> None:
        super().__init__(host.host)
        self._host = host

    def buildProtocol(self, addr: Any) -> Any:
        return self._host.secured.buildProtocol(addr)


def serve_secured(site: Site, *hosts: TlsHost) -> int:
    """Let these listen on one port number; they end with the site."""
    listening = [_Listening(host) for host in hosts]
    port = listen_alike(list(listening))
    site.hosts += [*listening, *hosts]
    return port


def secure_client(
    site: Site, frontend: str, context: ClientContext = TRUST, name: str = FRONT
) -> Deferred[Talk]:
    """A client that has connected to this frontend; what it says goes into TLS."""
    talk = Talk()
    site.clients.append(talk)
    at = site.balancer.address(frontend)
    creator: Any = _Creator(context, name)
    factory = Factory.forProtocol(lambda: talk)
    factory.noisy = False
    wrapped = TLSMemoryBIOFactory(creator, True, factory)
    wrapped.noisy = False
    connecting = TCP4ClientEndpoint(reactor, at.host, at.port).connect(wrapped)
    return connecting.addCallback(lambda _: talk)


@implementer(IOpenSSLClientConnectionCreator)
class _Creator:
    """A handshake of its own for every connection."""

    def __init__(self, context: ClientContext, name: str) -> None:
        self._context = context
        self._name = name

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        return ClientHandshake(self._context, self._name).clientConnectionForTLS(protocol)
