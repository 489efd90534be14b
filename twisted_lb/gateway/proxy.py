"""Builds the security proxy from its settings: the only place where all its objects meet."""

from __future__ import annotations

from ..facts import Note
from ..ports import PortRange
from ..reactors import Reactor
from ..tls import Identity, ServerContext
from .gate import Gate, choose
from .grants import Denied, Grant, Verify
from .hosts import Hosts
from .proxypath import Path
from .proxyroles import Roles
from .sessionid import PROTOCOL
from .settings import Certificate, ProxySettings


class SecurityProxy(Gate):
    """The whole security proxy as a service.

    `verify` reads tokens; None when no listener asks for them. Raises OSError, ValueError when a
    certificate, a key or a list of authorities cannot be used.
    """

    def __init__(
        self, settings: ProxySettings, reactor: Reactor, note: Note, verify: Verify | None = None
    ) -> None:
        super().__init__(settings.limits, reactor, note)
        context = server_context(settings.tls)
        hosts = Hosts(settings.destinations, settings.timeout.host, self.room)
        self.roles = Roles(settings, hosts, PortRange(settings.ftp.data_ports, choose))
        unbound, opening = settings.tokens.unbound, settings.timeout.opening
        for listener in settings.listeners:
            path = Path(listener, context, self.roles, verify or _nobody, unbound, opening)
            self.opens(listener.frontend, path.carry)

    def drain(self) -> None:
        self.roles.draining = True


def server_context(tls: Certificate) -> ServerContext:
    """What the proxy shows. A client shows a key that its token names, signed by anybody."""
    return ServerContext(
        Identity.read(tls.certificate, tls.key or tls.certificate),
        clients="any",
        alpn=(PROTOCOL,),
        minimum=tls.minimum,
    )


def _nobody(token: str) -> Grant:
    raise Denied("unknown-issuer")
