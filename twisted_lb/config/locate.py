"""Where the keys stand: TOML text → the line of every key's path.

Sans-I/O. The parser of the standard library keeps no lines, so that an error of meaning could not
be shown in the text. This scan finds them again; it runs over text that was parsed before, so it
judges nothing: where the text is odd after all, it stops and the lines found so far are the answer.
"""

from __future__ import annotations

import bisect
import contextlib
import re
import tomllib

import attrs

Path = tuple[str | int, ...]
"""Keys of tables and indices of arrays from the top: ("frontend", 0, "tls", "mode")."""

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(
    r""""{3}(?:[^\\]|\\.)*?"{3,5}"""  # up to two quotes may stand before the closing three
    r"""|'{3}.*?'{3,5}"""
    r'''|"(?:[^"\\\n]|\\.)*"'''
    r"""|'[^'\n]*'""",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}\n#]+")


@attrs.frozen
class Lines:
    """The line of each path, counted from 1."""

    at: dict[Path, int]

    def find(self, path: Path) -> int | None:
        """The line of this path, or of the nearest table around it; None for the whole file."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.at:
                return self.at[path[:length]]
        return None


def locate(text: str) -> Lines:
    """The lines of all keys in `text`, which is TOML that parses."""
    scan = _Scan(text.replace("\r\n", "\n"))
    with contextlib.suppress(_Odd, RecursionError):  # half the lines are better than none
        scan.document()
    return Lines(scan.found)


def line_of_error(error: ValueError, text: str) -> int | None:
    """The line that a message of tomllib names."""
    message = str(error)
    if named := re.search(r"\(at line (\d+), column \d+\)$", message):
        return int(named[1])
    return text.count("\n") + 1 if message.endswith("(at end of document)") else None


class _Odd(Exception):
    """What should stand here does not."""


class _Scan:
    """A walk over the text that notes where each path begins."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.found: dict[Path, int] = {}
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._lengths: dict[Path, int] = {}
        """How many tables each array of tables has so far."""

    def document(self) -> None:
        """Headers and assignments up to the end of the text."""
        table: Path = ()
        self._take(_BLANK)
        while self.position < len(self.text):
            if self._skip("[["):
                table = self._header("]]")
            elif self._skip("["):
                table = self._header("]")
            else:
                self._assignment(table)
            self._take(_BLANK)

    def _header(self, closing: str) -> Path:
        keys = self._keys()
        path = self._inside((), keys if closing == "]" else keys[:-1])
        if closing == "]]":
            array = (*path, keys[-1])
            index = self._lengths.get(array, 0)
            self._lengths[array] = index + 1
            self._note(array)
            path = (*array, index)
        self._note(path)
        self._expect(closing)
        return path

    def _inside(self, table: Path, keys: list[str]) -> Path:
        """Follows keys down; one that names an array of tables means the last table of it."""
        for key in keys:
            table = (*table, key)
            self._note(table)
            if table in self._lengths:
                table = (*table, self._lengths[table] - 1)
        return table

    def _assignment(self, table: Path) -> None:
        path = self._inside(table, self._keys())
        self._expect("=")
        self._take(_SPACE)
        self._value(path)

    def _value(self, path: Path) -> None:
        if self._skip("["):
            self._array(path)
        elif self._skip("{"):
            self._inline(path)
        elif not self._take(_STRING) and not self._take(_SCALAR):
            raise _Odd

    def _array(self, path: Path) -> None:
        index = 0
        self._take(_BLANK)
        while not self._skip("]"):
            item = (*path, index)
            self._note(item)
            self._value(item)
            self._take(_BLANK)
            self._skip(",")
            self._take(_BLANK)
            index += 1

    def _inline(self, path: Path) -> None:
        self._take(_BLANK)
        while not self._skip("}"):
            self._assignment(path)
            self._take(_BLANK)
            self._skip(",")
            self._take(_BLANK)

    def _keys(self) -> list[str]:
        """A key as it stands, dotted or not: `a."b.c" . d`."""
        keys: list[str] = []
        while not keys or self._skip("."):
            self._take(_SPACE)
            written = self._take(_KEY)
            if not written:
                raise _Odd
            keys.append(next(iter(tomllib.loads(f"{written}=0"))))
            self._take(_SPACE)
        return keys

    def _note(self, path: Path) -> None:
        line = bisect.bisect_left(self._newlines, self.position) + 1
        self.found.setdefault(path, line)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        if match is None:
            return ""
        self.position = match.end()
        return match[0]

    def _skip(self, mark: str) -> bool:
        if not self.text.startswith(mark, self.position):
            return False
        self.position += len(mark)
        return True

    def _expect(self, mark: str) -> None:
        if not self._skip(mark):
            raise _Odd
