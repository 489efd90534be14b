"""Tells what happened: facts in; lines of JSON, counts, or both out.

An observer is called where things happen, so it never waits and never raises: a reader of our
standard output that hangs, a disk that is full, cost lines, which are counted, and nothing else.
"""

from __future__ import annotations

import json
import os
import socket
import stat
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from math import isfinite
from typing import Any, Final

import attrs

from .config.settings import Log
from .facility import logger
from .facts import (
    MEASURED,
    AttackSeen,
    ChannelObserved,
    Checked,
    ConnectionEnded,
    Fact,
    Note,
    Secured,
    ServerChanged,
    SessionEnded,
    TransferEnded,
)
from .textline import shape

log = logger(__name__)

Observer = Callable[[Fact], None]
Form = Callable[[Fact, float], str]
"""Makes a line, with its end, of a fact at a time in seconds since 1970."""


def fanout(*observers: Observer) -> Note:
    """Hand each fact to every observer; one that fails is logged and stops nobody."""

    def note(fact: Fact) -> None:
        for observer in observers:
            try:
                observer(fact)
            except Exception:
                log.failure("an observer failed at {name}", name=type(fact).__name__)

    return note


# -- lines ---------------------------------------------------------------------------------------


class Lines:
    """Each fact as one line, all ASCII, so that any terminal may show it.

    `write` takes a line with its end; what it raises as OSError or ValueError (a closed file)
    loses the line. `wall` tells seconds since 1970; `name` is what the log calls these lines, and
    `form` makes one of a fact; None: JSON.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        wall: Callable[[], float],
        name: str = "the access log",
        form: Form | None = None,
    ) -> None:
        self.lost = 0
        """Lines that could not be written, ever."""
        self._write = write
        self._wall = wall
        self._name = name
        self._form = form or json_line
        self._failing = False

    def __call__(self, fact: Fact) -> None:
        """Write the fact's line, or count it as lost; the log tells of the first of a row."""
        if isinstance(fact, MEASURED):
            return
        try:
            self._write(self._form(fact, self._wall()))
        except (OSError, ValueError) as why:
            self.lost += 1
            if not self._failing:
                log.error("{name} loses lines: {why}", name=self._name, why=why)
            self._failing = True
        else:
            if self._failing:
                log.info(
                    "{name} is written again; {lost} lines were lost",
                    name=self._name,
                    lost=self.lost,
                )
            self._failing = False


def json_line(fact: Fact, wall: float) -> str:
    """The fact as one line with its end, whatever bytes its peers had put into it (attack 18)."""
    when = datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds")
    kind, names = shape(fact)
    told: dict[str, object] = {"time": when.replace("+00:00", "Z"), "fact": kind}
    told |= {name: _plain(getattr(fact, name)) for name in names}
    # JSON leaves DEL as it is; all else that a terminal obeys is escaped by ensure_ascii.
    return json.dumps(told, ensure_ascii=True).replace("\x7f", "\\u007f") + "\n"


def _plain(value: object) -> object:
    """A field as JSON knows it: numbers, text, null."""
    if isinstance(value, float):
        return round(value, 6) if isfinite(value) else None
    return value if value is None or isinstance(value, (int, str)) else str(value)


# -- where lines go ------------------------------------------------------------------------------


@attrs.frozen
class Sink:
    """An open descriptor."""

    put: Callable[[bytes], int]
    """Takes bytes, as many as it can at once; returns how many. Raises OSError."""
    close: Callable[[], None]


class Output:
    """Writes lines to a sink, whole ones only, and never waits for it. Raises OSError.

    A pipe may take half a line; the other half goes first the next time.
    """

    def __init__(self, open: Callable[[], Sink], name: str = "the access log") -> None:
        self._open = open
        self._name = name
        self._sink = open()
        self._rest = b""

    def __call__(self, line: str) -> None:
        """Write one line, its end included."""
        if self._rest:
            self._rest = self._rest[self._sink.put(self._rest) :]
        if self._rest:
            raise BlockingIOError("nobody reads it")
        data = line.encode("ascii")
        self._rest = data[self._sink.put(data) :]

    def reopen(self) -> None:
        """Open the file anew, after a rotation; when that fails, go on with the old one."""
        try:
            sink = self._open()
        except OSError as why:
            log.error("{name} cannot be reopened: {why}", name=self._name, why=why)
            return
        self._sink.close()
        self._sink, self._rest = sink, b""

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()


def open_log(settings: Log) -> Output:
    """Where the access log goes. Raises OSError when its file cannot be opened."""
    if settings.access == "off":
        return Output(lambda: Sink(put=len, close=lambda: None))
    if settings.access == "stdout":
        return Output(partial(standard, 1))
    return Output(appended(settings.access))


def appended(path: str) -> Callable[[], Sink]:
    """Opens a file to append to: the same one again, wherever the process has gone meanwhile."""
    return partial(file, os.path.abspath(path))


def file(path: str) -> Sink:
    """A file to append to."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    return Sink(partial(os.write, descriptor), partial(os.close, descriptor))


def standard(number: int) -> Sink:
    """An inherited descriptor, written without waiting, yet left as it is for its other owners."""
    mode = os.fstat(number).st_mode
    if stat.S_ISSOCK(mode):  # the journal's
        stream = socket.socket(fileno=os.dup(number))
        return Sink(lambda data: stream.send(data, socket.MSG_DONTWAIT), stream.close)
    waits = stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)
    descriptor = _without_waiting(number) if waits else os.dup(number)
    return Sink(partial(os.write, descriptor), partial(os.close, descriptor))


WITHOUT_WAITING: Final = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def _without_waiting(number: int) -> int:
    """The same pipe or terminal opened again: O_NONBLOCK on the old one would be everybody's."""
    try:
        return os.open(f"/proc/self/fd/{number}", WITHOUT_WAITING)
    except OSError:  # no /proc, or a terminal that belongs to the user we were
        return os.dup(number)


# -- counts --------------------------------------------------------------------------------------


class Counters:
    """Counts what happened since the start, in memory."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, ...]] = Counter()

    def __call__(self, fact: Fact) -> None:
        """Count it. Names come from the configuration and from us, so the table stays small."""
        match fact:
            case ConnectionEnded():
                self._connection(fact)
            case SessionEnded():
                self._counts["sessions", fact.group, fact.ending] += 1
                self._counts["keys", fact.group, fact.key] += 1
                self._most("channels_of_one_session", fact.group, fact.channels)
            case TransferEnded():
                self._counts["transfers", fact.ending] += 1
                self._counts["bytes", "transferred"] += fact.bytes
            case AttackSeen():
                self._counts["attacks", fact.kind] += 1
            case ChannelObserved() | Checked() | Secured():
                pass  # its connection is counted; and what is measured is not
            case ServerChanged():
                self._counts["servers", fact.server, fact.state] += 1
            case _:
                self._counts["other", shape(fact)[0]] += 1

    def snapshot(self) -> dict[str, Any]:
        """The counts, nested by what they are of: `["connections"]["ftp"]["done"]`."""
        tree: dict[str, Any] = {}
        for (*branches, leaf), count in self._counts.items():
            node = tree
            for branch in branches:
                node = node.setdefault(branch, {})
            node[leaf] = count
        return tree

    def _most(self, what: str, group: str, count: int) -> None:
        """The most so far: how heavy the heaviest key of a group was."""
        self._counts[what, group] = max(self._counts[what, group], count)

    def _connection(self, fact: ConnectionEnded) -> None:
        self._counts["connections", fact.frontend, fact.ending] += 1
        self._counts["bytes", "from_client"] += fact.from_client
        self._counts["bytes", "from_server"] += fact.from_server
        if fact.role:
            self._counts["channels", fact.role] += 1
