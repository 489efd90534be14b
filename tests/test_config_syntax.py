"""A text that is no TOML is told with its line, the line's text and what to do."""

from __future__ import annotations

import pytest

from tests.configs import problems

LINES = "# a remark\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = web", "in `name = web`; a text stands in quotes"),
        ("hold = True", "in `hold = True`; a text stands in quotes; the words without are true"),
        ('name = "web\nlisten = 1', 'in `name = "web`; a quote that is opened is closed on the'),
        (r'file = "C:\certs"', "write each backslash twice, or the text in single quotes"),
        ("allow = [", "in `allow = [`; something is missing here, or opened above and"),
        ("a = 1\na = 2", "in `a = 2`; the key is there already: take one away"),
        ("[log]\n[log]", "in `[log]`; the table is there already: write all its keys in one place"),
        ("tls = {}\ntls.mode = 1", "in `tls.mode = 1`; what stands in { } or [ ] is whole"),
        ("tls = {}\n[tls.x]", "in `[tls.x]`; the table is there already"),
        ("[log", "in `[log`; a table begins with [name], or [[name]]"),
        ("a = 1 b = 2", "in `a = 1 b = 2`; write one `key = value` on a line"),
        ("listen on 80", "in `listen on 80`; a line is `key = value`, [table] or [[table]]"),
        ("a = " + "9" * 5000, "; no number here is as long as that"),
    ],
)
def test_what_cannot_be_parsed_is_shown_with_advice(text: str, told: str) -> None:
    [problem] = problems(LINES + text)
    assert problem.message.startswith("is not TOML: ")
    assert told in problem.message
    assert problem.path == ""


def test_the_line_is_that_where_the_parser_stopped() -> None:
    [problem] = problems(LINES + "a = 1\nb = oh\nc = 3\n")
    assert problem.line == 3


def test_a_line_that_is_long_or_does_not_print_is_not_shown_whole() -> None:
    [long] = problems("a = x" + "y" * 5000)
    assert len(long.message) < 300
    [hidden] = problems("\x1b[31m = 1")
    assert "\x1b" not in hidden.message
