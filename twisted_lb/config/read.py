"""Reading the tables: parsed TOML → a Document, with a problem noted for each key that is wrong.

Sans-I/O. What is wrong is noted and its default taken in its place, so that everything else can
still be looked at: all problems come at once.
"""

from __future__ import annotations

import re
from typing import Any

import attrs

from ..errors import Problem
from .applies import unmet
from .document import PRESETS, Document
from .locate import Lines, Path
from .presets import expand, fill
from .tables import Field, Nested, Plugins, Table, document_table
from .values import Refused, Value, describe, did_you_mean, near, quote


@attrs.define
class Found:
    """The problems found so far in one file."""

    raw: dict[str, Any]
    """The parsed TOML."""
    lines: Lines
    problems: list[Problem] = attrs.field(factory=list)
    unread: set[Path] = attrs.field(factory=set)
    """Keys whose default stands in: what follows from their values is not the reader's fault."""

    def add(self, path: Path, message: str) -> None:
        """One thing is wrong here."""
        self.problems.append(Problem(spell(path, self.raw), message, self.lines.find(path)))

    def refuse(self, path: Path, message: str) -> None:
        """A value cannot be used."""
        self.unread.add(path)
        self.add(path, message)

    def no_preset(self, path: Path, message: str) -> None:
        """A table's `preset` cannot be used: nothing that follows from the table is its fault."""
        self.unread.add(path)
        self.add((*path, "preset"), message)

    def given(self, path: Path) -> bool:
        """Whether the text says something here."""
        raw: Any = self.raw
        for part in path:
            try:
                raw = raw[part]
            except (KeyError, IndexError, TypeError):
                return False
        return True


def spell(path: Path, raw: Any) -> str:
    """A path for people: `backend[ftp-servers].server[a].weight`; nameless ones are counted."""
    spelt = ""
    for part in path:
        raw = _within(raw, part)
        if isinstance(part, int):
            name = raw.get("name") if isinstance(raw, dict) else None
            spelt += f"[{name if isinstance(name, str) and name else f'#{part + 1}'}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            spelt += f".{part}" if bare else f".{quote(part)}"
    return spelt.removeprefix(".")


def _within(raw: Any, part: str | int) -> Any:
    if isinstance(part, int):
        return raw[part] if isinstance(raw, list) and part < len(raw) else None
    return raw.get(part) if isinstance(raw, dict) else None


def read(found: Found, plugins: Plugins) -> Document:
    """The document that the TOML says; complete only when nothing was found."""
    raw = expand(found.raw, found.no_preset)
    if isinstance(frontends := raw.get("frontend"), list):
        raw["frontend"] = [_preset(frontend) for frontend in frontends]
    document = _Reader(found, document_table(plugins)).table(document_table(plugins), raw, ())
    assert isinstance(document, Document)
    return document


def read_as(found: Found, table: Table) -> Any:
    """What a file says whose top is this table."""
    return _Reader(found, table).table(table, found.raw, ())


def _preset(frontend: Any) -> Any:
    """Fills in what the frontend's protocol sets where the text says nothing."""
    protocol = frontend.get("protocol") if isinstance(frontend, dict) else None
    preset = PRESETS.get(protocol) if isinstance(protocol, str) else None
    return fill(frontend, preset) if preset else frontend


class _Reader:
    """Reads tables of any kind; the kinds are data."""

    def __init__(self, found: Found, root: Table) -> None:
        self._found = found
        self._root = root

    def table(self, table: Table, raw: Any, path: Path) -> Any:
        """One table; `raw` may be anything."""
        if not isinstance(raw, dict):
            self._found.refuse(path, f"wants a table, {_shape(table)}; got {describe(raw)}")
            raw = None
        for key in raw or ():
            if key not in table.keys:
                self._found.add((*path, key), self._unknown(table, key))
                self._misspelt(table, key, raw, path)
        values = {
            field.attribute: self._field(table, field, raw, (*path, field.key))
            for field in table.fields
        }
        named = "name" in attrs.fields_dict(table.cls) and "name" not in table.keys
        made = table.cls(**values | ({"name": path[-1]} if named else {}))
        return self._without_unread(table, made, path)

    def _without_unread(self, table: Table, made: Any, path: Path) -> Any:
        """Leaves out what a preset says and what is written makes meaningless."""
        unread = {key for key in unmet(made) if not self._found.given((*path, key))}
        defaults = {field.attribute: field.default for field in table.fields if field.key in unread}
        return attrs.evolve(made, **defaults) if defaults else made

    def _misspelt(self, table: Table, key: str, raw: dict[str, Any], path: Path) -> None:
        """What this key was meant to be is not missing, and nothing follows from its absence."""
        for meant in near(key, table.keys):
            if meant not in raw:
                self._found.unread.add((*path, meant))

    def _field(self, table: Table, field: Field, raw: dict[str, Any] | None, path: Path) -> Any:
        if raw is None:
            return self._stand_in(field)
        if field.key not in raw:
            if field.default is attrs.NOTHING and path not in self._found.unread:
                self._found.refuse(path, f"is missing: {table.title or 'the top'} needs it")
            return self._stand_in(field)
        if isinstance(field.kind, Nested):
            return self._nested(field.kind, raw[field.key], path)
        return self._value(field.kind, field, raw[field.key], path)

    def _value(self, kind: Value, field: Field, raw: Any, path: Path) -> Any:
        try:
            return kind.read(raw)
        except Refused as refused:
            self._found.unread.add(path)
            for inside, why in refused.items:
                self._found.add((*path, *inside), why)
            if not refused.items:
                self._found.add(path, kind.explain(raw, refused.why))
        return self._stand_in(field)

    def _nested(self, nested: Nested, raw: Any, path: Path) -> Any:
        match nested.shape:
            case "one":
                return self.table(nested.table, raw, path)
            case "array" if isinstance(raw, list):
                items = ((*path, index) for index in range(len(raw)))
                return tuple(
                    self.table(nested.table, one, at) for one, at in zip(raw, items, strict=True)
                )
            case "family" if isinstance(raw, dict):
                self._family_names(nested, raw, path)
                return {key: self.table(nested.table, raw[key], (*path, key)) for key in raw}
        single = ": its header has two brackets" if isinstance(raw, dict) else ""
        wants = f"wants tables, {_shape(nested.table)}"
        self._found.refuse(path, f"{wants}; got {describe(raw)}{single}")
        return () if nested.shape == "array" else {}

    def _family_names(self, nested: Nested, raw: dict[str, Any], path: Path) -> None:
        for name in raw:
            try:
                nested.names.read(name)
            except Refused as refused:
                why = nested.names.explain(name, refused.why)
                self._found.add((*path, name), f"cannot be called so: {why}")

    def _stand_in(self, field: Field) -> Any:
        """What is there instead of a value that is missing or wrong."""
        if field.default is not attrs.NOTHING:
            return field.default
        return "" if isinstance(field.kind, Value) else ()

    def _unknown(self, table: Table, key: str) -> str:
        """The message for a key that this table does not have."""
        homes = [other.title or "the top" for other in self._root if key in other.keys]
        home = f"it belongs into {' or '.join(homes)}" if homes else ""
        hints = [hint for hint in (did_you_mean(key, table.keys), home) if hint]
        known = f"known here: {', '.join(sorted(table.keys))}"
        return f"is not a key of {table.title or 'the top'}: {'; '.join(hints) or known}"


def _shape(table: Table) -> str:
    """How a table is written: below its header, or on one line with the keys that matter most."""
    first = table.fields[0].key
    needed = [field.key for field in table.fields if field.default is attrs.NOTHING]
    needed = needed or [first] * (first in ("type", "mode"))
    keys = ", ".join(f"{key} = ..." for key in needed)
    return f"{table.title} or {{ {keys} }}" if keys else table.title
