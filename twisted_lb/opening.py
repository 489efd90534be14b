"""The dialogue before a route is known: a client's first bytes in, a Route or a refusal out.
Sans-I/O.

- A dialogue looks and never consumes: what it was shown is held, and relayed to the server later.
- What a server would say first is never waited for: without TLS the route is known before the
  client has sent a byte, since FTP clients and terminals wait for the server to speak.
- A route that lists names implies the wait for the ClientHello (T25).
- Nothing goes to a server that no route leads to; a `group` of the frontend is the only default.
- TLS that ends here is read from the same ClientHello before it begins: a name that leads nowhere
  sees no certificate of ours.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

import attrs

from .config.settings import Frontend, Group, RoleRule, SniRoute
from .errors import WireError
from .terms import MORE, Address, Ending, Key, More, Route, TlsFacts
from .wire.address import ip
from .wire.clienthello import ClientHello, HelloReader
from .wire.tlsrecord import (
    DECODE_ERROR,
    NO_APPLICATION_PROTOCOL,
    UNRECOGNIZED_NAME,
    NotTls,
    alert,
)


@attrs.frozen
class Shown:
    """What a connection shows before it says anything."""

    connection: str
    """Its id."""
    client: Address
    """Who connects: the source that a PROXY header names, else the peer."""
    local: Address
    """Our own end, never a PROXY header's destination: its port is one that we listen on."""
    proxied: Address | None = None
    """The source that a PROXY header names; None when none was read or it names none."""
    tls: TlsFacts | None = None
    """What the handshake showed, where TLS ends here."""


@attrs.frozen
class Answer:
    """Send this to the client and go on."""

    data: bytes


@attrs.frozen
class Refuse:
    """Send the last words and close: the connection ends with this word."""

    word: Ending
    last_words: bytes = b""
    detail: str = ""
    """For the log."""


@attrs.frozen
class StartTls:
    """Be the server of TLS, and show this one of the frontend's certificates."""

    certificate: int


Verdict = More | Answer | StartTls | Route | Refuse


class Dialogue(Protocol):
    """One connection's opening. After a Route or Refuse it is not used again."""

    def take(self, data: bytes) -> Verdict:
        """Judge what newly arrived; begins with what is there already, which may be nothing."""

    def secured(self, tls: TlsFacts) -> None:
        """TLS stands, as StartTls asked; what was heard so far is gone, the rest was inside."""

    def silence(self) -> Refuse:
        """The deadline has passed without a route."""


KeyReader = Callable[[Shown, ClientHello | None], str | None]
"""What a connection shows of one kind of key; None when it shows none."""

ExtraKeys = Mapping[str, KeyReader]
"""Kinds of key that plugins add, by the name that a group's `key` uses."""


Names = Sequence[str]
"""The names that one certificate is for, as `front.example` or `*.example`."""


def dialogue(
    frontend: Frontend,
    groups: Mapping[str, Group],
    shown: Shown,
    extra_keys: ExtraKeys,
    certificates: Sequence[Names] = (),
) -> Dialogue:
    """The dialogue that this frontend has with a client; `certificates` are those it may show."""
    lead = _Lead(frontend, groups, shown, extra_keys)
    match frontend.tls.mode:
        case "pass":
            return _Passing(lead)
        case "terminate":
            return _Terminating(lead, certificates)
    return _Unasked(lead)


@attrs.frozen
class _Lead:
    """Makes a Route to a group out of what one connection shows."""

    frontend: Frontend
    groups: Mapping[str, Group]
    shown: Shown
    extra_keys: ExtraKeys

    def to(self, name: str, hello: ClientHello | None = None) -> Route:
        """The route to a group of the settings."""
        group, role = self.groups[name], self.frontend.role
        shown_name = hello.server_name if hello else None
        rule = group.roles.get(role) or group.roles.get("any") or RoleRule()
        return Route(
            group=name,
            role=role,
            key=self._key(group, hello),
            port=self._port(rule),
            name=shown_name or "",
        )

    def _key(self, group: Group, hello: ClientHello | None) -> Key | None:
        """The first of the group's kinds that the connection shows; no weaker one is asked."""
        for kind in group.key:
            value = self._value(kind, group, hello)
            if value is not None:
                return Key(kind, value)
        return None

    def _value(self, kind: str, group: Group, hello: ClientHello | None) -> str | None:
        read = KINDS.get(kind)
        if read is not None:
            return read(self.shown, hello, group)
        return self.extra_keys[kind](self.shown, hello)

    def _port(self, rule: RoleRule) -> int:
        """The server's port; ranges are as long as the frontend's, which the settings promise."""
        ours = self.shown.local.port
        if rule.server_port == "same":
            return ours
        if isinstance(rule.server_port, int):
            return rule.server_port
        return rule.server_port[0] + ours - min(each.port for each in self.frontend.listen)


@attrs.frozen
class _Unasked:
    """Without TLS: the client need not say anything."""

    _lead: _Lead

    def take(self, data: bytes) -> Verdict:
        group = self._lead.frontend.group
        return self._lead.to(group) if group else Refuse("no-route", detail="no group")

    def secured(self, tls: TlsFacts) -> None:
        raise AssertionError("nobody asked for TLS")

    def silence(self) -> Refuse:
        return Refuse("too-slow")


@attrs.define
class _Hello:
    """The ClientHello, read until it tells which group it leads to."""

    _frontend: Frontend
    _reader: HelloReader = attrs.field(factory=HelloReader)

    def take(self, data: bytes) -> More | Refuse | tuple[str, ClientHello]:
        """A group's name and the hello that led there."""
        try:
            hello = self._reader.take(data)
        except NotTls as error:
            return Refuse("wire-error", detail=str(error))
        except WireError as error:
            return Refuse("wire-error", alert(DECODE_ERROR), str(error))
        return MORE if hello is MORE else self._follow(hello)

    def _follow(self, hello: ClientHello) -> Refuse | tuple[str, ClientHello]:
        named = list(_named(self._frontend.routes, hello.server_name))
        offered = {name.decode("latin-1") for name in hello.alpn}
        for route in named:
            if not route.alpn or not offered.isdisjoint(route.alpn):
                return route.group, hello
        if self._frontend.group:
            return self._frontend.group, hello
        if named:
            return Refuse("no-route", alert(NO_APPLICATION_PROTOCOL), "no protocol fits")
        return _nobody_of_this_name(hello)


def _nobody_of_this_name(hello: ClientHello) -> Refuse:
    return Refuse("no-route", alert(UNRECOGNIZED_NAME), f"name {hello.server_name or '-'}")


class _Passing:
    """TLS passed through: the ClientHello tells, and nothing is ever answered but an alert."""

    def __init__(self, lead: _Lead) -> None:
        self._lead = lead
        self._hello = _Hello(lead.frontend)

    def take(self, data: bytes) -> Verdict:
        led = self._hello.take(data)
        return self._lead.to(*led) if isinstance(led, tuple) else led

    def secured(self, tls: TlsFacts) -> None:
        raise AssertionError("nobody asked for TLS")

    def silence(self) -> Refuse:
        """A client that has not said its hello would not read an alert either."""
        return Refuse("too-slow", detail="no whole ClientHello")


class _Terminating:
    """TLS that ends here: the ClientHello tells where to and which certificate fits."""

    def __init__(self, lead: _Lead, certificates: Sequence[Names]) -> None:
        self._lead = lead
        self._certificates = certificates
        self._hello = _Hello(lead.frontend)
        self._led: tuple[str, ClientHello] | None = None
        self._tls = False

    def take(self, data: bytes) -> Verdict:
        if self._led is not None and self._tls:
            return self._lead.to(*self._led)
        led = self._hello.take(data)
        if not isinstance(led, tuple):
            return led
        self._led = led
        return self._begin(led[1])

    def _begin(self, hello: ClientHello) -> StartTls | Refuse:
        fits = _certificate(self._certificates, hello.server_name)
        if fits is None and self._lead.frontend.tls.strict_sni:
            return _nobody_of_this_name(hello)
        return StartTls(fits or 0)

    def secured(self, tls: TlsFacts) -> None:
        self._tls = True
        self._lead = attrs.evolve(self._lead, shown=attrs.evolve(self._lead.shown, tls=tls))

    def silence(self) -> Refuse:
        late = "no TLS handshake" if self._led is not None else "no whole ClientHello"
        return Refuse("too-slow", detail=late)


def _certificate(certificates: Sequence[Names], name: str | None) -> int | None:
    """The certificate for this name: one that carries it, else one that carries its wildcard."""
    for pattern in _patterns(name):
        for index, names in enumerate(certificates):
            if pattern in names:
                return index
    return None


def _patterns(name: str | None) -> tuple[str, ...]:
    """What stands for this name in a list: itself, and the one wildcard of one label."""
    return () if name is None else (name, f"*.{name.partition('.')[2]}")


def _named(routes: tuple[SniRoute, ...], name: str | None) -> Iterator[SniRoute]:
    """The routes that take this name: those that list it, then those that list its wildcard,
    then those that list nothing."""
    for pattern in _patterns(name):
        yield from (route for route in routes if pattern in route.sni)
    yield from (route for route in routes if not route.sni)


def _network(address: Address, group: Group) -> str | None:
    """The address' network, as wide as the group says; None for a unix socket, which has none."""
    try:
        found = ip(address.host)
    except ValueError:
        return None
    bits = group.source_prefix.ipv4 if found.version == 4 else group.source_prefix.ipv6
    return str(ipaddress.ip_network((found, bits), strict=False))


def _proxied(shown: Shown, hello: ClientHello | None, group: Group) -> str | None:
    return _network(shown.proxied, group) if shown.proxied else None


KINDS: Final[Mapping[str, Callable[[Shown, ClientHello | None, Group], str | None]]] = {
    "connection": lambda shown, hello, group: shown.connection,
    "source": lambda shown, hello, group: _network(shown.client, group),
    "proxy": _proxied,
    "sni": lambda shown, hello, group: hello.server_name if hello else None,
    "certificate": lambda shown, hello, group: (
        (shown.tls.thumbprint or None) if shown.tls else None
    ),
    "local-port": lambda shown, hello, group: str(shown.local.port),
}
"""The kinds of key that the balancer knows by itself: how each is read off a connection."""
