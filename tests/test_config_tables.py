"""The tables follow from the classes of the settings: nothing can be set that they do not have."""

from typing import Any

import attrs
import pytest

from twisted_lb.balance import POLICIES as BALANCE_POLICIES
from twisted_lb.config import settings as s
from twisted_lb.config.document import PRESETS, Document, WrittenFrontend, WrittenRoute
from twisted_lb.config.tables import (
    KEY_KINDS,
    POLICIES,
    Field,
    Nested,
    Plugins,
    Table,
    document_table,
    walk,
)
from twisted_lb.config.values import Refused, Value
from twisted_lb.opening import KINDS as OPENING_KINDS

TABLES = {table.title: table for table in document_table()}
LEAVES = [
    pytest.param(field, id=f"{table.title} {field.key}")
    for table in document_table()
    for field in table.fields
    if isinstance(field.kind, Value)
]


def test_every_table_has_its_header() -> None:
    assert list(TABLES) == [
        "",
        "[[frontend]]",
        "[frontend.tls]",
        "[[frontend.tls.certificate]]",
        "[frontend.proxy]",
        "[frontend.ftp]",
        "[frontend.ftp.features]",
        "[frontend.ftp.failed_logins]",
        "[frontend.ftp.tls]",
        "[frontend.timeout]",
        "[[frontend.route]]",
        "[group.NAME]",
        "[group.NAME.source_prefix]",
        "[group.NAME.pattern]",
        "[group.NAME.role.ROLE]",
        "[[backend]]",
        "[[backend.server]]",
        "[backend.tls]",
        "[backend.check]",
        "[backend.live]",
        "[backend.eject]",
        "[backend.timeout]",
        "[limits]",
        "[log]",
        "[admin]",
        "[takeover]",
    ]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_attribute_of_a_class_can_be_set(table: Table) -> None:
    attributes = {attribute.name for attribute in attrs.fields(table.cls)}
    settable = {field.attribute for field in table.fields}
    assert attributes - settable == ({"name"} if table.cls is s.Group else set())


@pytest.mark.parametrize("field", LEAVES)
def test_every_default_can_be_written_and_read(field: Field) -> None:
    assert isinstance(field.kind, Value)
    if field.default not in (attrs.NOTHING, ""):
        assert field.kind.read(field.kind.show(field.default)) == field.default


def test_keys_that_hold_several_tables_are_singular() -> None:
    tables = {"frontend", "group", "backend", "limits", "log", "admin", "takeover", "relay"}
    assert set(TABLES[""].keys) == tables
    assert TABLES["[[backend]]"].keys["server"].attribute == "servers"
    assert TABLES["[frontend.ftp]"].keys["passive_ports"].attribute == "passive_ports"


def kind(title: str, key: str, plugins: Plugins = Plugins()) -> Value:  # noqa: B008
    (table,) = (table for table in document_table(plugins) if table.title == title)
    found = table.keys[key].kind
    assert isinstance(found, Value)
    return found


@pytest.mark.parametrize(
    ("title", "key", "plugins"),
    [
        ("[[backend]]", "balance", Plugins(policies=frozenset({"mine"}))),
        ("[group.NAME]", "key", Plugins(keys=frozenset({"mine"}))),
        ("[[frontend]]", "protocol", Plugins(protocols=frozenset({"mine"}))),
    ],
)
def test_a_plugin_s_name_is_known_when_the_plugin_is_there(
    title: str, key: str, plugins: Plugins
) -> None:
    kind(title, key, plugins).read("mine")
    with pytest.raises(Refused):
        kind(title, key).read("mine")


def test_a_plugin_may_bring_what_a_later_version_will_know() -> None:
    assert kind("[[frontend]]", "protocol", Plugins(protocols=frozenset({"http"}))).read("http")


def test_the_rooms_that_decide_know_the_same_words() -> None:
    assert set(POLICIES) == set(BALANCE_POLICIES)
    assert set(KEY_KINDS) == {*OPENING_KINDS, "alpn", "opening"}


@pytest.mark.parametrize("protocol", PRESETS)
def test_what_a_protocol_presets_can_be_read(protocol: str) -> None:
    def read(table: Table, preset: dict[str, Any]) -> None:
        for key, value in preset.items():
            field = table.keys[key]
            if isinstance(field.kind, Nested):
                read(field.kind.table, value)
            else:
                field.kind.read(value)

    read(TABLES["[[frontend]]"], PRESETS[protocol])


def test_a_walk_meets_every_table_with_its_path() -> None:
    document = Document(
        frontends=(WrittenFrontend("f", routes=(WrittenRoute(group="g"),)),),
        groups={"g": s.Group("g", "b")},
        backends=(s.Backend("b", (s.ServerRule("a", "10.0.0.1"),)),),
    )
    met = {path: type(value) for value, path in walk(document_table(), document)}
    assert met[()] is Document
    assert met["frontend", 0, "route", 0] is WrittenRoute
    assert met["group", "g", "role", "any"] is s.RoleRule
    assert met["backend", 0, "server", 0] is s.ServerRule
    assert met["limits",] is s.Limits
    assert len(met) == 25
