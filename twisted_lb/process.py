"""What each of our programs does as a process: files, descriptors, logs, signals. One that cannot
start ends with one line and status 1.
"""

from __future__ import annotations

import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn, Protocol

from twisted.internet.error import ReactorNotRunning
from twisted.python.usage import Options as TwistedOptions

from .config.settings import Frontend, Log
from .facility import logger
from .logs import CannotWrite, Logs

log = logger(__name__)


def fail(message: str) -> NoReturn:
    """Say why, and end with status 1."""
    print(message, file=sys.stderr)
    sys.exit(1)


def text_of(path: str) -> str:
    """The text of a configuration file; one that has none is told, and the process ends."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")  # editors of Windows write a BOM
    except IsADirectoryError:
        fail(f"{path}: is a directory: --config wants one TOML file")
    except OSError as error:
        fail(f"{path}: cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        line, byte = error.object[: error.start].count(b"\n") + 1, error.object[error.start]
        fail(f"{path}:{line}: is not UTF-8: there is a byte {byte:#04x}; save the file as UTF-8")


@contextmanager
def ends_the_process(*errors: type[Exception]) -> Iterator[None]:
    """An error of these is told in one line, without a traceback, and ends with status 1."""
    try:
        yield
    except errors as why:
        fail(str(why))


def raise_descriptors() -> None:
    """As many descriptors as the system lets us have: a session costs two, a transfer two more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def open_logs(options: TwistedOptions, log: Log, frontends: Iterable[Frontend] = ()) -> Logs:
    """Every file open; one that cannot be is told, and the process ends.

    So it does where standard output is about to go away: whoever reads it would wait for an end
    that does not come, or nobody would get a line.
    """
    if log.access == "stdout" and _goes_away(options.parent or {}):
        fail(f"{options['config']}: log.access: {GOES_AWAY}")
    try:
        return Logs(log, time.time, frontends)
    except CannotWrite as why:
        fail(str(why))


GOES_AWAY: Final = (
    '"stdout", the default, leads nowhere when twistd goes into the background: name a file, say '
    '"off", or stay in the foreground with twistd -n'
)


def _goes_away(twistd: Mapping[str, Any]) -> bool:
    """Whether this program leaves its terminal; others than twistd never do."""
    return not twistd.get("nodaemon", True)


class Told(Protocol):
    """A program that signals may tell something."""

    def end_now(self) -> None:
        """A stop under way waits no longer."""

    def tell_counts(self) -> None:
        """Into the process' log."""


def install_signals(reactor: Any, program: Told, logs: Logs, reload: Callable[[], object]) -> None:
    """SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reloads; SIGUSR1 opens the logs
    anew, and so does SIGHUP; SIGUSR2 tells the counts.

    Before anything listens: who reads that it does may send one, which would end the process. Some
    only when the reactor runs: it installs its own at its start, and before that twistd its own.
    """

    def reopen_and_reload(number: int, frame: object) -> None:
        reactor.callFromThread(logs.reopen)
        reactor.callFromThread(reload)

    def tell(number: int, frame: object) -> None:
        reactor.callFromThread(program.tell_counts)

    signal.signal(signal.SIGHUP, reopen_and_reload)
    signal.signal(signal.SIGUSR2, tell)
    reactor.callWhenRunning(_replace_signals, reactor, program, logs)


def end_in_order(reactor: Any) -> None:
    """Stop the reactor and with it what runs, if that is not under way already."""
    with suppress(ReactorNotRunning):
        reactor.stop()


def _replace_signals(reactor: Any, program: Told, logs: Logs) -> None:
    """What the reactor and twistd have installed is replaced, or called, too."""
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        again, stopping = stopping, True
        reactor.callFromThread(program.end_now if again else partial(end_in_order, reactor))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    rotate_too = signal.getsignal(signal.SIGUSR1)

    def rotate(number: int, frame: FrameType | None) -> None:
        reactor.callFromThread(logs.reopen)
        if callable(rotate_too):
            rotate_too(number, frame)

    signal.signal(signal.SIGUSR1, rotate)


def cannot_reload() -> None:
    """SIGHUP of a program that reads its configuration at the start only."""
    log.warn(
        "SIGHUP: the logs were opened anew; the configuration is read at the start only, and "
        "nothing of it changed"
    )
