"""What a probe is given and what it gives: frozen values."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal

import attrs
from twisted.internet.defer import Deferred

from ..config.settings import Check
from ..contexts import ServerTls
from ..tls import ClientHandshake, Resumption
from .agent import Words


@attrs.frozen(eq=False)
class Target:
    """How one server is asked; all but its address, which names may change."""

    check: Check
    port: int
    send_proxy: Literal["off", "v1", "v2"] = "off"
    name: str = ""
    """In TLS: what the certificate must be for."""
    tls: ServerTls | None = None
    """How TLS is spoken; None: it is not. Certificates may change from one check to the next."""
    password: str = attrs.field(default="", repr=False)
    """ftp: for the check's user."""

    def asks_for_tls(self) -> bool:
        """Whether TLS begins by FTP's AUTH: where it may, the check's password never goes in
        clear."""
        return self.tls is not None and self.tls.settings.mode in ("starttls", "match")

    def handshake(self, resumption: Resumption | None = None) -> ClientHandshake:
        """For a new connection to the server."""
        assert self.tls is not None, "a check in TLS has settings for it"
        return ClientHandshake(self.tls.context, self.name, resumption)


@attrs.frozen
class Outcome:
    """What one probe found."""

    ok: bool | None
    """None: nobody was asked, because this process had no socket to ask with."""
    reason: str
    """One sentence for an operator; of a failure, begins with what was being done."""
    expires: float | None = None
    """tls: when the certificate ends, in seconds since 1970."""
    words: Words | None = None
    """agent: what the server says of itself."""


Probe = Callable[[Target, Sequence[str]], Coroutine[Deferred[Any], Any, Outcome]]
"""Asks a target at the first of its addresses that answers. Never raises but CancelledError."""
