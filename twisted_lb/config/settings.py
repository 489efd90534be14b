"""The settings in force, as frozen values: what `load` makes and every stage reads.

Sans-I/O. Durations are seconds, sizes bytes. Every default is what an operator would choose and
says why when that is not plain. `docs/configuration.md` explains each key; a test holds it to
these classes. What is said of servers stands in `servers`, and is named here with the rest.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Literal

import attrs

from ..terms import EXACT_KINDS, Address, Role
from .servers import (
    Backend,
    BackendTimeout,
    BackendTls,
    Balance,
    Check,
    Eject,
    Live,
    ServerRule,
    TlsVersion,
)

__all__ = [
    "Backend",
    "BackendTimeout",
    "BackendTls",
    "Balance",
    "Check",
    "Eject",
    "Features",
    "Frontend",
    "FrontendTimeout",
    "FrontendTls",
    "FtpRules",
    "Group",
    "Limits",
    "Live",
    "Log",
    "LoginRules",
    "Network",
    "Patterns",
    "Prefix",
    "ProxyIn",
    "RoleRule",
    "ServerRule",
    "Settings",
    "ShownCertificate",
    "SniRoute",
    "Startups",
    "Takeover",
    "TlsVersion",
]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@attrs.frozen
class Prefix:
    """How many leading bits of a client's address make one `source` key."""

    ipv4: int = 32
    ipv6: int = 64


@attrs.frozen
class Patterns:
    """Regular expressions that find a session, and perhaps a role, in what a client carries.

    Their named groups are `session` and `role`; empty: that kind of key is not read by a pattern.
    """

    alpn: str = ""
    """For a whole name of those that the ClientHello offers; the first that fits counts."""
    sni: str = ""
    """For the whole server name."""
    opening: str = ""
    """For the first line inside, its end included, from its beginning."""
    opening_bytes: int = 10_240
    """So many bytes are looked at when no line ends before."""
    opening_ends: Literal["line", "bytes"] = "line"
    """`bytes`: whatever lines there are, wait for all `opening_bytes`; for what has no lines."""


@attrs.frozen
class RoleRule:
    """What a group says of one of its roles."""

    principal: bool = False
    """Losing this channel's server leg ends the session."""
    server_port: int | tuple[int, int] | Literal["same"] = "same"
    """The port on the server: the one the client hit, a fixed one, or a range that maps the
    frontend's listening range one to one."""
    opens: bool = False
    """With the key `tls-session`: a channel of this role may open a session, which cannot show yet
    what its server is about to give it."""


@attrs.frozen
class Group:
    """Which connections make up one session, and how long it lives."""

    name: str
    backend: str
    key: tuple[str, ...] = ("source",)
    """Kinds of key, strongest first; the first that a connection shows decides."""
    source_prefix: Prefix = Prefix()
    linger: float = 60.0
    """How long the pin is kept after the last channel is gone."""
    max_channels: int = 2000
    """A shared (coarse) key refuses beyond this; it never splits."""
    pattern: Patterns = Patterns()
    roles: dict[Role, RoleRule] = attrs.field(factory=lambda: {"any": RoleRule()})
    grace: float = 10.0
    """How long the other channels may go on when the principal has ended in order."""
    idle: float | None = None
    """Ends a session of which no channel moved a byte for so long; None: never. Terminals are
    silent for days."""

    def rule(self, role: Role) -> RoleRule:
        """What it says of this role; the rule of `any` stands for roles that are not named."""
        return self.roles.get(role) or self.roles.get("any") or RoleRule()

    def exact(self, kind: str) -> bool:
        """Whether what this kind of key shows belongs to one user's session only."""
        if kind == "sni":
            return bool(self.pattern.sni)
        return kind in EXACT_KINDS or kind in ("alpn", "opening")

    @property
    def carries_roles(self) -> bool:
        """Whether a channel's role comes with its key, and not from its frontend."""
        patterns = (self.pattern.alpn, self.pattern.sni, self.pattern.opening)
        return any("(?P<role>" in pattern for pattern in patterns)

    def dialled(self, frontend: Frontend) -> set[int]:
        """The ports that this frontend's channels dial; 0 for one that is not known beforehand."""
        roles = self.roles if self.carries_roles else (frontend.role,)
        return {port for role in roles for port in _dialled(self.rule(role), frontend)}


def _dialled(rule: RoleRule, frontend: Frontend) -> set[int]:
    match rule.server_port:
        case int(port):
            return {port}
        case (int(first), int(last)):
            return set(range(first, last + 1))
    return {address.port for address in frontend.listen} or {0}


@attrs.frozen
class ProxyIn:
    """PROXY protocol toward us."""

    mode: Literal["off", "required"] = "off"
    trusted: tuple[Network, ...] = ()
    """Only these may connect when the header is required; a header from elsewhere is spoofing."""
    bare_data: bool = False
    """ftp: whether the proxy that brought a client may bring its data connections without a header
    (T91). Whoever else comes through that proxy may then take them."""


@attrs.frozen
class ShownCertificate:
    """A certificate that a frontend shows, chosen by the names in it."""

    file: str
    """PEM, with its chain."""
    key: str = ""
    """A file: its private key; empty: it stands in the certificate's file."""


@attrs.frozen
class FrontendTls:
    """TLS on the client's side: not looked for, passed through, or ended here."""

    mode: Literal["off", "pass", "terminate", "starttls"] = "off"
    """`starttls`: it begins when the client says so, as FTP's AUTH (RFC 4217)."""
    certificates: tuple[ShownCertificate, ...] = ()
    """One that carries the name that a client asks for is shown; the first to all others."""
    strict_sni: bool = False
    """A client that asks for no name of a certificate is refused instead."""
    clients: Literal["off", "any", "optional", "required"] = "off"
    """Client certificates: not asked for · anybody's will do, as a key · one that is shown must be
    trusted · there must be one, and trusted."""
    ca: str = ""
    """A file: the authorities of client certificates."""
    alpn: tuple[str, ...] = ()
    """Protocols, best first, of which a client that offers any must offer one (attack 4); empty:
    the extension is not answered."""
    minimum: TlsVersion = "1.2"
    required: bool = True
    """starttls: a client that did not say so may not log in."""
    ciphers: str = ""
    """OpenSSL's list for TLS up to 1.2; empty: modern ones, or all there are with old versions."""

    @property
    def ends(self) -> bool:
        """Whether clients' TLS ends here, where there is any."""
        return self.mode in ("terminate", "starttls")


@attrs.frozen
class SniRoute:
    """One line of a pass-through frontend's routing table: what is shown → which group."""

    group: str
    sni: tuple[str, ...] = ()
    """Names, or `*.example.com` for one label; empty matches any."""
    alpn: tuple[str, ...] = ()
    """Protocol names, any of which matches; empty matches any."""


@attrs.frozen
class FrontendTimeout:
    """Deadlines of a frontend; each is a total, not renewed by a trickle of bytes."""

    opening: float = 5.0
    """PROXY header and ClientHello together."""
    proxy: float = 3.0
    """The PROXY header alone."""
    pin: float = 30.0
    """From the opening until the connection is joined to a server."""
    idle: float | None = None
    """None: never. With a group, its `idle` counts instead; without one, `load` gives this value
    to the frontend's own group, and 15 minutes to ftp frontends where nothing is written."""
    login: float | None = 120.0
    """ftp: from the join until somebody is logged in; as sshd's LoginGraceTime. None: any time."""


@attrs.frozen
class Features:
    """What clients hear of a server's features (RFC 2389), by the first word of each line."""

    accept: tuple[str, ...] = ()
    """Only these; empty: all."""
    drop: tuple[str, ...] = ()
    """Not these; their commands are refused, too."""
    insert: tuple[str, ...] = ()
    """Lines that are added where the server does not say them."""


@attrs.frozen
class LoginRules:
    """How many logins may fail before passwords are refused unasked (RFC 2577 section 5).

    More than a script with an old password needs to be noticed, and far less than guessing takes.
    """

    per_address: int | None = 100
    """By client address, an IPv6 one by its /64: a whole office may be behind one. None: any."""
    per_user: int | None = 50
    """By the name that is given, from wherever."""
    within: float = 600.0
    """How long it takes until a whole allowance has grown back."""


@attrs.frozen
class FtpTls:
    """TLS on an FTP frontend's data connections; its control connections' is the frontend's."""

    data: Literal["required", "optional"] = "required"
    """Whether a client whose control connection is protected must have its data protected, too."""
    reuse: Literal["off", "offered", "required"] = "offered"
    """Whether a data connection may, or must, resume the TLS session of its control connection (RFC
    4217 section 10.2). Required, nobody else can take a data connection (attack 6)."""
    unclean_close: Literal["report", "tolerate"] = "report"
    """A data connection that ends without close_notify may have been cut off: the other end is told
    by a reset, or it is taken for a whole one."""
    ccc: Literal["refused", "allowed"] = "refused"
    """Whether a client may leave TLS on its control connection (RFC 4217 section 12.3): there are
    firewalls that must read which data ports are announced. Data stays as agreed."""


@attrs.frozen
class FtpRules:
    """What an FTP frontend does with data channels and commands."""

    passive_ports: tuple[int, int] = (40000, 40999)
    """The range, both included, that data listeners for clients are drawn from, at random."""
    server_ports: tuple[int, int] | None = None
    """The same for data connections from servers (server_data active); None: any free port."""
    advertise: dict[str, str] = attrs.field(factory=dict)
    """Client network (or `default`) → the address named in a 227 reply. Without an entry: the
    address that the client's control connection reached."""
    server_data: Literal["passive", "active", "same"] = "same"
    """Who opens the server leg of a data channel: `same` follows the client."""
    data_timeout: float = 30.0
    """How long an announced data channel may take to be opened."""
    stall_timeout: float | None = 300.0
    """Ends a data channel that moved no byte for so long."""
    grace: float = 10.0
    """How long a transfer may go on when its control channel has ended."""
    greeting_timeout: float = 15.0
    """How long a server may take for its 220."""
    unknown_commands: int = 10
    """That many unknown commands before login end the connection (attack 4)."""
    refused_commands: int = 100
    """So do that many in a row, at any time, of which nothing came: a line costs us more than it
    costs its sender (attack 25)."""
    features: Features = Features()
    failed_logins: LoginRules = LoginRules()
    tls: FtpTls = FtpTls()
    sticky: tuple[Literal["certificate", "source"], ...] = ()
    """A hint for the first pick of a later session; never membership."""
    sticky_for: float = 3600.0
    allowed_peers: tuple[Network, ...] = ()
    """Hosts other than the client that PORT and EPRT may name (FXP); none by default."""
    proxy_data: bool = False
    """Whether server data connections carry a PROXY header too (where the server wants PROXY)."""


@attrs.frozen
class Startups:
    """How many connections of one network may be on their way to a server, as sshd's MaxStartups:
    from `start` on `rate` percent of new ones are refused, rising to all of them at `full`."""

    start: int = 1000
    """More than a listener's backlog, which a whole site may fill when it comes back at once."""
    rate: int = 30
    full: int = 3000
    """Less than maxconn: one network cannot fill a frontend with connections that say nothing."""


@attrs.frozen
class Frontend:
    """A listening address and what is spoken on it."""

    name: str
    listen: tuple[Address, ...] = ()
    """Host and port, one per port of a range; host `*` is every address, IPv4 and IPv6."""
    endpoint: str = ""
    """A Twisted server endpoint string instead of `listen`."""
    protocol: str = "opaque"
    """opaque | terminal | ftp | a plugin's name"""
    group: str = ""
    """The group of connections that match no route; empty: those are refused."""
    role: Role = "any"
    """One that each of its groups declares; an ftp frontend's is `control`."""
    routes: tuple[SniRoute, ...] = ()
    tls: FrontendTls = FrontendTls()
    proxy: ProxyIn = ProxyIn()
    ftp: FtpRules = FtpRules()
    timeout: FrontendTimeout = FrontendTimeout()
    observe: str = ""
    """A file: a line for each channel, with what can be seen from outside; empty: none."""
    allow: tuple[Network, ...] = ()
    """Empty: everyone who is not denied."""
    deny: tuple[Network, ...] = ()
    maxconn: int = 10_000
    startups: Startups | None = Startups()
    """Counted by /24 and /64, until a connection is joined; None: no limit. Where PROXY is required
    those count whom its header names."""
    backlog: int = 1024
    keepalive: float | None = 60.0
    """Seconds of silence before TCP asks whether the peer is there; None: never. Finds the
    half-open connections that silent terminals leave (attack 13)."""
    user_timeout: float | None = None
    """TCP_USER_TIMEOUT: how long sent bytes may stay unacknowledged, or a peer may refuse to read;
    None: the kernel's (a printer without paper refuses for hours)."""


@attrs.frozen
class Limits:
    """Caps of the whole process."""

    sessions: int = 100_000
    """The session table; when full, lingering sessions go first, living ones never."""
    hold: int = 65_536
    """Bytes kept of a client that talks before it is joined."""
    drain: float = 30.0
    """SIGTERM: how long living sessions may take to end by themselves."""
    unread: int = 4 << 20
    """Bytes that are kept, each way, of a bulk transfer whose reader does not read: half of it in
    the kernel's receive buffer, a quarter in a pipe, a quarter in its send buffer."""


@attrs.frozen
class Log:
    """Where the access log goes."""

    access: str = "stdout"
    """`stdout`, `off`, or a file's path."""
    format: Literal["json", "text"] = "json"
    """A line of the access log: an object for programs, or words for people, as HAProxy's."""


@attrs.frozen
class AdminEndpoint:
    """Where operators and their programs see and steer a running balancer."""

    socket: str = ""
    """A unix socket, for the balancer's own user and root; empty: none."""
    listen: tuple[Address, ...] = ()
    """TCP, beside or instead of it."""
    token_file: str = ""
    """Holds what who comes by TCP must show; without it, loopback only."""
    allow: Literal["read", "act"] = "read"
    """What may be done by TCP; who comes by the unix socket may do everything."""

    @property
    def wanted(self) -> bool:
        """Whether there is to be one."""
        return bool(self.socket or self.listen)


@attrs.frozen
class Takeover:
    """How another process may go on in our place (docs/how-to/upgrade.md)."""

    socket: str = ""
    """A unix socket, where our own user's and root's processes get what we listen with; empty:
    nowhere."""


Relay = Literal["auto", "splice", "transports"]
"""The way of moving bytes: the best that works here · sockets of our own, bulk by splice(2) ·
Twisted's transports."""


@attrs.frozen
class Settings:
    """A whole configuration, valid in itself: every name that is used is defined."""

    frontends: tuple[Frontend, ...]
    groups: dict[str, Group]
    backends: dict[str, Backend]
    limits: Limits = Limits()
    log: Log = Log()
    admin: AdminEndpoint = AdminEndpoint()
    takeover: Takeover = Takeover()
    relay: Relay = "auto"

    def groups_of(self, frontend: Frontend) -> tuple[Group, ...]:
        """The groups that this frontend's connections may belong to."""
        names = dict.fromkeys((frontend.group, *(route.group for route in frontend.routes)))
        return tuple(self.groups[name] for name in names if name in self.groups)

    def members(self) -> Iterator[tuple[Frontend, Group]]:
        """Every frontend with each of the groups that its connections may belong to."""
        for frontend in self.frontends:
            for group in self.groups_of(frontend):
                yield frontend, group

    def dialled(self, backend: str) -> set[int]:
        """The ports that channels of this backend dial; 0 among them: one not known beforehand."""
        groups = ((f, g) for f, g in self.members() if g.backend == backend)
        return {port for frontend, group in groups for port in group.dialled(frontend)}
