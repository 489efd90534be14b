"""A text that is no TOML: what the parser says of it → a problem with the line, and what to do.

Sans-I/O. The parser names the place where it could not go on, which is seldom the mistake.
"""

from __future__ import annotations

import re
from typing import Final

from ..errors import Problem
from .locate import line_of_error

SHOWN: Final = 60
"""Characters of a line that are shown."""

ADVICE: Final = (
    (
        r"Unclosed|Unterminated|Invalid value \(at end",
        "something is missing here, or opened above and never closed",
    ),
    (r"Invalid value", "a text stands in quotes; the words without are true and false"),
    (r"Illegal character '\\n'", "a quote that is opened is closed on the same line"),
    (r"Unescaped '\\'", "write each backslash twice, or the text in single quotes"),
    (r"Cannot overwrite a value|Duplicate inline", "the key is there already: take one away"),
    (
        r"Cannot declare",
        "the table is there already: write all its keys in one place, and [[...]] where there may "
        "be several",
    ),
    (r"Cannot (mutate|redefine)", "what stands in { } or [ ] is whole: write all its keys there"),
    (r"Expected '\]'", "a table begins with [name], or [[name]] where there may be several"),
    (r"digits", "no number here is as long as that"),
    (r"Expected newline", "write one `key = value` on a line"),
    (r"", "a line is `key = value`, [table] or [[table]]"),
)
"""What the parser says → what to do; the first that fits."""


def not_toml(error: ValueError, text: str) -> Problem:
    """The problem that keeps the text from being read."""
    said = str(error)
    line = line_of_error(error, text)
    advice = next(told for pattern, told in ADVICE if re.search(pattern, said))
    shown = text.split("\n")[line - 1].strip()[:SHOWN] if line else ""
    place = f" in `{shown}`" if shown.isprintable() and shown else ""
    return Problem("", f"is not TOML: {said}{place}; {advice}", line)
