"""docs/protocols/ftp.md and ftps.md speak of every requirement, and tests hold what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

TESTS = Path(__file__).parent
PAGES = TESTS.parent / "docs" / "protocols"
TEXT = (PAGES / "ftp.md").read_text() + "\n" + (PAGES / "ftps.md").read_text()
NOT_DONE = "".join(
    re.findall(r"^## What is not done\n.*?(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
)
DONE = re.sub(r"^## What is not done\n.*?(?=^## |\Z)", "", TEXT, flags=re.DOTALL | re.MULTILINE)

REQUIRED: Final = set(range(1, 95))
NUMBER = re.compile(r"\bT(\d+)(?:–T(\d+))?\b")


def numbers(text: str) -> set[int]:
    """T7, and T76–T78 for the three."""
    return {
        number
        for first, last in NUMBER.findall(text)
        for number in range(int(first), int(last or first) + 1)
    }


def test_every_requirement_is_spoken_of() -> None:
    assert REQUIRED - numbers(TEXT) == set()


@pytest.mark.parametrize("number", sorted(numbers(DONE)), ids=lambda number: f"T{number}")
def test_a_requirement_that_is_met_has_a_test_that_names_it(number: int) -> None:
    files = set(TESTS.rglob("test_*.py")) - {Path(__file__)}
    assert any(re.search(rf"\bT{number}\b", file.read_text()) for file in files)


def test_what_is_done_and_what_is_not_is_told_apart() -> None:
    assert numbers(DONE) & numbers(NOT_DONE) == set()
