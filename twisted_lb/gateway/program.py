"""A gateway program as twistd runs it: options and files in, a Gate with log and signals out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NoReturn, TypeVar

from twisted.application.service import MultiService
from twisted.internet.defer import inlineCallbacks
from twisted.python.usage import Options as TwistedOptions
from twisted.python.usage import UsageError

from ..config.settings import Log
from ..errors import ConfigurationError, Problem
from ..facility import logger
from ..facts import Note
from ..listeners import CannotListen
from ..observe import Counters, fanout
from ..process import (
    cannot_reload,
    ends_the_process,
    fail,
    install_signals,
    open_logs,
    raise_descriptors,
    text_of,
)
from ..tap import reactor
from .gate import Gate

log = logger(__name__)
T = TypeVar("T")


class Options(TwistedOptions):
    """The options of both programs; `load` reads a configuration, `build` makes what it means,
    `advice` finds what is worth telling of it."""

    optParameters = [["config", "c", None, "The configuration: a TOML file."]]  # noqa: RUF012
    optFlags = [  # noqa: RUF012
        ["check", None, "Say everything that is wrong with the configuration, and exit 0 or 1."],
    ]
    load: ClassVar[Callable[[str, str], Any]]
    build: ClassVar[Callable[[Any, Any, Note], Gate]]
    advice: ClassVar[Callable[[Any, float], Iterator[Problem]]]
    settings: Any

    def postOptions(self) -> None:
        """Read the configuration; --check ends here."""
        if not self["config"]:
            raise UsageError("say which configuration to use: --config FILE")
        self.settings = read(self["config"], type(self).load)
        if self["check"]:
            built(lambda: type(self).build(self.settings, reactor, lambda fact: None))
            fine(self["config"], type(self).advice(self.settings, time.time()))


def fine(path: str, advice: Iterable[Problem]) -> NoReturn:
    """Nothing is wrong: tell what is worth telling, and end the process."""
    for problem in advice:
        print(f"advice: {ConfigurationError(path, (problem,))}")
    print(f"{path}: fine")
    sys.exit(0)


def read(path: str, load: Callable[[str, str], T]) -> T:
    """The settings of this file; on any error all of them are told and the process ends."""
    try:
        return load(text_of(path), path)
    except ConfigurationError as error:
        fail(str(error))


def built(build: Callable[[], Gate]) -> Gate:
    """What it builds; a file that cannot be used is told, and the process ends."""
    try:
        return build()
    except OSError as error:
        fail(f"{error.filename}: cannot be read: {error.strerror}")
    except ValueError as error:
        fail(str(error))


class Program(MultiService):
    """A Gate as a process of its own: one that cannot listen says so and ends."""

    def __init__(self, gate: Gate, counters: Counters) -> None:
        super().__init__()
        self.gate = gate
        self._counters = counters
        gate.setServiceParent(self)

    def end_now(self) -> None:
        """A stop under way waits no longer."""
        self.gate.end_now()

    def tell_counts(self) -> None:
        """One line of JSON in the process' log."""
        log.info("counts since the start: {counts}", counts=json.dumps(self._counters.snapshot()))

    # IService

    def privilegedStartService(self) -> None:
        with ends_the_process(CannotListen):
            super().privilegedStartService()

    def startService(self) -> None:
        with ends_the_process(CannotListen):
            super().startService()

    @inlineCallbacks
    def stopService(self):  # type: ignore[no-untyped-def]
        yield super().stopService()
        self.tell_counts()


def program(options: Options, log_settings: Log) -> Program:
    """The program for twistd: with its access log, and with signals of its own."""
    raise_descriptors()
    logs, counters = open_logs(options, log_settings), Counters()
    note = fanout(logs, counters)
    gate = built(lambda: type(options).build(options.settings, reactor, note))
    running = Program(gate, counters)
    install_signals(reactor, running, logs, cannot_reload)
    return running
