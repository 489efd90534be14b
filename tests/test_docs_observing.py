"""docs/how-to/observe-a-vendor-client.md: its groups load, its line is one that is written."""

import json
import re
from pathlib import Path

import attrs
import pytest

from twisted_lb.config.load import load
from twisted_lb.facts import ChannelObserved

TEXT = (Path(__file__).parent.parent / "docs/how-to/observe-a-vendor-client.md").read_text()
COLUMNS = re.findall(r"^\| order (.*) \|$", TEXT, re.M)
FIELDS = {field.name for field in attrs.fields(ChannelObserved)}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", blocks("toml"))
def test_every_configuration_loads(block: str) -> None:
    assert len(load(block, "docs").frontends) == 2


def test_there_are_two_configurations() -> None:
    assert len(blocks("toml")) == 2


def test_the_line_has_the_fields_of_the_fact() -> None:
    [line] = blocks("json")
    told = json.loads(line)
    assert set(told) == FIELDS | {"time", "fact"}
    assert told["fact"] == "channel-observed"


def test_the_tables_have_columns_of_the_line() -> None:
    assert len(COLUMNS) == 2
    for row in COLUMNS:
        assert set(row.strip("| ").split(" | ")) <= FIELDS


def test_every_field_is_explained_or_known_from_the_access_log() -> None:
    known = {"connection", "frontend", "client", "ending", "seconds"}
    explained = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", TEXT, re.M)
    told = {name for cell in explained for name in re.findall(r"`(\w+)`", cell)}
    assert FIELDS - known <= told
