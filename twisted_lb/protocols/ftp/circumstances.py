"""What one FTP conversation is told of its two ends, once, when it begins. Sans-I/O."""

from __future__ import annotations

import ipaddress

import attrs

from ...config.settings import BackendTls, FrontendTls, FtpRules, LoginRules
from ...terms import Address
from ...wire.address import ip, within
from ...wire.ftpaddress import Family, family, unmapped
from .failedlogins import FailedLogins, Tries


@attrs.define
class ServerMemory:
    """What a server taught about itself; shared by all its conversations (T44)."""

    epsv: bool = True
    """False once EPSV was rejected."""
    eprt: bool = True
    foreign: bool = False
    """True once a 227 of its named another host: told once."""


def _plain(address: Address) -> Address:
    return Address(unmapped(address.host), address.port)


@attrs.frozen(kw_only=True)
class Circumstances:
    """Who the two ends are and what is allowed between them.

    Addresses are IP addresses; IPv4 in IPv6's clothes is made plain.
    """

    client: Address = attrs.field(converter=_plain)
    """The client's end of its control connection."""
    client_local: Address = attrs.field(converter=_plain)
    """Our end of it: what the client reached, in front of us when a PROXY header told."""
    server: Address = attrs.field(converter=_plain)
    """The server's end of its control connection: data connections go to this host only."""
    server_local: Address = attrs.field(converter=_plain)
    """Our end of it: what PORT and EPRT tell the server."""
    rules: FtpRules
    tls: FrontendTls = attrs.field(factory=FrontendTls)
    """How the client's side is protected."""
    login_timeout: float | None = None
    """How long the client may take to log in; None: as long as it likes."""
    server_tls: BackendTls = attrs.field(factory=BackendTls)
    """How the server's is."""
    memory: ServerMemory = attrs.field(factory=ServerMemory)
    tries: Tries = attrs.field()
    """Its view of the failed logins, whose table all conversations of the frontend share (T49)."""
    ours: tuple[str, ...] = ()
    """Further addresses of our own."""
    session: str = ""
    """Names for the facts."""
    server_name: str = ""
    frontend: str = ""

    @tries.default
    def _its_own(self) -> Tries:
        return FailedLogins(LoginRules()).tries(self.client.host)

    @property
    def client_family(self) -> Family:
        """The family of the client's data channels."""
        return family(self.client.host)

    @property
    def server_family(self) -> Family:
        """The family of the server's data channels."""
        return family(self.server.host)

    @property
    def advertised(self) -> str:
        """The address in a 227 reply to this client."""
        return advertised(self.rules, self.client.host, self.client_local.host)

    def permits(self, host: str) -> bool:
        """Whether PORT and EPRT may name a host that is not the client (FXP): a configured one,
        and never ourselves by whatever name."""
        address = ip(host)
        ours = (self.client_local.host, self.server_local.host, *self.ours)
        if address.is_loopback or address.is_unspecified or address in map(ip, ours):
            return False
        return within(host, self.rules.allowed_peers)


def advertised(rules: FtpRules, client: str, reached: str) -> str:
    """The address to name to a client: the entry of the smallest network it is in, else the
    `default` entry, else the address that it reached."""
    address = ip(client)
    networks = [
        (network, host)
        for network, host in ((_network(name), host) for name, host in rules.advertise.items())
        if network is not None and address.version == network.version and address in network
    ]
    if networks:
        return max(networks, key=lambda entry: entry[0].prefixlen)[1]
    return rules.advertise.get("default", reached)


def _network(name: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    return None if name == "default" else ipaddress.ip_network(name, strict=False)
