"""The gateway's settings as frozen values: of the security proxy, and of the tunnel.

Sans-I/O. Durations are seconds, sizes bytes. Each class is a table of the configuration; what a
listener shares with a balancer's frontend is that frontend's own.
"""

from __future__ import annotations

from typing import Literal

import attrs

from ..config.settings import Frontend, Log, Network, ProxyIn, Startups, TlsVersion
from ..terms import Address

# -- both ------------------------------------------------------------------------------------------


@attrs.frozen
class Limits:
    """Caps of the whole process."""

    sessions: int = 100_000
    drain: float = 30.0
    """SIGTERM: how long living connections may take to end by themselves."""


@attrs.frozen
class Ftp:
    """What is done with data channels."""

    data_ports: tuple[int, int] | None = None
    """Where data connections of an ordinary FTP peer are listened for; None: any free port."""
    data_timeout: float = 30.0
    """How long an announced data channel may take to be opened."""
    stall_timeout: float | None = 300.0
    """Ends a data channel that moved no byte for so long."""
    grace: float = 10.0
    """How long a transfer may go on when its control channel has ended."""
    idle: float | None = 900.0
    """Ends a session of which no channel moved a byte for so long."""


# -- the security proxy ----------------------------------------------------------------------------


@attrs.frozen
class Certificate:
    """What the proxy shows: a certificate of the name that clients know the front-end by."""

    certificate: str
    """A file: the chain, the own certificate first."""
    key: str = ""
    """A file; empty: the key stands in the certificate's file."""
    minimum: TlsVersion = "1.2"


@attrs.frozen
class Tokens:
    """Whose tokens are taken."""

    trusted: tuple[str, ...] = ()
    """Files of the issuer's certificates, or of public keys."""
    audience: str = ""
    """The name that tokens must be for: the front-end's."""
    issuer: str = ""
    """The name that tokens must be of; empty: any that a trusted key signed."""
    unbound: bool = False
    """Take tokens that are not bound to a key of the client's: whoever sees one can use it."""
    leeway: float = 30.0
    """How far the issuer's clock and ours may be apart."""


@attrs.frozen
class Destination:
    """Hosts that may be dialled, and how. The first that fits counts; no other host is dialled."""

    host: str
    """A name, `*.` and a domain, an address, or a network."""
    ports: tuple[int, int]
    """The first and the last."""
    tls: Literal["off", "on"] = "off"
    ca: str = ""
    """A file of trusted certificates; empty: the platform's."""
    identity: str = ""
    """The name that the host's certificate must carry; empty: the host's."""


@attrs.frozen
class Listener:
    """A port of the security proxy."""

    name: str
    listen: tuple[Address, ...]
    authorization: bool = True
    """Clients show a token that says where they may go. Without, everybody goes to `destination`,
    and no opening line is spoken."""
    destination: Address | None = None
    """Without authorization: where everybody goes."""
    proxy: ProxyIn = attrs.field(factory=ProxyIn)
    """From a balancer that says who comes."""
    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()
    maxconn: int = 10_000
    startups: Startups | None = attrs.field(factory=Startups)
    """How many connections of one network may be on their way to a host."""
    keepalive: float | None = 60.0

    @property
    def frontend(self) -> Frontend:
        """The same, as the balancer's rooms know it."""
        return Frontend(
            name=self.name,
            listen=self.listen,
            proxy=self.proxy,
            allow=self.allow,
            deny=self.deny,
            maxconn=self.maxconn,
            startups=self.startups,
            keepalive=self.keepalive,
        )


@attrs.frozen
class ProxyTimeout:
    """Deadlines of the security proxy."""

    opening: float = 10.0
    """From the connection to the end of the opening line: PROXY header and TLS handshake too."""
    host: float = 15.0
    """Until the host has taken the connection, and for FTP has greeted."""
    ping: float = 30.0
    """Between two PINGs on a notification channel; each has to be answered before the next."""
    notification: float = 5.0
    """How long an FTP session goes on without its notification channel."""


@attrs.frozen
class ProxySettings:
    """A whole configuration of `twistd security-proxy`."""

    tls: Certificate
    listeners: tuple[Listener, ...]
    destinations: tuple[Destination, ...] = ()
    tokens: Tokens = Tokens()
    ftp: Ftp = Ftp()
    terminal_idle: float | None = None
    """Ends a terminal that nothing moved on for so long; None: never. They are silent for days."""
    timeout: ProxyTimeout = ProxyTimeout()
    limits: Limits = Limits()
    log: Log = attrs.field(factory=Log)


# -- the tunnel ------------------------------------------------------------------------------------


@attrs.frozen
class Front:
    """The front-end that the tunnel speaks to."""

    address: Address
    name: str = ""
    """What its certificate must carry, and tokens are for; empty: the host of `address`."""
    ca: str = ""
    """A file of trusted certificates; empty: the platform's."""
    minimum: TlsVersion = "1.2"


@attrs.frozen
class Key:
    """The client's key that tokens are bound to; without files one is made at every start."""

    certificate: str = ""
    key: str = ""


@attrs.frozen
class TokenServer:
    """Who gives tokens to those who have none of their own."""

    url: str = ""
    user: str = ""
    password_file: str = ""
    ca: str = ""


@attrs.frozen
class Local:
    """A port for an ordinary program of this machine."""

    name: str
    listen: tuple[Address, ...]
    destination: Address
    """As the token names it."""
    protocol: Literal["terminal", "ftp"] = "terminal"
    token_file: str = ""
    """Where its token stands; read again for every session."""
    token_command: str = ""
    """What prints its token."""
    allow: tuple[Network, ...] = ()
    maxconn: int = 1000


@attrs.frozen
class TunnelTimeout:
    """Deadlines of the tunnel."""

    connect: float = 15.0
    """Of one channel: until the proxy has answered."""
    token: float = 15.0
    """Until there is a token."""
    silence: float = 75.0
    """How long a notification channel may say nothing: two PINGs and a half."""


@attrs.frozen
class TunnelSettings:
    """A whole configuration of `twistd lb-tunnel`."""

    front: Front
    locals: tuple[Local, ...]
    key: Key = Key()
    token_server: TokenServer = TokenServer()
    parallel: int = 8
    """How many sessions at once one token is asked for."""
    ftp: Ftp = Ftp()
    timeout: TunnelTimeout = TunnelTimeout()
    limits: Limits = Limits()
    log: Log = attrs.field(factory=Log)
