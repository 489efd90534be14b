"""Entry: `twistd lb-tunnel`: the command line and a configuration file in, a service out."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from twisted.application.service import IService

from ..errors import Problem
from ..facts import Note
from . import advice, program
from .clientkey import client_key
from .gate import Gate
from .load import load_tunnel
from .settings import TunnelSettings
from .sources import source
from .tunnel import Tunnel


def build(settings: TunnelSettings, reactor: Any, note: Note) -> Gate:
    """The tunnel that the settings mean. Raises OSError, ValueError."""
    key = client_key(settings.key, datetime.datetime.now(datetime.UTC))
    return Tunnel(
        settings,
        reactor,
        note,
        key,
        lambda local: source(local, settings, key.thumbprint, reactor),
        time.time,
    )


class Options(program.Options):
    """The options of `twistd lb-tunnel`."""

    synopsis = "[options] --config FILE"
    longdesc = (
        "Gives ordinary programs of this machine, terminal emulators and FTP clients, a port that "
        "leads to their host through a security proxy. A first configuration is in "
        "docs/how-to/run-a-gateway.md."
    )
    load: ClassVar[Callable[[str, str], Any]] = staticmethod(load_tunnel)
    build: ClassVar[Callable[[Any, Any, Note], Gate]] = staticmethod(build)
    advice: ClassVar[Callable[[Any, float], Iterator[Problem]]] = staticmethod(advice.tunnel)


def makeService(options: Options) -> IService:
    """The tunnel for twistd."""
    return program.program(options, options.settings.log)
