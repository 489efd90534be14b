"""docs/presets.md tells every preset as it is."""

import re
import tomllib
from pathlib import Path

from twisted_lb.config.load import load
from twisted_lb.config.presets import PRESETS, Raw

TEXT = (Path(__file__).parent.parent / "docs" / "presets.md").read_text()
SECTIONS = re.split(r"^## (.*)$", TEXT, flags=re.MULTILINE)


def blocks(section: str) -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


def parts(block: str) -> dict[str, Raw]:
    """The three tables of a preset's block."""
    raw = tomllib.loads(block)
    told = {kind: raw[kind][0] for kind in ("frontend", "backend") if kind in raw}
    return told | {"group": raw["group"]["NAME"]}


def test_every_preset_is_told_value_by_value() -> None:
    told = dict(zip(SECTIONS[1::2], SECTIONS[2::2], strict=True))
    assert {name: parts(blocks(section)[0]) for name, section in told.items()} == PRESETS


def test_the_example_loads() -> None:
    [example] = blocks(SECTIONS[0])
    assert len(load(example, "docs/presets.md").frontends) == 3
