"""The tables of the configuration: which keys each has, of which kind, with which default.

Sans-I/O. Derived from the classes of `document` and `settings`: a key is called as its attribute,
in the singular where it holds tables, and its kind follows from the annotation, unless it stands
under KINDS below.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import attrs

from ..terms import ROLES
from . import addresses as at
from . import settings as s
from . import units as u
from . import values as v
from .document import Document, WrittenFrontend, WrittenRoute
from .locate import Path
from .patterns import PATTERN
from .startups import STARTUPS

POLICIES: Final = (
    "round-robin",
    "least-sessions",
    "least-connections",
    "source-hash",
    "random-two",
    "first",
)
KEY_KINDS: Final = (
    "connection",
    "alpn",
    "opening",
    "tls-session",
    "source",
    "proxy",
    "sni",
    "certificate",
    "local-port",
)
PROTOCOLS: Final = ("opaque", "terminal", "ftp")
CHECKS: Final = ("off", "tcp", "tls", "ftp", "agent")


@attrs.frozen
class Plugins:
    """Names that plugins add to those that the balancer knows by itself."""

    policies: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    protocols: frozenset[str] = frozenset()


NO_PLUGINS: Final = Plugins()


@attrs.frozen(eq=False)
class Table:
    """One kind of TOML table."""

    cls: type
    """What it becomes."""
    title: str
    """Its header, as `[[frontend]]` or `[group.NAME]`."""
    fields: tuple[Field, ...]

    def __iter__(self) -> Iterator[Table]:
        """This table and all within it."""
        yield self
        for field in self.fields:
            if not isinstance(field.kind, v.Value):
                yield from field.kind.table

    @property
    def keys(self) -> dict[str, Field]:
        """Its fields by their keys."""
        return {field.key: field for field in self.fields}


@attrs.frozen(eq=False)
class Nested:
    """Tables within a table: `one`, an `array` of them, or a `family` of named ones."""

    shape: Literal["one", "array", "family"]
    table: Table
    names: v.Value = v.NAME
    """What the members of a family may be called."""

    def items(self, value: Any, path: Path) -> Iterator[tuple[Any, Path]]:
        """The tables in the value of such a key, each with its path."""
        match self.shape:
            case "one":
                yield value, path
            case "array":
                yield from ((item, (*path, index)) for index, item in enumerate(value))
            case _:
                yield from ((item, (*path, name)) for name, item in value.items())


@attrs.frozen(eq=False)
class Field:
    """One key of a table."""

    key: str
    attribute: str
    kind: v.Value | Nested
    default: Any
    """attrs.NOTHING when it must be given."""


@functools.cache
def document_table(plugins: Plugins = NO_PLUGINS) -> Table:
    """The table of the whole file."""
    return _table(Document, "", _kinds(plugins))


def table_of(cls: type, kinds: Kinds) -> Table:
    """The table of another program's whole file: `kinds` of its own, and those of classes that it
    shares with the balancer."""
    return _table(cls, "", KINDS | kinds)


# -- kinds that no annotation tells ----------------------------------------------------------------

Kinds = dict[tuple[type, str], v.Value]
"""By class and attribute."""


def _kinds(plugins: Plugins) -> Kinds:
    """The kinds of values for the attributes whose annotation does not say enough."""
    return KINDS | {
        (WrittenFrontend, "protocol"): _names(PROTOCOLS, plugins.protocols, _NO_HTTP),
        (s.Group, "key"): v.several(_names(KEY_KINDS, plugins.keys)),
        (s.Backend, "balance"): _names(POLICIES, plugins.policies),
    }


def _names(
    own: tuple[str, ...], plugins: frozenset[str], later: Mapping[str, str] = v.NONE_LATER
) -> v.Value:
    return v.choice(
        *own,
        *sorted(plugins),
        later={word: now for word, now in later.items() if word not in plugins},
    )


_NO_HTTP: Final = {"http": 'write "opaque", which hands every connection on as it is'}
_NO_USER: Final = {
    "user": "a server is chosen before the user's name is heard; take the word out, or write "
    '"source"'
}


_ZERO: Final = u.duration(0.0)
_DURATION: Final = u.duration(0.001)
_COUNT: Final = v.whole(1, 10_000_000, 1000)
_CIPHERS: Final = attrs.evolve(v.TEXT, wants="OpenSSL's list of ciphers", example='"ECDHE+AESGCM"')

KINDS: Final[Kinds] = {
    (s.Prefix, "ipv4"): v.whole(1, 32, 32),
    (s.Prefix, "ipv6"): v.whole(1, 128, 64),
    (s.RoleRule, "server_port"): at.SERVER_PORT,
    (s.Patterns, "alpn"): PATTERN,
    (s.Patterns, "sni"): PATTERN,
    (s.Patterns, "opening"): PATTERN,
    (s.Patterns, "opening_bytes"): u.size(1, 16_384),
    (s.Group, "backend"): v.NAME,
    (s.Group, "linger"): _ZERO,
    (s.Group, "grace"): _ZERO,
    (WrittenRoute, "group"): v.NAME,
    (WrittenRoute, "backend"): v.NAME,
    (WrittenRoute, "sni"): v.several(at.SNI),
    (WrittenRoute, "alpn"): v.several(at.ALPN),
    (s.FrontendTls, "ca"): v.FILE,
    (s.FrontendTls, "alpn"): v.several(at.ALPN),
    (s.FrontendTls, "ciphers"): _CIPHERS,
    (s.ShownCertificate, "file"): v.FILE,
    (s.ShownCertificate, "key"): v.FILE,
    (s.FtpRules, "sticky"): v.several(v.choice("certificate", "source", later=_NO_USER)),
    (s.FtpRules, "passive_ports"): at.port_range(1024),
    (s.FtpRules, "server_ports"): v.either(at.port_range(1024), v.word("any")),
    (s.FtpRules, "advertise"): at.ADVERTISE,
    (s.FtpRules, "grace"): _ZERO,
    (s.Features, "accept"): v.several(at.FEATURE_NAME),
    (s.Features, "drop"): v.several(at.FEATURE_NAME),
    (s.Features, "insert"): v.several(at.FEATURE),
    (s.LoginRules, "per_address"): v.either(_COUNT, v.word("unlimited")),
    (s.LoginRules, "per_user"): v.either(_COUNT, v.word("unlimited")),
    (WrittenFrontend, "name"): v.NAME,
    (WrittenFrontend, "listen"): at.LISTEN,
    (WrittenFrontend, "group"): v.NAME,
    (WrittenFrontend, "backend"): v.NAME,
    (WrittenFrontend, "role"): v.choice(*ROLES),
    (WrittenFrontend, "server_port"): at.SERVER_PORT,
    (WrittenFrontend, "observe"): v.FILE,
    (WrittenFrontend, "startups"): v.either(STARTUPS, v.word("unlimited")),
    (WrittenFrontend, "user_timeout"): v.either(_DURATION, v.word("kernel")),
    (s.BackendTls, "ca"): v.FILE,
    (s.BackendTls, "identity"): at.HOST,
    (s.BackendTls, "certificate"): v.FILE,
    (s.BackendTls, "key"): v.FILE,
    (s.BackendTls, "alpn"): v.several(at.ALPN),
    (s.BackendTls, "ciphers"): _CIPHERS,
    (s.Check, "type"): v.choice(*CHECKS),
    (s.Check, "port"): v.either(at.PORT, v.word("auto")),
    (s.Check, "name"): at.HOST,
    (s.Check, "ca"): v.FILE,
    (s.Check, "password_file"): v.FILE,
    (s.Live, "names"): v.several(at.HOST),
    (s.Live, "ca"): v.FILE,
    (s.Live, "alpn"): v.several(at.ALPN),
    (s.Live, "path"): v.matching(r"/[!-~]*", "a path", '"/status"'),
    (s.Eject, "after"): v.whole(0, 1000, 3),
    (s.ServerRule, "name"): v.NAME,
    (s.ServerRule, "host"): at.HOST,
    (s.ServerRule, "weight"): v.whole(0, 256, 100),
    (s.ServerRule, "maxconn"): v.either(_COUNT, v.word("unlimited")),
    (s.ServerRule, "passive_ports"): v.either(at.port_range(), v.word("none")),
    (s.Backend, "name"): v.NAME,
    (s.Backend, "on_down"): v.either(v.choice("end", "keep"), v.word("auto")),
    (s.Backend, "slow_start"): _ZERO,
    (s.Limits, "unread"): u.size(1 << 18, 64 << 20),  # less than a pipe of 64 KiB is none
    (s.Limits, "hold"): u.size(16_389, 1 << 20),  # a whole TLS record; it is held per connection
    (s.Limits, "drain"): _ZERO,
    (s.AdminEndpoint, "socket"): attrs.evolve(
        v.TEXT, wants="the path of a unix socket", example='"/run/twisted-lb/admin.sock"'
    ),
    (s.Takeover, "socket"): attrs.evolve(
        v.TEXT, wants="the path of a unix socket", example='"/run/twisted-lb/takeover"'
    ),
    (s.AdminEndpoint, "listen"): at.LISTEN,
    (s.AdminEndpoint, "token_file"): v.FILE,
}

# -- what the annotations tell ---------------------------------------------------------------------


def _table(cls: type, title: str, kinds: Kinds, without: str = "") -> Table:
    hints = typing.get_type_hints(cls)
    fields = (
        _field(cls, attribute, hints[attribute.name], title, kinds)
        for attribute in attrs.fields(cls)
        if attribute.name != without
    )
    return Table(cls, title, tuple(fields))


def _field(cls: type, attribute: Any, hint: Any, title: str, kinds: Kinds) -> Field:
    name, default = attribute.name, attribute.default
    kind: v.Value | Nested | None = kinds.get((cls, name)) or _nested(hint, name, title, kinds)
    if kind is None:
        kind = _value(hint)
    singular = isinstance(kind, Nested) and kind.shape != "one"
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class, whatever its stub
        default = default.factory()
    return Field(name.removesuffix("s") if singular else name, name, kind, default)


def _nested(hint: Any, name: str, title: str, kinds: Kinds) -> Nested | None:
    """The tables that an attribute of this annotation holds, if it does."""
    stem = f"{title.strip('[]')}.{name}".lstrip(".")
    match typing.get_origin(hint), typing.get_args(hint):
        case (None, _) if attrs.has(hint):
            return Nested("one", _table(hint, f"[{stem}]", kinds))
        case (types.GenericAlias() | type(), (item, end)) if end is Ellipsis and attrs.has(item):
            return Nested("array", _table(item, f"[[{stem.removesuffix('s')}]]", kinds))
        case (types.GenericAlias() | type(), (_, item)) if attrs.has(item):
            stem = stem.removesuffix("s")
            named = "name" in attrs.fields_dict(item)
            member = "NAME" if named else stem.rpartition(".")[2].upper()
            table = _table(item, f"[{stem}.{member}]", kinds, "name" if named else "")
            return Nested("family", table, _FAMILY_NAMES[item])
    return None


def _value(hint: Any) -> v.Value:
    """The kind of value that an annotation means."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return v.choice(*arguments)
    if typing.get_origin(hint) is tuple:
        return v.several(_value(arguments[0]))
    (given,) = (argument for argument in arguments if argument is not types.NoneType)
    return v.either(_value(given), v.word("never"))


_FAMILY_NAMES: Final[dict[type, v.Value]] = {s.Group: v.NAME, s.RoleRule: v.choice(*ROLES)}

_PLAIN: Final[dict[Any, v.Value]] = {
    bool: v.FLAG,
    int: _COUNT,
    float: _DURATION,
    str: v.TEXT,
    s.Network: at.NETWORK,
}


def walk(table: Table, value: Any, path: Path = ()) -> Iterator[tuple[Any, Path]]:
    """Every table's value within a value of this table, each with its path."""
    yield value, path
    for field in table.fields:
        if isinstance(field.kind, Nested):
            for inner, at in field.kind.items(getattr(value, field.attribute), (*path, field.key)):
                yield from walk(field.kind.table, inner, at)
