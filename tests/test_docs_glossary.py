"""docs/glossary.md has each word once, and the words of the code are where it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from twisted_lb.terms import ENDINGS, ROLES

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "glossary.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| word")
]
CODE = [row for row in ROWS if len(row) == 3]


def test_no_word_is_explained_twice() -> None:
    words = [row[0] for row in ROWS]
    assert sorted(words) == sorted(set(words))


def test_every_ending_is_explained_and_no_other() -> None:
    told = [row[0].strip("`") for row in ROWS if row[0].startswith("`")]
    assert set(told) == ENDINGS


def test_every_role_is_named() -> None:
    [meaning] = [row[1] for row in ROWS if row[0] == "role"]
    assert tuple(re.findall(r"`(\w+)`", meaning)) == ROLES


@pytest.mark.parametrize(("word", "meaning", "where"), CODE, ids=[row[0] for row in CODE])
def test_a_word_of_the_code_is_where_it_is_said_to_be(word: str, meaning: str, where: str) -> None:
    assert meaning
    for name in re.findall(r"`([^`]+)`", where):
        path = ROOT / name if name == "setup.cfg" else ROOT / "twisted_lb" / name
        defined = rf"^(class )?{word}\b" if word[0].isupper() else word.replace(" ", "[ _]")
        assert re.search(defined, path.read_text(), re.MULTILINE), name


def test_there_are_words_of_the_code() -> None:
    assert len(CODE) > 30
