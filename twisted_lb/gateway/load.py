"""TOML text → the settings of the security proxy or of the tunnel, or every problem at once.

Sans-I/O: the caller reads the file. Tables and kinds of value are the balancer's own machinery; the
rules here are what no single key can tell.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from ..config import addresses as at
from ..config import units as u
from ..config import values as v
from ..config.load import load_as
from ..config.meaning import Complaint
from ..config.startups import STARTUPS
from ..config.tables import Table, table_of
from ..terms import Address
from . import destinations, tokenclaims
from . import settings as s

# -- kinds of value --------------------------------------------------------------------------------


def _place(raw: Any) -> Address:
    if not isinstance(raw, str):
        raise v.Refused
    try:
        return tokenclaims.destination(raw)
    except ValueError as why:
        raise v.Refused(str(why)) from None


_PLACE: Final = v.Value("a host and port", '"mainframe.example.com:23"', _place, Address, str)


def _listed(raw: Any) -> str:
    """A name, `*.` and a domain, an address or a network."""
    if not isinstance(raw, str):
        raise v.Refused
    try:
        return str(ipaddress.ip_network(raw))
    except ValueError:
        return str(at.SNI.read(raw))


_HOSTS: Final = v.Value(
    "a host's name, `*.` and a domain, an address, or a network", '"10.0.0.0/8"', _listed, str
)


def _ports(raw: Any) -> tuple[int, int]:
    if type(raw) is int:
        port = at.PORT.read(raw)
        return port, port
    first, last = at.port_range().read(raw)
    return first, last


_PORTS: Final = v.Value(
    "a port or a range of ports", '23 or "1024-65535"', _ports, tuple, at.port_range().show
)


def _url(raw: Any) -> str:
    if not isinstance(raw, str):
        raise v.Refused
    parts = urlsplit(raw)
    plain = parts.scheme == "http" and _is_loopback(parts.hostname or "")
    if not (parts.scheme == "https" or plain) or not parts.hostname:
        raise v.Refused("it is not https, which it must be but for this machine's own addresses")
    return raw


_URL: Final = v.Value("an address of the web", '"https://mss.example.com/token"', _url, str)
_ZERO: Final = u.duration(0.0)
_DATA_PORTS: Final = v.either(at.port_range(1024), v.word("any"))

KINDS: Final[dict[tuple[type, str], v.Value]] = {
    (s.Limits, "drain"): _ZERO,
    (s.Ftp, "data_ports"): _DATA_PORTS,
    (s.Ftp, "grace"): _ZERO,
    (s.Certificate, "certificate"): v.FILE,
    (s.Certificate, "key"): v.FILE,
    (s.Tokens, "trusted"): v.several(v.FILE),
    (s.Tokens, "audience"): at.HOST,
    (s.Tokens, "leeway"): _ZERO,
    (s.Destination, "host"): _HOSTS,
    (s.Destination, "ports"): _PORTS,
    (s.Destination, "ca"): v.FILE,
    (s.Destination, "identity"): at.HOST,
    (s.Listener, "name"): v.NAME,
    (s.Listener, "listen"): at.LISTEN,
    (s.Listener, "destination"): _PLACE,
    (s.Listener, "startups"): v.either(STARTUPS, v.word("unlimited")),
    (s.Front, "address"): _PLACE,
    (s.Front, "name"): at.HOST,
    (s.Front, "ca"): v.FILE,
    (s.Key, "certificate"): v.FILE,
    (s.Key, "key"): v.FILE,
    (s.TokenServer, "url"): _URL,
    (s.TokenServer, "password_file"): v.FILE,
    (s.TokenServer, "ca"): v.FILE,
    (s.Local, "name"): v.NAME,
    (s.Local, "listen"): at.LISTEN,
    (s.Local, "destination"): _PLACE,
    (s.Local, "token_file"): v.FILE,
    (s.TunnelSettings, "parallel"): v.whole(1, tokenclaims.PARALLEL_MOST, 8),
}

PROXY: Final[Table] = table_of(s.ProxySettings, KINDS)
TUNNEL: Final[Table] = table_of(s.TunnelSettings, KINDS)


# -- the security proxy ----------------------------------------------------------------------------


def load_proxy(text: str, file: str) -> s.ProxySettings:
    """What `text` means; `file` is its name in messages. Raises ConfigurationError."""
    settings: s.ProxySettings = load_as(PROXY, text, file, _proxy_rules)
    return settings


def _proxy_rules(settings: s.ProxySettings) -> Iterator[Complaint]:
    yield from _unique("listener", settings.listeners)
    if not settings.listeners:
        yield Complaint(("listener",), "is missing: there is nothing to listen on")
    for index, listener in enumerate(settings.listeners):
        yield from _listener_rules(("listener", index), listener, settings)
    for index, entry in enumerate(settings.destinations):
        if entry.tls == "off" and (entry.ca or entry.identity):
            key = "ca" if entry.ca else "identity"
            yield Complaint(("destination", index, key), 'is read only with `tls = "on"`')
    asking = any(listener.authorization for listener in settings.listeners)
    if asking and not settings.tokens.trusted:
        yield Complaint(
            ("tokens", "trusted"), "is missing: clients show tokens, and nobody's count"
        )
    if asking and not settings.tokens.audience:
        yield Complaint(("tokens", "audience"), "is missing: the front-end's name, as in tokens")


def _listener_rules(
    path: tuple[str | int, ...], listener: s.Listener, settings: s.ProxySettings
) -> Iterator[Complaint]:
    place = (*path, "destination")
    if not listener.listen:
        yield Complaint((*path, "listen"), "is empty: there is nothing to listen on")
    if listener.authorization and listener.destination is not None:
        yield Complaint(place, "is read only with `authorization = false`: tokens say where to")
    if not listener.authorization and listener.destination is None:
        yield Complaint(place, "is missing: without tokens nothing else says where to")
    if listener.destination is not None and not _is_listed(listener.destination, settings):
        entries = range(len(settings.destinations))
        because = tuple(("destination", i, key) for i in entries for key in ("host", "ports"))
        yield Complaint(place, "is not listed: no [[destination]] fits it", because)
    if listener.proxy.mode == "required" and not listener.proxy.trusted:
        why = "is missing: whoever may connect could say that he is somebody else"
        yield Complaint((*path, "proxy", "trusted"), why)


def _is_listed(address: Address, settings: s.ProxySettings) -> bool:
    read = (entry for entry in settings.destinations if entry.ports)  # else they are a stand-in
    return destinations.find(read, address) is not None


# -- the tunnel ------------------------------------------------------------------------------------


def load_tunnel(text: str, file: str) -> s.TunnelSettings:
    """What `text` means; `file` is its name in messages. Raises ConfigurationError."""
    settings: s.TunnelSettings = load_as(TUNNEL, text, file, _tunnel_rules)
    return settings


def _tunnel_rules(settings: s.TunnelSettings) -> Iterator[Complaint]:
    yield from _unique("local", settings.locals)
    if not settings.locals:
        yield Complaint(("local",), "is missing: there is nothing to listen on")
    for index, local in enumerate(settings.locals):
        yield from _local_rules(("local", index), local, settings)
    server = settings.token_server
    if server.user and not server.password_file:
        yield Complaint(("token_server", "password_file"), "is missing beside `user`")


def _local_rules(
    path: tuple[str | int, ...], local: s.Local, settings: s.TunnelSettings
) -> Iterator[Complaint]:
    if not local.listen:
        yield Complaint((*path, "listen"), "is empty: there is nothing to listen on")
    elif not local.allow and not all(_is_loopback(address.host) for address in local.listen):
        why = "is open to other machines, who would use your tokens: say in `allow` whom you mean"
        yield Complaint((*path, "listen"), why)
    if local.token_file and local.token_command:
        yield Complaint((*path, "token_command"), "stands beside `token_file`: one of them")
    if not (local.token_file or local.token_command or settings.token_server.url):
        why = "has no token: give it a `token_file`, a `token_command`, or a [token_server]"
        yield Complaint(path, why)


def _unique(key: str, items: Iterable[Any]) -> Iterator[Complaint]:
    counts = Counter(item.name for item in items)
    for index, item in enumerate(items):
        if counts[item.name] > 1:
            yield Complaint((key, index, "name"), f"{v.quote(item.name)} is the name of another")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
