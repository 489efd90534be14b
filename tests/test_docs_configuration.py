"""docs/configuration.md tells every key, and nothing but what is so."""

import re
import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest

from twisted_lb.config.document import PRESETS
from twisted_lb.config.dump import dump, write
from twisted_lb.config.load import load
from twisted_lb.config.tables import (
    CHECKS,
    KEY_KINDS,
    POLICIES,
    PROTOCOLS,
    Field,
    Table,
    document_table,
)
from twisted_lb.config.values import Value
from twisted_lb.terms import ROLES

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "configuration.md").read_text()
TABLES = [table for table in document_table() if table.title]
BLOCKS = re.findall(
    r"^```toml\n(.*?)^```", TEXT + (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
)


def sections() -> dict[str, str]:
    """Heading of a table → what stands below it."""
    parts = re.split(r"^##+ (.*)$", TEXT, flags=re.MULTILINE)
    return {title.strip("`"): body for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def rows(section: str) -> dict[str, list[str]]:
    """Key → meaning, type, default, example."""
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:2] == "| "]
    return {row[0].strip("`"): row[1:] for row in cells if len(row) == 5 and row[0] != "Key"}


SECTIONS = sections()
FIELDS = [
    pytest.param(table, field, id=f"{table.title} {field.key}")
    for table in TABLES
    for field in table.fields
    if isinstance(field.kind, Value)
]


def test_every_table_has_a_section_and_no_other_looks_like_one() -> None:
    assert {title for title in SECTIONS if title.startswith("[")} == {t.title for t in TABLES}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title)
def test_the_keys_told_are_the_keys_there_are(table: Table) -> None:
    keys = {field.key for field in table.fields if isinstance(field.kind, Value)}
    assert set(rows(SECTIONS[table.title])) == keys


def told_default(field: Field) -> str:
    assert isinstance(field.kind, Value)
    if field.default is attrs.NOTHING:
        return "required"
    return f"`{write(field.kind.show(field.default))}`" if field.default != "" else "none"


@pytest.mark.parametrize(("table", "field"), FIELDS)
def test_the_default_told_is_the_one_in_force(table: Table, field: Field) -> None:
    _, _, default, _ = rows(SECTIONS[table.title])[field.key]
    assert default == told_default(field)


@pytest.mark.parametrize(("table", "field"), FIELDS)
def test_the_example_can_be_read_and_is_not_the_default(table: Table, field: Field) -> None:
    meaning, kind, _, example = rows(SECTIONS[table.title])[field.key]
    assert meaning.endswith(".")
    assert kind
    written: dict[str, Any] = tomllib.loads(example.strip("`"))
    assert list(written) == [field.key]
    assert isinstance(field.kind, Value)
    assert field.kind.read(written[field.key]) != field.default


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("[[frontend]]", (*PROTOCOLS, *ROLES)),
        ("[group.NAME]", KEY_KINDS),
        ("[[backend]]", POLICIES),
        ("[backend.check]", CHECKS),
    ],
)
def test_every_word_is_explained(title: str, words: tuple[str, ...]) -> None:
    for word in words:
        assert f"`{word}`" in SECTIONS[title], word


def test_the_presets_told_are_those_in_force() -> None:
    def flat(preset: dict[str, Any], stem: str = "") -> dict[str, str]:
        values: dict[str, str] = {}
        for key, value in preset.items():
            inner = isinstance(value, dict)
            values |= flat(value, f"{stem}{key}.") if inner else {stem + key: f'`"{value}"`'}
        return values

    told = re.findall(
        r"^\| `(\w+)` \| `(.*)` \| (.*) \|$", SECTIONS["What a protocol presets"], re.M
    )
    assert told == [
        (protocol, key, value)
        for protocol, preset in PRESETS.items()
        for key, value in flat(preset).items()
    ]


@pytest.mark.parametrize("block", BLOCKS)
def test_every_configuration_in_the_text_loads(block: str) -> None:
    settings = load(block, "docs/configuration.md")
    assert load(dump(settings), "dump") == settings


def test_there_are_configurations_in_the_text() -> None:
    assert len(BLOCKS) >= 3
