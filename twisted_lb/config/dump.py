"""Settings → TOML text that says all of them, defaults included, and loads to the same settings.

Sans-I/O. Keys that nothing reads (see `applies`) and names that are not given are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .applies import unmet
from .document import unsettle
from .locate import Path
from .settings import Settings
from .tables import Nested, Table, document_table
from .values import Value, quote


def dump(settings: Settings) -> str:
    """The settings in force as a configuration file."""
    return "\n".join(_table(document_table(), unsettle(settings), "")).lstrip("\n") + "\n"


def _table(table: Table, value: Any, header: str) -> Iterator[str]:
    """The lines of one table and all within it."""
    unread = unmet(value)
    fields = [
        (field, field.kind, getattr(value, field.attribute))
        for field in table.fields
        if field.key not in unread
    ]
    yield from ["", header] if header else []
    for field, kind, inner in fields:
        if isinstance(kind, Value) and inner != "":
            yield f"{field.key} = {write(kind.show(inner))}"
    for field, kind, inner in fields:
        if isinstance(kind, Nested):
            stem = f"{header.strip('[]')}.{field.key}".lstrip(".")
            for one, path in kind.items(inner, ()):
                yield from _table(kind.table, one, _header(kind, stem, path))


def _header(nested: Nested, stem: str, path: Path) -> str:
    if nested.shape == "array":
        return f"[[{stem}]]"
    return f"[{stem}.{_key(str(path[-1]))}]" if nested.shape == "family" else f"[{stem}]"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quote(name)


def write(raw: Any) -> str:
    """A TOML value on one line."""
    match raw:
        case bool():
            return "true" if raw else "false"
        case str():
            return quote(raw)
        case list():
            return f"[{', '.join(map(write, raw))}]"
        case dict():
            pairs = (f"{_key(key)} = {write(value)}" for key, value in raw.items())
            return f"{{ {', '.join(pairs)} }}" if raw else "{}"
    return str(raw)
