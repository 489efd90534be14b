"""TOML text → frozen Settings, or every problem at once.

Sans-I/O: the caller reads the file, and asks `files` and `names` what else it should look at.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import ConfigurationError, Problem
from .addresses import is_address
from .cross import complain, cross
from .document import settle
from .locate import line_of_error, locate
from .meaning import Complaint
from .read import Found, read, read_as
from .settings import Settings
from .tables import NO_PLUGINS, Plugins, Table

__all__ = ["Plugins", "files", "load", "load_as", "names"]


def load(text: str, file: str, *, plugins: Plugins = NO_PLUGINS) -> Settings:
    """The settings that `text` means; `file` is its name in messages.

    Raises ConfigurationError with all problems, in the order of their lines.
    """
    found = Found(_parse(text, file), locate(text))
    document = read(found, plugins)
    cross(found, document)
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
        problem = Problem("", f"is not TOML: {error}", line_of_error(error, text))
    raise ConfigurationError(file, (problem,))


def files(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Files that must be readable, each as (path of its key, name)."""
    return tuple(
        (f"backend[{backend.name}].{key}", name)
        for backend in settings.backends.values()
        for key, name in (
            ("check.ca", backend.check.ca),
            ("check.password_file", backend.check.password_file),
            ("live.ca", backend.live.ca),
        )
        if name
    )


def names(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Host names that must resolve, each as (path of its key, name)."""
    return tuple(
        (f"backend[{backend.name}].server[{server.name}].host", server.host)
        for backend in settings.backends.values()
        for server in backend.servers
        if not is_address(server.host)
    )
