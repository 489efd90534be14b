"""The token server's configuration: TOML text → frozen settings, every problem at once.

Sans-I/O: what the files hold that it names is for `tokenserver.parts` to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final, Literal

import attrs

from ..config import addresses as at
from ..config import values as v
from ..config.load import load_as
from ..config.meaning import Complaint
from ..config.settings import Log, LoginRules, Network, Startups, TlsVersion
from ..config.startups import STARTUPS
from ..config.tables import Kinds, table_of
from ..config.values import Refused, Value
from ..terms import Address, Role
from .openingline import ROLES
from .tokenclaims import PARALLEL_MOST, destination


@attrs.frozen
class Issuer:
    """What tokens say of where they come from, and for how long they are good."""

    name: str
    """`iss`."""
    key: str
    """A file: the private key that signs."""
    audience: tuple[str, ...]
    """`aud`: the names that clients know front-ends by."""
    lifetime: float = 8 * 3600.0
    """A working day: a terminal reconnects as long as its token lives."""
    parallel: int = 8
    """The most sessions at once that one token may be asked for."""
    unbound: bool = False
    """Give tokens that are bound to no key, too: whoever sees one can use it."""


@attrs.frozen
class ServerTls:
    """What is shown to clients; `off` is for loopback only, since passwords pass."""

    mode: Literal["on", "off"] = "on"
    certificate: str = ""
    """A file: the chain, the own certificate first."""
    key: str = ""
    """A file; empty: the key stands in the certificate's file."""
    minimum: TlsVersion = "1.2"


@attrs.frozen
class Permitted:
    """A place where some users may go."""

    address: Address
    users: tuple[str, ...]
    """Names of the users' file, or `*` for everybody in it."""
    roles: tuple[Role, ...] = ("terminal",)
    """For FTP: control, data, notification."""

    def allows(self, user: str, address: Address) -> bool:
        """Whether this user may go to this address."""
        here = (self.address.host.lower(), self.address.port)
        known = user in self.users or "*" in self.users
        return known and (address.host.lower(), address.port) == here


@attrs.frozen
class TokenServerSettings:
    """A whole configuration of `twistd lb-token-server`."""

    listen: tuple[Address, ...]
    users: str
    """A file as Apache's htpasswd writes it."""
    issuer: Issuer
    destinations: tuple[Permitted, ...]
    tls: ServerTls = ServerTls()
    failed_logins: LoginRules = attrs.field(factory=LoginRules)
    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()
    maxconn: int = 1_000
    startups: Startups | None = attrs.field(factory=lambda: Startups(100, 30, 300))
    """How many connections of one network may be open, whatever they are for."""
    log: Log = attrs.field(factory=Log)


def _destination(raw: object) -> Address:
    try:
        return destination(raw if isinstance(raw, str) else "")
    except ValueError as why:
        raise Refused(str(why) if isinstance(raw, str) else "") from None


DESTINATION: Final = Value("a host and port", '"ftp.example.com:21"', _destination, Address, str)

KINDS: Final[Kinds] = {
    (TokenServerSettings, "listen"): at.LISTEN,
    (TokenServerSettings, "users"): v.FILE,
    (TokenServerSettings, "startups"): v.either(STARTUPS, v.word("unlimited")),
    (Issuer, "key"): v.FILE,
    (Issuer, "audience"): v.several(at.HOST),
    (Issuer, "parallel"): v.whole(1, PARALLEL_MOST, 8),
    (ServerTls, "certificate"): v.FILE,
    (ServerTls, "key"): v.FILE,
    (Permitted, "address"): DESTINATION,
    (Permitted, "roles"): v.several(v.choice(*ROLES)),
}


def load(text: str, file: str) -> TokenServerSettings:
    """The settings that `text` means. Raises ConfigurationError with all problems."""
    settings = load_as(table_of(TokenServerSettings, KINDS), text, file, _complaints)
    assert isinstance(settings, TokenServerSettings)
    return settings


def _complaints(settings: TokenServerSettings) -> Iterator[Complaint]:
    """What no single key can tell."""
    tls, listen = settings.tls, ("listen",)
    if tls.mode == "on" and not tls.certificate:
        yield Complaint(
            ("tls", "certificate"),
            'is missing: passwords pass; for loopback alone there is tls.mode = "off"',
            (("tls", "mode"),),
        )
    if tls.mode == "off" and not all(_loopback(address.host) for address in settings.listen):
        message = 'without TLS (tls.mode = "off") passwords can be read: listen on loopback only'
        yield Complaint(listen, message, (("tls", "mode"),))
    if not settings.destinations:
        yield Complaint(("destination",), "is empty: no user may go anywhere")


def _loopback(host: str) -> bool:
    return host != "*" and ip_address(host).is_loopback
