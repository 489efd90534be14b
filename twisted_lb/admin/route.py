"""One thing that can be asked of the admin endpoint: its method, its path, its fields, its answer.

Sans-I/O. In: what was given for a field. Out: its value, or Refused, which names the field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import attrs

from .views import Json

Method = Literal["GET", "POST", "PATCH", "DELETE"]


class Refused(Exception):
    """A request is not done: a status, what is wrong, and with which field of it."""

    def __init__(self, status: int, error: str, field: str = "") -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.field = field


@attrs.frozen
class Given:
    """One field of a request: in its path, its query, or its body."""

    name: str
    meaning: str
    schema: Mapping[str, Any]
    """JSON Schema: `type` with `enum`, `minimum`, `maximum`, `maxLength`, `pattern`."""
    required: bool = False

    def read(self, raw: Any) -> Any:
        """What was given, if it is what is wanted. Raises Refused."""
        kind, schema = self.schema["type"], self.schema
        if kind == "integer" and isinstance(raw, float) and raw.is_integer():
            raw = int(raw)  # JSON does not tell 7.0 from 7
        fits = _KINDS[kind](raw)
        if fits and "enum" in schema:
            fits = raw in schema["enum"]
        if fits and kind in ("integer", "number"):
            fits = schema.get("minimum", raw) <= raw <= schema.get("maximum", raw)
        if fits and kind == "string":
            fits = len(raw) <= schema.get("maxLength", MOST) and bool(
                re.fullmatch(schema.get("pattern", "(?s).*"), raw)
            )
        if not fits:
            raise Refused(400, f"wants {self.wanted}, not {str(raw)[:80]!r}", self.name)
        return raw

    @property
    def wanted(self) -> str:
        """In words."""
        if "enum" in self.schema:
            return "one of " + ", ".join(self.schema["enum"])
        if "minimum" in self.schema:
            most = self.schema.get("maximum")
            return f"a number from {self.schema['minimum']}" + (f" to {most}" if most else "")
        return {"string": "a text", "boolean": "true or false"}.get(self.schema["type"], "a number")


MOST: Final = 256
"""Characters of any text."""


SESSION: Final = "^[0-9a-f]{1,16}-[0-9a-f]{1,16}$"
"""A session's id."""


def _whole(raw: Any) -> bool:
    return isinstance(raw, int) and not isinstance(raw, bool)


def _number(raw: Any) -> bool:
    return isinstance(raw, (int, float)) and not isinstance(raw, bool)


_KINDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda raw: isinstance(raw, str),
    "integer": _whole,
    "number": _number,
    "boolean": lambda raw: isinstance(raw, bool),
}


@attrs.frozen(eq=False)
class Route:
    """One thing that can be asked."""

    method: Method
    path: str
    """With its fields in braces."""
    summary: str
    answer: Callable[[Any, Json], Any]
    """Takes an `answers.Api` and the fields; gives what is sent as JSON. Raises Refused."""
    query: tuple[Given, ...] = ()
    body: tuple[Given, ...] = ()
    status: int = 200
    missing: str = ""
    """What may be not there, for 404; empty: nothing."""

    @property
    def acts(self) -> bool:
        """Whether it changes anything."""
        return self.method != "GET"

    @property
    def fields(self) -> tuple[str, ...]:
        """Those of the path."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))

    def matches(self, parts: list[str]) -> Json | None:
        """The path's fields, when the path is this one's."""
        ours = self.path.strip("/").split("/")
        if len(ours) != len(parts):
            return None
        found = {}
        for our, part in zip(ours, parts, strict=True):
            if our.startswith("{"):
                found[our.strip("{}")] = part
            elif our != part:
                return None
        return found
