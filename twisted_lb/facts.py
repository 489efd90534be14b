"""What happened, as frozen values. Stages emit them where it happens; `observe` tells them.

Sans-I/O. A fact carries no password and no payload. Text that came from a peer is `str` decoded
with `backslashreplace`; the observer escapes the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from .terms import Address, Ending


@attrs.frozen
class ConnectionEnded:
    """One client connection is over."""

    connection: str
    frontend: str
    client: Address | None
    ending: Ending
    seconds: float
    session: str = ""
    role: str = ""
    server: str = ""
    from_client: int = 0
    """Bytes relayed from the client to the server."""
    from_server: int = 0
    detail: str = ""


@attrs.frozen
class SessionEnded:
    """One session is over: its last channel is gone and its linger ran out, or it was ended."""

    session: str
    group: str
    server: str
    ending: Ending
    seconds: float
    channels: int
    """How many channels it had over its whole life."""
    key: str = ""
    """The kind of key that opened it: a coarse one, as `source`, is shared by all who show it."""


@attrs.frozen
class TransferEnded:
    """One FTP transfer is over."""

    session: str
    user: str
    server: str
    command: str
    path: str
    bytes: int
    seconds: float
    ending: Ending
    reply: int
    """The server's final reply code; 0 when none came."""
    client_tls: str = ""
    server_tls: str = ""
    """What protected the data connection on either side, as `TLSv1.3`; empty: nothing."""


@attrs.frozen
class ServerChanged:
    """A server's standing changed: up, down, ejected, drain, maintenance, ready."""

    server: str
    state: str
    reason: str


@attrs.frozen
class CertificateExpiring:
    """A server's certificate ends soon."""

    server: str
    days: float


@attrs.frozen
class AttackSeen:
    """A peer did what only an attacker or a broken peer does; it was refused and is counted."""

    kind: str
    """One word, as `data-theft`, `bounce`, `starttls-injection`, `proxy-spoof`."""
    frontend: str
    peer: Address | None
    detail: str = ""


@attrs.frozen
class ChannelObserved:
    """What was seen of one channel of a frontend with `observe`; no payload, no whole secrets."""

    connection: str
    """As in ConnectionEnded, which tells its session and server."""
    frontend: str
    port: int
    """Of ours, that the client hit."""
    client: Address | None
    order: int
    """The how-manieth channel of its source (over all observed frontends), from 1."""
    after: float
    """Seconds from the source's first channel to this one."""
    beside: int
    """How many channels of the source were open when it came."""
    first: str
    """Who spoke first: client, server, or nobody (empty)."""
    first_after: float | None
    """Seconds until then."""
    versions: str
    """Of TLS, that the ClientHello offers; empty: there was none."""
    sni: str
    alpn: str
    session_id: str
    """A short digest, as the three that follow, which may be several; equal: the same bytes."""
    ticket: str
    psk: str
    given: str
    """TLS sessions that the server gave or resumed, as far as it says so in clear (TLS 1.2)."""
    ending: Ending
    seconds: float
    from_client: int
    from_server: int


@attrs.frozen
class TokenAsked:
    """Somebody asked a token server for a token, and was given one or was not."""

    client: Address | None
    user: str
    """As it was given: nobody needs to have it."""
    destination: str
    answer: str
    """given, or one word that says why not."""
    seconds: float
    token: str = ""
    """Its `jti`."""
    session: str = ""
    """Its `sid`, by which the security proxies' logs tell of it."""


@attrs.frozen
class Checked:
    """A check of a server has its answer. For those who measure: no log tells of it."""

    server: str
    ok: bool
    seconds: float
    expires: float | None = None
    """When the server's certificate ends, in seconds since 1970, where the check has seen that."""


@attrs.frozen
class Secured:
    """A TLS handshake is done, and who came is taken. For those who measure, too."""

    side: str
    """Whose connection it is: client, server."""
    version: str
    resumed: bool


@attrs.frozen
class Announced:
    """The balancer tells of itself: started, listening, draining, stopped."""

    what: str
    detail: str = ""


Fact = (
    ConnectionEnded
    | SessionEnded
    | TransferEnded
    | ServerChanged
    | CertificateExpiring
    | AttackSeen
    | ChannelObserved
    | TokenAsked
    | Checked
    | Secured
    | Announced
)

MEASURED: Final = (Checked, Secured)
"""What happens too often, and tells too little, for a line each."""

Note = Callable[[Fact], None]
"""Where facts are handed to; never raises, never waits."""
