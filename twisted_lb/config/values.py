"""Kinds of value: how each is read from TOML, how it is written back, and what it is called.

Sans-I/O. A Value is data; `tables` gives one to every key. Reading raises Refused, which says why,
and for a list or table says it of every item that is wrong.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import attrs

from .locate import Path


class Refused(Exception):
    """A value cannot be taken: `why`, or for single items of it, where inside and why."""

    def __init__(self, why: str = "", items: tuple[tuple[Path, str], ...] = ()) -> None:
        super().__init__(why, items)
        self.why = why
        self.items = items


@attrs.frozen(eq=False)
class Value:
    """One kind of value."""

    wants: str
    """As a noun: `a duration`."""
    example: str
    """As it is written in TOML; empty where `wants` says it all."""
    read: Callable[[Any], Any]
    type: type
    """What `read` returns: tells which of several kinds wrote a value."""
    show: Callable[[Any], Any] = lambda value: value
    """The inverse of `read`: a value that TOML can hold."""

    def explain(self, raw: object, why: str) -> str:
        """The message for a refused value."""
        example = f", as {self.example}" if self.example else ""
        return f"wants {self.wants}{example}; {why or 'got ' + describe(raw)}"


def describe(raw: object) -> str:
    """What stands in the TOML, for a message."""
    match raw:
        case bool():
            return "true" if raw else "false"
        case str():
            return quote(raw if len(raw) <= 60 else raw[:57] + "...")
        case int() | float():
            return f"the number {raw}"
        case list():
            return "a list"
        case dict():
            return "a table"
    return "a date or time"


def quote(text: str) -> str:
    """A TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean "x"?`, or nothing when nothing is near."""
    return "".join(f"did you mean {quote(one)}?" for one in near(word, known))


def near(word: str, known: Iterable[str]) -> list[str]:
    """The one of these words that is most like another, or none."""
    return difflib.get_close_matches(word, list(known), n=1)


NONE_LATER: Final[Mapping[str, str]] = {}


# -- plain kinds -----------------------------------------------------------------------------------


def _flag(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise Refused
    return raw


FLAG: Final = Value("true or false", "", _flag, bool)


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise Refused
    if not raw.isprintable():
        raise Refused("it has characters that do not print")
    return raw


TEXT: Final = Value("a text", '"..."', _text, str)
FILE: Final = attrs.evolve(TEXT, wants="the name of a file", example='"/etc/ssl/ca.pem"')


def matching(pattern: str, wants: str, example: str) -> Value:
    """A text that matches `pattern` as a whole."""

    def read(raw: Any) -> str:
        if not isinstance(raw, str) or not re.fullmatch(pattern, raw):
            raise Refused
        return raw

    return Value(wants, example, read, str)


NAME: Final = matching(
    r"[\w.-]{1,64}", "a name of letters, digits, `.`, `_` and `-`", '"ftp-servers"'
)


def whole(least: int, most: int, example: int) -> Value:
    """A whole number between two bounds, both included."""

    def read(raw: Any) -> int:
        if isinstance(raw, str) and raw.isdecimal():
            raise Refused(f"got {quote(raw)}: a number stands without quotes")
        if type(raw) is not int or not least <= raw <= most:
            raise Refused
        return raw

    return Value(f"a whole number from {least} to {most}", str(example), read, int)


def choice(*words: str, later: Mapping[str, str] = NONE_LATER) -> Value:
    """One of some words; `later` are those that a later version will know → what to do now."""

    def read(raw: Any) -> str:
        if isinstance(raw, str) and raw in words:
            return raw
        if not isinstance(raw, str):
            raise Refused
        if raw in later:
            raise Refused(f"{quote(raw)} is not available in this version: {later[raw]}")
        hint = did_you_mean(raw, words)
        raise Refused(f"got {quote(raw)}, {hint}" if hint else "")

    listed = ", ".join(map(quote, words))
    return Value(f"one of {listed}" if len(words) > 1 else listed, "", read, str)


def word(word: str) -> Value:
    """A word that stands for None."""

    def read(raw: Any) -> None:
        if raw != word:
            raise Refused

    return Value(quote(word), "", read, type(None), lambda value: word)


# -- kinds made of others --------------------------------------------------------------------------


def either(*kinds: Value) -> Value:
    """Any of some kinds; the first that takes the value wins."""

    def read(raw: Any) -> Any:
        reasons: list[str] = []
        for kind in kinds:
            try:
                return kind.read(raw)
            except Refused as refused:
                reasons.append(refused.why)
        raise Refused(next((why for why in reasons if why), ""))

    def show(value: Any) -> Any:
        return next(kind.show(value) for kind in kinds if isinstance(value, kind.type))

    wants = " or ".join(
        f"{kind.wants} ({kind.example})" if kind.example else kind.wants for kind in kinds
    )
    return Value(wants, "", read, object, show)


def several(item: Value) -> Value:
    """A list of one kind; a value alone is a list of one."""

    def read(raw: Any) -> tuple[Any, ...]:
        if not isinstance(raw, list):
            return (item.read(raw),)
        taken, refused = _each(item, {(index,): one for index, one in enumerate(raw)})
        if refused:
            raise Refused(items=refused)
        return tuple(taken)

    def show(values: tuple[Any, ...]) -> list[Any]:
        return [item.show(value) for value in values]

    example = f"[{item.example}]" if item.example else ""
    return Value(f"a list, each {item.wants}", example, read, tuple, show)


def mapping(key: Value, item: Value, alone: str) -> Value:
    """A table of one kind; a value alone is that of the key `alone`."""

    def read(raw: Any) -> dict[str, Any]:
        raw = raw if isinstance(raw, dict) else {alone: raw}
        keys, bad_keys = _each(key, {(one,): one for one in raw})
        values, bad_values = _each(item, {(one,): value for one, value in raw.items()})
        if bad_keys or bad_values:
            raise Refused(items=bad_keys + bad_values)
        if len(set(keys)) < len(keys):
            raise Refused("two keys mean the same")
        return dict(zip(keys, values, strict=True))

    def show(values: dict[str, Any]) -> dict[str, Any]:
        return {name: item.show(value) for name, value in values.items()}

    wants = f"a table, each key {key.wants}, each value {item.wants}"
    return Value(wants, f"{{ {alone} = {item.example} }}", read, dict, show)


def _each(kind: Value, items: dict[Path, Any]) -> tuple[list[Any], tuple[tuple[Path, str], ...]]:
    """The items that can be read, and why the others cannot."""
    taken: list[Any] = []
    refused: list[tuple[Path, str]] = []
    for path, raw in items.items():
        try:
            taken.append(kind.read(raw))
        except Refused as why:
            refused.append((path, kind.explain(raw, why.why)))
    return taken, tuple(refused)
