"""docs/protocols/ftp.md says something of every requirement, and tests hold what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

TESTS = Path(__file__).parent
TEXT = (TESTS.parent / "docs" / "protocols" / "ftp.md").read_text()
[NOT_DONE] = re.findall(r"^## What is not done\n.*?(?=^## )", TEXT, re.DOTALL | re.MULTILINE)
DONE = TEXT.replace(NOT_DONE, "")

REQUIRED: Final = {*range(1, 58), *range(79, 95)} - {52}
"""T58–T74 are those of TLS for FTP, as is T52; T75–T78 of what comes with it or later."""
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
    """T90 stands in both: of it only the part that needs TLS is left."""
    assert numbers(DONE) & numbers(NOT_DONE) <= {90}
