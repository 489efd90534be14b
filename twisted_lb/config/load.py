"""TOML text → frozen Settings, or every problem at once.

Sans-I/O: the caller reads the file, and gives rules of its own for what only somebody can tell who
looks around: `named` says what the text names outside of itself.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import ConfigurationError, Problem
from .cross import complain, cross
from .document import settle
from .locate import locate
from .meaning import Complaint, Rule
from .read import Found, read, read_as
from .settings import Settings
from .syntax import not_toml
from .tables import NO_PLUGINS, Plugins, Table

__all__ = ["Plugins", "load", "load_as"]


def load(
    text: str, file: str, *, plugins: Plugins = NO_PLUGINS, looks: Iterable[Rule] = ()
) -> Settings:
    """The settings that `text` means; `file` is its name in messages.

    `looks` are rules of the caller's. They are asked whatever else is wrong, so that all is told in
    one go. Raises ConfigurationError with all problems, in the order of their lines.
    """
    found = Found(_parse(text, file), locate(text))
    document = read(found, plugins)
    cross(found, document, looks)
    _raise_problems(found, file)
    return settle(document)


def load_as(table: Table, text: str, file: str, rules: Callable[[Any], Iterable[Complaint]]) -> Any:
    """The same for another program's file: what `table` makes of it.

    `rules` complain of what no single key can tell.
    """
    found = Found(_parse(text, file), locate(text))
    settings = read_as(found, table)
    complain(found, rules(settings))
    _raise_problems(found, file)
    return settings


def _raise_problems(found: Found, file: str) -> None:
    if found.problems:
        by_line = sorted(found.problems, key=lambda problem: problem.line or 0)
        raise ConfigurationError(file, tuple(by_line))


def _parse(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        problem = Problem("", "is nested too deeply")
    except ValueError as error:  # TOMLDecodeError, and what int() says of a thousand digits
        problem = not_toml(error, text)
    raise ConfigurationError(file, (problem,))
