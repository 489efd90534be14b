"""Where lines go: the access log, and a file for each frontend that is observed.

In: the settings, then every fact. Out: lines. Opens files, which may be opened anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from .config.locate import Path as Key
from .config.meaning import Complaint, Meaning
from .config.named import outputs
from .config.settings import Frontend, Log
from .facts import ChannelObserved, Fact
from .observe import Form, Lines, Output, appended, json_line, open_log
from .textline import text_line

FORMS: Final[dict[str, Form]] = {"json": json_line, "text": text_line}


class CannotWrite(Exception):
    """A file that a key names cannot be opened; says which, and why."""


class Logs:
    """The observer that writes: what was seen of a channel goes to its frontend's file only.

    Raises CannotWrite. `wall` tells seconds since 1970.
    """

    def __init__(
        self, log: Log, wall: Callable[[], float], frontends: Iterable[Frontend] = ()
    ) -> None:
        self._wall = wall
        key, name = "log.access", log.access
        try:
            access = open_log(log)
            self._access = Lines(access, wall, form=FORMS[log.format])
            self._outputs = {"": access}
            self._observed: dict[str, Lines] = {}
            for frontend in frontends:
                key, name = f"frontend[{frontend.name}].observe", frontend.observe
                if name:
                    self._observed[frontend.name] = Lines(self._output(name), wall, name)
        except OSError as error:
            raise CannotWrite(f"{key}: {name}: cannot be written: {error.strerror}") from error

    def __call__(self, fact: Fact) -> None:
        """Write the fact's line."""
        if not isinstance(fact, ChannelObserved):
            self._access(fact)
        elif fact.frontend in self._observed:  # else nobody looks any more, since a reload
            self._observed[fact.frontend](fact)

    def reopen(self) -> None:
        """Open every file anew, after a rotation."""
        for output in self._outputs.values():
            output.reopen()

    def opened(self, log: Log, frontends: Iterable[Frontend]) -> Logs:
        """The same for other settings, to be used or closed. Raises CannotWrite."""
        return Logs(log, self._wall, frontends)

    def use(self, other: Logs) -> None:
        """Write where that one would, and not where we did."""
        self.close()
        self._access, self._outputs = other._access, other._outputs
        self._observed = other._observed

    def close(self) -> None:
        """Every file."""
        for output in self._outputs.values():
            output.close()

    def _output(self, name: str) -> Output:
        """One for all frontends that name this file: lines are whole, whoever writes them."""
        if name not in self._outputs:
            self._outputs[name] = Output(appended(name), name)
        return self._outputs[name]


def unwritable(meaning: Meaning) -> Iterator[Complaint]:
    """Logs that could not be opened; nothing is created to find out."""
    for key, name in outputs(meaning.document):
        yield from _unwritable(key, name)


def _unwritable(key: Key, name: str) -> Iterator[Complaint]:
    path, parent = Path(name), Path(name).absolute().parent
    if path.is_dir():
        why = "is a directory"
    elif not parent.is_dir():
        why = f"cannot be written: there is no directory {parent}"
    elif not os.access(path if path.exists() else parent, os.W_OK):
        why = "cannot be written: permission denied"
    else:
        return
    yield Complaint(key, f"{path} {why}")
