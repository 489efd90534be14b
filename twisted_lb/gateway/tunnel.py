"""Builds the tunnel from its settings: the only place where all its objects meet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path as File

from ..config.settings import Frontend
from ..facts import Note
from ..ports import PortRange
from ..reactors import Reactor
from ..terms import Server
from .clientkey import ClientKey
from .frontend import context
from .gate import Gate, choose
from .settings import Local, TunnelSettings
from .tunnelpath import Path
from .wallet import Source, Wallet


class Tunnel(Gate):
    """The whole tunnel as a service.

    `sources` gives each local port's source of tokens; `wall` tells seconds since 1970. Raises
    OSError, ValueError when a file cannot be used.
    """

    def __init__(
        self,
        settings: TunnelSettings,
        reactor: Reactor,
        note: Note,
        key: ClientKey,
        sources: Callable[[Local], Source],
        wall: Callable[[], float],
    ) -> None:
        super().__init__(settings.limits, reactor, note)
        front = settings.front
        ca = File(front.ca).read_bytes() if front.ca else None
        speak = partial(context, front=front, ca=ca, identity=key.identity)
        speak("")  # a file that holds no authorities is told now
        ports = PortRange(settings.ftp.data_ports, choose)
        server = Server("front", str(front.address), front.address.host)
        for local in settings.locals:
            wallet = Wallet(sources(local), wall)
            path = Path(local, settings, wallet, speak, ports, server)
            self.opens(frontend_of(local), path.carry)


def frontend_of(local: Local) -> Frontend:
    """The same, as the balancer's rooms know it."""
    return Frontend(
        name=local.name,
        listen=local.listen,
        allow=local.allow,
        maxconn=local.maxconn,
        startups=None,
    )
