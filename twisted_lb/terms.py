"""The words that stages hand to each other: Address, Key, Route, Server, and the endings.

Sans-I/O. `docs/glossary.md` explains each word; nothing here decides anything.
"""

from __future__ import annotations

import enum
from typing import Final, Literal

import attrs

Ending = str
"""One word of ENDINGS: how a channel, connection or session ended."""

ENDINGS: Final = frozenset(
    {
        "done",  # both sides closed in order, or the linger ran out
        "client-left",  # the client was gone before it was joined, or reset
        "server-closed",  # the server reset or closed first
        "server-refused",  # the session's server did not take a late channel
        "server-down",  # the session's server died: every channel ends
        "drained",  # the drain deadline came
        "killed",  # an operator, or our own shutdown
        "no-route",  # nothing configured matches what the client showed
        "no-server",  # no candidate was left
        "unkeyed",  # the connection shows none of its group's keys
        "ambiguous",  # a key names two sessions on different servers
        "key-full",  # the session has max_channels already
        "table-full",  # the session table holds only living sessions
        "full",  # the frontend or the data port range is at its limit
        "too-slow",  # a deadline passed before the channel was joined
        "idle",  # nothing moved for the idle time
        "wire-error",  # bytes that the protocol does not allow
        "tls-failed",  # a handshake failed
        "identity-mismatch",  # a server's certificate does not carry the name asked for
        "refused-source",  # the peer's address may not connect here
        "internal-error",  # our fault: a traceback is in the log
    }
)

Role = str
"""What a channel is to its session: control, data, notification, terminal, web, or any."""

ROLES: Final = ("control", "data", "notification", "terminal", "web", "any")

ALONE: Final = "connection"
"""The kind of a key that no two connections show: each is a session of its own."""

CARRIED: Final = "carried"
"""The kind of a key that a pattern found in what the client carries, wherever it carries it."""

EXACT_KINDS: Final = frozenset({"expectation", CARRIED, "tls-session", ALONE})
"""Kinds of key that name one user's session; the others (source, sni …) are coarse."""

LEARNED: Final = "tls-session"
"""The kind of a key that a session has only once its server gave it; an unknown one opens none."""


class More(enum.Enum):
    """The answer of a parser that cannot decide yet: give it more bytes."""

    MORE = "more"


MORE: Final = More.MORE


@attrs.frozen(weakref_slot=False)
class Address:
    """An IP address or host name, and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@attrs.frozen
class Key:
    """What tells which session a connection belongs to: one key, one session."""

    kind: str
    value: str

    @property
    def exact(self) -> bool:
        """Whether it can only be shown by channels of the same session."""
        return self.kind in EXACT_KINDS


@attrs.frozen
class Route:
    """Where a connection goes, decided by what it showed before anything was relayed."""

    group: str
    """The group's name: its backend, roles and keys stand in the settings."""
    role: Role
    key: Key | None
    """The first of the group's kinds of key that the connection shows; None when it shows none."""
    port: int
    """The port to dial on whichever server is chosen."""
    name: str = ""
    """The name the client asked for (SNI), for the log and for PROXY's AUTHORITY."""
    replay: bytes = b""
    """Bytes to send to the server before anything else: what was answered on its behalf."""


@attrs.frozen
class TlsFacts:
    """What a TLS handshake showed of the peer."""

    version: str
    """`TLSv1.3` …"""
    server_name: str
    """SNI, as the client asked; empty without."""
    alpn: str
    """The protocol that was agreed on; empty without."""
    certificate: bytes = attrs.field(default=b"", repr=False)
    """The peer's, as DER; empty without."""
    thumbprint: str = ""
    """Its SHA-256 in base64url, as tokens carry it (RFC 8705 section 3.1)."""
    cipher: str = ""
    common_name: str = ""
    """What the peer's certificate calls it, cut to 64 characters: for people, proves nothing."""
    verified: bool = False
    """Whether a trusted authority vouches for the certificate."""
    offered: tuple[str, ...] = ()
    """The protocols that a client offered a server of ours that has protocols to agree on."""
    resumed: bool = False
    """Whether it goes on with an earlier TLS session (RFC 8446 section 2.2)."""


Admin = Literal["ready", "drain", "maintenance"]


@attrs.frozen
class Pin:
    """The decision session → server, as another process is told of it."""

    session: str
    """The session's id."""
    group: str
    kind: str
    """Of the key that opened it."""
    digests: tuple[str, ...]
    """What its keys are stored as, in hex; the one that opened it first."""
    server: tuple[str, str, str]
    """Backend, name, host."""
    lives: float
    """Seconds for which there may be channels of it in the process that tells; 0: none is left."""
    lingers: float
    """Seconds for which the pin is to be kept afterwards."""


@attrs.define(eq=False)
class Server:
    """One machine behind us and how it stands; shared by every generation of the settings.

    `up` is what checks say, `admin` what the operator says, `ejected_until` what connecting
    taught: three switches that never touch each other.
    """

    backend: str
    name: str
    host: str
    weight: int = 100
    maxconn: int | None = None
    up: bool = True
    admin: Admin = "ready"
    ejected_until: float = 0.0
    up_since: float | None = None
    """When it last came up, for slow start; None when it has been up since the start."""
    refusals: int = 0
    """Connect failures in a row."""
    sessions: int = 0
    """Sessions decided for it or being decided."""
    connections: int = 0
    """Channels dialling it or joined to it."""
    addresses: tuple[str, ...] = ()
    """What its host resolved to last; empty until resolved (or for a literal address)."""
    _title: str = attrs.field(init=False)
    """Its full name, once: every one of its connections holds it for the log."""

    @_title.default
    def _named(self) -> str:
        return f"{self.backend}/{self.name}"

    @property
    def full(self) -> bool:
        """Whether it is at its maxconn: late channels queue for it."""
        return self.maxconn is not None and self.connections >= self.maxconn

    def __str__(self) -> str:
        return self._title
