"""The settings of servers: backends, how they are asked, how TLS is spoken with them. Sans-I/O.

Durations are seconds. Read through `settings`, which names them with all others.
"""

from __future__ import annotations

from typing import Literal

import attrs

TlsVersion = Literal["1.0", "1.1", "1.2", "1.3"]
"""1.0 and 1.1 are retired (RFC 8996); peers of long ago speak nothing else."""
Balance = str
"""round-robin | least-sessions | least-connections | source-hash | random-two | first | plugin's"""


@attrs.frozen
class Check:
    """How a server's health is found out."""

    type: str = "tcp"
    """off | tcp | tls | ftp | agent"""
    interval: float = 2.0
    fast_interval: float = 1.0
    """Used while a change of state is under way (some, not yet enough, in a row)."""
    timeout: float = 3.0
    rise: int = 2
    fall: int = 3
    port: int | None = None
    """None: the port that channels of this backend dial; needed when they dial several."""
    name: str = ""
    """tls: the name that the certificate must carry; empty: as the backend's `tls` says."""
    ca: str = ""
    """tls: a file of trusted certificates; empty: as the backend's `tls` says."""
    expiry_warning: float = 14 * 86400.0
    """tls: warn when the certificate ends within so long."""
    user: str = ""
    """ftp: log in as; empty: only the greeting is read."""
    password_file: str = ""
    data: bool = False
    """ftp: also open a passive data connection."""


@attrs.frozen
class Live:
    """What `--check --live` asks of servers: who are they to clients, and are they alike?"""

    names: tuple[str, ...] = ()
    """What clients call the servers: each certificate must carry all of them. Empty: the names
    that routes list, and that channels and checks ask for."""
    tls: Literal["auto", "on", "off"] = "auto"
    """Whether to speak TLS; auto: where clients or channels do."""
    ca: str = ""
    """A file of certificates that clients trust; empty: as the backend's `tls` or check says."""
    alpn: tuple[str, ...] = ()
    """Protocols to offer; empty: those that routes and channels name."""
    path: str = ""
    """Ask for this path by HTTP and compare the status; empty: not at all."""
    expiry_warning: float = 30 * 86400.0
    timeout: float = 5.0
    """For each single connection."""


@attrs.frozen
class Eject:
    """Passive ejection: what connect failures in a row do."""

    after: int = 3
    """0: never."""
    period: float = 10.0


@attrs.frozen
class ServerRule:
    """One server as configured."""

    name: str
    host: str
    weight: int = 100
    maxconn: int | None = None
    state: Literal["ready", "drain", "maintenance"] = "ready"
    """How it starts."""
    send_proxy: Literal["off", "v1", "v2"] = "off"
    passive_ports: tuple[int, int] | None = None
    """Ports, first and last, that it announces for data connections of FTPS that passes through:
    who comes to one of them goes to this server and to no other."""


@attrs.frozen
class BackendTls:
    """TLS toward servers. Who is there is known before a byte of a client's is sent."""

    mode: Literal["off", "on", "starttls", "match"] = "off"
    """ftp: `starttls` asks for it by AUTH (RFC 4217), `match` where the client is protected."""
    ca: str = ""
    """A file of trusted certificates; empty: the platform's."""
    identity: str = ""
    """The name that certificates must carry, by SNI and in the certificate; empty: the server's
    `host`."""
    certificate: str = ""
    """A file: what is shown to a server that asks for a client's certificate; empty: nothing."""
    key: str = ""
    """A file: the certificate's private key; empty: it stands in the certificate's file."""
    alpn: tuple[str, ...] = ()
    """Protocols that are offered; empty: the extension is not sent."""
    minimum: TlsVersion = "1.2"
    data: Literal["private", "clear", "match"] = "private"
    """ftp: whether data connections are protected when the control connection is; `match`: as the
    client's are."""
    ciphers: str = ""
    """OpenSSL's list for TLS up to 1.2; empty: its own."""

    def name_of(self, server: ServerRule) -> str:
        """The name that this server's certificate must carry."""
        return self.identity or server.host


@attrs.frozen
class BackendTimeout:
    """Deadlines toward servers."""

    connect: float = 5.0
    """One attempt on one server, its TLS handshake included."""
    queue: float = 10.0
    """How long a late channel waits for a server that is at its maxconn."""
    drain: float | None = None
    """How long living sessions may stay on a server that drains; None: to their own end. Terminals
    stay for days, and nobody but an operator knows how long the work can wait."""


@attrs.frozen
class Backend:
    """A named pool of servers with a balancing policy and checks."""

    name: str
    servers: tuple[ServerRule, ...]
    balance: Balance = "least-sessions"
    failback: Literal["manual", "when-idle", "at-once"] = "when-idle"
    """balance `first` only: when new sessions return to a primary that came back."""
    on_down: Literal["end", "keep"] | None = None
    """What a check that says down does to living sessions; None: `end` for ftp, else `keep`."""
    tls: BackendTls = BackendTls()
    check: Check = Check()
    live: Live = Live()
    eject: Eject = Eject()
    slow_start: float = 0.0
    """A server that came up takes its full weight only after so long."""
    resolve: float = 30.0
    """How often server names are looked up again; the last good answer is kept."""
    timeout: BackendTimeout = BackendTimeout()
