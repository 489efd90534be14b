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

from .carried import NOTHING, Carried, Said, in_alpn, in_name, in_opening
from .config.settings import Frontend, Group, RoleRule, SniRoute
from .errors import WireError
from .terms import CARRIED, LEARNED, MORE, Address, Ending, Key, More, Role, Route, TlsFacts
from .wire.address import ip
from .wire.clienthello import ClientHello, HelloReader
from .wire.serverflight import tls_session_key
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

    def silence(self) -> Route | Refuse:
        """The deadline has passed: what is known by now must do."""


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

    def to(self, name: str, hello: ClientHello | None, said: Said) -> Route | Refuse | More:
        """The route to a group of the settings; MORE when what the client says next may lead it."""
        group, role = self.groups[name], self.frontend.role
        try:
            found = self._key(group, hello, said)
        except WireError as why:
            return Refuse("unkeyed", detail=str(why))
        if found is MORE:
            return MORE
        key, carried = found
        if group.carries_roles and carried not in group.roles:
            return Refuse("no-route", detail=f"role {carried!r} is none of group {name}")
        port = self._port(group.rule(carried or role))
        if port is None:
            return Refuse("no-route", detail=f"role {carried!r} has no such port")
        return Route(
            group=name,
            role=carried or role,
            key=key,
            port=port,
            name=(hello.server_name if hello else None) or "",
        )

    def _key(
        self, group: Group, hello: ClientHello | None, said: Said
    ) -> tuple[Key | None, Role] | More:
        """The first of the group's kinds that the connection shows, and the role that came with
        it; no weaker kind is asked."""
        for kind in group.key:
            value = self._value(kind, group, hello, said)
            if value is MORE:
                return MORE
            if isinstance(value, Carried):
                return Key(CARRIED, value.session), value.role
            if value is not None:
                return Key(kind, value), ""
        return None, ""

    def _value(
        self, kind: str, group: Group, hello: ClientHello | None, said: Said
    ) -> str | Carried | More | None:
        if kind == "opening":
            return in_opening(group.pattern, said)
        if kind == "alpn":
            return in_alpn(group.pattern, hello.alpn if hello else ())
        if kind == "sni" and group.pattern.sni:
            return in_name(group.pattern, hello.server_name if hello else None)
        read = KINDS.get(kind)
        if read is not None:
            return read(self.shown, hello, group)
        return self.extra_keys[kind](self.shown, hello)

    def _port(self, rule: RoleRule) -> int | None:
        """The server's port; None where the role's range has none for ours."""
        ours = self.shown.local.port
        if rule.server_port == "same":
            return ours
        if isinstance(rule.server_port, int):
            return rule.server_port
        first, last = rule.server_port
        port = first + ours - min(each.port for each in self.frontend.listen)
        return port if port <= last else None


class _Unasked:
    """Without TLS: the client need not say anything, unless its first bytes are a key."""

    def __init__(self, lead: _Lead) -> None:
        self._inside = _Inside(lead, lead.frontend.group, None) if lead.frontend.group else None

    def take(self, data: bytes) -> Verdict:
        if self._inside is None:
            return Refuse("no-route", detail="no group")
        return self._inside.take(data)

    def secured(self, tls: TlsFacts) -> None:
        raise AssertionError("nobody asked for TLS")

    def silence(self) -> Route | Refuse:
        return self._inside.silence() if self._inside is not None else Refuse("too-slow")


class _Inside:
    """What the client says once nothing hides it, as far as its group's keys need it."""

    def __init__(self, lead: _Lead, group: str, hello: ClientHello | None) -> None:
        self._lead = lead
        self._group = group
        self._hello = hello
        self._said = bytearray()

    def take(self, data: bytes) -> Route | Refuse | More:
        self._said += data
        return self._lead.to(self._group, self._hello, Said(self._said))

    def silence(self) -> Route | Refuse:
        """Without the kind of key that was waited for; a weaker one may do."""
        verdict = self._lead.to(self._group, self._hello, Said(self._said, final=True))
        assert verdict is not MORE, "what is final is not waited for"
        return verdict


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
        return self._lead.to(*led, NOTHING) if isinstance(led, tuple) else led

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
        self._inside: _Inside | None = None

    def take(self, data: bytes) -> Verdict:
        if self._inside is not None:
            return self._inside.take(data)
        led = self._hello.take(data)
        if not isinstance(led, tuple):
            return led
        self._led = led
        return self._begin(led[1])

    def _begin(self, hello: ClientHello) -> StartTls | Refuse:
        fits = certificate_for(self._certificates, hello, self._lead.frontend.tls.strict_sni)
        return _nobody_of_this_name(hello) if fits is None else StartTls(fits)

    def secured(self, tls: TlsFacts) -> None:
        assert self._led is not None, "TLS begins when it is known where to"
        shown = attrs.evolve(self._lead.shown, tls=tls)
        self._inside = _Inside(attrs.evolve(self._lead, shown=shown), *self._led)

    def silence(self) -> Route | Refuse:
        if self._inside is not None:
            return self._inside.silence()
        late = "no TLS handshake" if self._led is not None else "no whole ClientHello"
        return Refuse("too-slow", detail=late)


def certificate_for(certificates: Sequence[Names], hello: ClientHello, strict: bool) -> int | None:
    """The certificate to show: one that carries the name that is asked for, else one that carries
    its wildcard, else the first, unless that is too little: None."""
    for pattern in _patterns(hello.server_name):
        for index, names in enumerate(certificates):
            if pattern in names:
                return index
    return None if strict else 0


def _patterns(name: str | None) -> tuple[str, ...]:
    """What stands for this name in a list: itself, and the one wildcard of one label."""
    return () if name is None else (name, f"*.{name.partition('.')[2]}")


def _named(routes: tuple[SniRoute, ...], name: str | None) -> Iterator[SniRoute]:
    """The routes that take this name: those that list it, then those that list its wildcard,
    then those that list nothing."""
    for pattern in _patterns(name):
        yield from (route for route in routes if pattern in route.sni)
    yield from (route for route in routes if not route.sni)


def network(address: Address, group: Group) -> str | None:
    """The address' network, as wide as the group says; None for a unix socket, which has none."""
    try:
        found = ip(address.host)
    except ValueError:
        return None
    bits = group.source_prefix.ipv4 if found.version == 4 else group.source_prefix.ipv6
    return str(ipaddress.ip_network((found, bits), strict=False))


def _proxied(shown: Shown, hello: ClientHello | None, group: Group) -> str | None:
    return network(shown.proxied, group) if shown.proxied else None


def _resumed(shown: Shown, hello: ClientHello | None, group: Group) -> str | None:
    """The TLS session that is to be resumed: its ticket, or else its id (RFC 5077, RFC 5246).

    Under TLS 1.3 the id is random and nobody has learned it: it names nothing.
    """
    if hello is None:
        return None
    if hello.ticket:
        return tls_session_key(hello.ticket)
    return tls_session_key(hello.session_id) if hello.session_id else None


KINDS: Final[Mapping[str, Callable[[Shown, ClientHello | None, Group], str | None]]] = {
    "connection": lambda shown, hello, group: shown.connection,
    "source": lambda shown, hello, group: network(shown.client, group),
    "proxy": _proxied,
    "sni": lambda shown, hello, group: hello.server_name if hello else None,
    "certificate": lambda shown, hello, group: (
        (shown.tls.thumbprint or None) if shown.tls else None
    ),
    LEARNED: _resumed,
    "local-port": lambda shown, hello, group: str(shown.local.port),
}
"""The kinds of key that the balancer knows by itself: how each is read off a connection."""
