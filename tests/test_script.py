"""The wire-script language tells the truth: what differs fails, and says where."""

from __future__ import annotations

import pytest

from tests.ftptalk import fresh, logged_in
from tests.script import play, unescaped


@pytest.mark.parametrize(
    "script",
    [
        "S: 220 hello",
        "S: 220 hello  -> C: 220 hallo",
        "S: 220 hello  -> S: 220 hello",
        "S: 220 hello  -> C: 220 hello\n -> finish done",
        "C: NOOP       -> S: NOOP",
    ],
)
def test_an_action_too_few_or_too_many_or_another_fails(script: str) -> None:
    with pytest.raises(AssertionError, match="left the script"):
        play(fresh(), script)


def test_the_difference_is_shown() -> None:
    with pytest.raises(AssertionError, match=r"(?s)- .*hallo.*\+ .*hello"):
        play(fresh(), "S: 220 hello -> C: 220 hallo")


def test_several_lines_of_one_send_are_several_actions() -> None:
    play(fresh(), "S: 220-a\\r\\n220 b  -> C: 220-a\n -> C: 220 b")


def test_escapes_are_bytes() -> None:
    assert unescaped("a\\xff\\r\\n\\0") == b"a\xff\r\n\0"
    play(logged_in(), "C: RETR \\xe9  -> S: RETR \\xe9")


def test_an_unknown_event_fails() -> None:
    with pytest.raises(KeyError):
        play(fresh(), "sings 1 client")
