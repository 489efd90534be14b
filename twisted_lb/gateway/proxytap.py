"""Entry: `twistd security-proxy`: the command line and a configuration file in, a service out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from twisted.application.service import IService

from ..errors import Problem
from ..facts import Note
from . import advice, program, token
from .gate import Gate
from .grants import Grant, Verify
from .keys import trusted
from .load import load_proxy
from .proxy import SecurityProxy
from .settings import ProxySettings, Tokens


def verifier(tokens: Tokens, wall: Callable[[], float]) -> Verify:
    """Reads tokens by the keys that the settings trust. Raises OSError, ValueError."""
    keys = [key for name in tokens.trusted for key in trusted(Path(name).read_bytes(), name)]
    trust = token.Trust(tuple(keys), tokens.audience, tokens.issuer, tokens.leeway)

    def verify(text: str) -> Grant:
        return token.verify(text, trust, wall()).grant

    return verify


def build(settings: ProxySettings, reactor: Any, note: Note) -> Gate:
    """The security proxy that the settings mean. Raises OSError, ValueError."""
    verify = verifier(settings.tokens, time.time)
    return SecurityProxy(settings, reactor, note, verify)


class Options(program.Options):
    """The options of `twistd security-proxy`."""

    synopsis = "[options] --config FILE"
    longdesc = (
        "Takes clients with TLS and a token, and brings them to the host that the token names: "
        "terminals, and FTP with its channels. A first configuration is in "
        "docs/how-to/run-a-gateway.md."
    )
    load: ClassVar[Callable[[str, str], Any]] = staticmethod(load_proxy)
    build: ClassVar[Callable[[Any, Any, Note], Gate]] = staticmethod(build)
    advice: ClassVar[Callable[[Any, float], Iterator[Problem]]] = staticmethod(advice.proxy)


def makeService(options: Options) -> IService:
    """The security proxy for twistd."""
    return program.program(options, options.settings.log)
