"""Entry: `twistd lb-proxy`: the command line and a configuration file in, a service out."""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn, Protocol

from twisted.application.service import IService
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.usage import Options as TwistedOptions
from twisted.python.usage import UsageError

from .config.advice import advice
from .config.dump import dump
from .config.load import load
from .config.meaning import Rule
from .config.settings import Frontend, Log, Settings
from .contexts import surprises
from .errors import ConfigurationError
from .listeners import CannotListen, taken, unparsed
from .live import Report, look_live
from .logs import CannotWrite, Logs
from .observe import Counters, fanout
from .outside import AT_START, LOOKS
from .plugins import Added, PluginError, installed
from .service import Balancer

log = Logger()
reactor: Any = _reactor
"""The process' own; its type is not known before it is chosen."""


class Options(TwistedOptions):
    """The options of `twistd lb-proxy`."""

    synopsis = "[options] --config FILE"
    longdesc = (
        "Balances connections so that the channels of one session reach one server: "
        "FTP with its data channels, gateways with theirs, plain TCP, TLS passed through. "
        "A first configuration is in README.md, every key in docs/configuration.md."
    )
    optParameters = [["config", "c", None, "The configuration: a TOML file."]]  # noqa: RUF012
    optFlags = [  # noqa: RUF012
        ["check", None, "Say everything that is wrong with the configuration, and exit 0 or 1."],
        ["live", None, "With --check: visit every server, too, and compare those of a backend."],
        ["dump-config", None, "Print the settings in force, defaults included, and exit."],
    ]
    settings: Settings
    plugins: Added

    def parseArgs(self, *surplus: str) -> None:
        """Nothing but options: whoever gives the file without one is told so."""
        if surplus:
            file = surplus[0]
            raise UsageError(f"{file!r} is too much: a configuration is given by --config {file}")

    def postOptions(self) -> None:
        """Read the configuration; --check and --dump-config end here."""
        if not self["config"]:
            raise UsageError("say which configuration to use: twistd lb-proxy --config FILE")
        with ends_the_process(PluginError):
            self.plugins = installed()
        self.settings = read(self["config"], self.plugins, self._looks())
        if self["dump-config"]:
            print(dump(self.settings), end="")
            sys.exit(0)
        if self["check"]:
            self._check()
        if self["live"]:
            raise UsageError("--live goes with --check")

    def _looks(self) -> tuple[Rule, ...]:
        """What is looked at beside the text: nothing, all of it, or what a start needs."""
        if self["dump-config"]:
            return ()
        return (*LOOKS, partial(unparsed, reactor)) if self["check"] else AT_START

    def _check(self) -> NoReturn:
        """Nothing is wrong: tell what is worth telling, and end the process with 0 or 1."""
        settings = self.settings
        for problem in (
            *advice(settings),
            *surprises(settings, time.time()),
            *taken(settings),
        ):
            print(f"advice: {ConfigurationError(self['config'], (problem,))}")
        print(f"{self['config']}: fine")
        if self["live"]:
            report = visit_servers(self.settings)
            print("\n".join(filter(None, (str(report), f"ports visited: {report.visited}"))))
            sys.exit(0 if report.fine else 1)
        sys.exit(0)


def read(path: str, plugins: Added, looks: Iterable[Rule] = ()) -> Settings:
    """The settings of this file; on any error all of them are told and the process ends."""
    try:
        return load(text_of(path), path, plugins=plugins.names, looks=looks)
    except ConfigurationError as error:
        fail(str(error))


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


def visit_servers(settings: Settings) -> Report:
    """Run the reactor for as long as the visits take. What fails by our fault is raised."""
    came: list[Report | Failure] = []

    def go() -> None:
        visits = Deferred.fromCoroutine(look_live(settings, reactor, time.time()))
        visits.addBoth(came.append).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(go)
    reactor.run()
    [report] = came
    if isinstance(report, Failure):
        report.raiseException()
    return report


def fail(message: str) -> NoReturn:
    """Say why, and end with status 1."""
    print(message, file=sys.stderr)
    sys.exit(1)


def makeService(options: Options) -> IService:
    """The balancer for twistd: with its logs, and with signals of its own."""
    settings = options.settings
    raise_descriptors()
    logs, counters = open_logs(options, settings.log, settings.frontends), Counters()
    with ends_the_process(PluginError):
        balancer = Program(settings, reactor, fanout(logs, counters), options.plugins)
    balancer.counters = counters
    install_signals(balancer, logs)
    return balancer


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


def raise_descriptors() -> None:
    """As many descriptors as the system lets us have: a session costs two, a transfer two more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Program(Balancer):
    """The balancer as a process of its own: one that cannot listen says so and ends."""

    counters: Counters
    """What happened since the start; told in the process' log at a stop and at SIGUSR2."""

    def tell_counts(self) -> None:
        """One line of JSON in the process' log."""
        log.info("counts since the start: {counts}", counts=json.dumps(self.counters.snapshot()))

    # IService

    def privilegedStartService(self) -> None:
        with ends_the_process(CannotListen, PluginError):
            super().privilegedStartService()

    def startService(self) -> None:
        with ends_the_process(CannotListen, PluginError):
            super().startService()

    @inlineCallbacks
    def stopService(self):  # type: ignore[no-untyped-def]
        yield super().stopService()
        self.tell_counts()


@contextmanager
def ends_the_process(*errors: type[Exception]) -> Iterator[None]:
    """An error of these is told in one line, without a traceback, and ends with status 1."""
    try:
        yield
    except errors as why:
        fail(str(why))


class Told(Protocol):
    """A program that signals may tell something."""

    def end_now(self) -> None:
        """A stop under way waits no longer."""

    def tell_counts(self) -> None:
        """Into the process' log."""


def install_signals(program: Told, logs: Logs) -> None:
    """SIGTERM and SIGINT drain, a second one ends at once; SIGHUP and SIGUSR1 open the logs
    anew; SIGUSR2 tells the counts.

    Before anything listens: who reads that it does may send one, which would end the process. Some
    only when the reactor runs: it installs its own at its start, and before that twistd its own.
    """

    def reload(number: int, frame: object) -> None:
        reactor.callFromThread(logs.reopen)
        reactor.callFromThread(told_to_reload)

    def tell(number: int, frame: object) -> None:
        reactor.callFromThread(program.tell_counts)

    signal.signal(signal.SIGHUP, reload)
    signal.signal(signal.SIGUSR2, tell)
    reactor.callWhenRunning(_replace_signals, program, logs)


def _replace_signals(program: Told, logs: Logs) -> None:
    """What the reactor and twistd have installed is replaced, or called, too."""
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        again, stopping = stopping, True
        reactor.callFromThread(program.end_now if again else reactor.stop)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    rotate_too = signal.getsignal(signal.SIGUSR1)

    def rotate(number: int, frame: FrameType | None) -> None:
        reactor.callFromThread(logs.reopen)
        if callable(rotate_too):
            rotate_too(number, frame)

    signal.signal(signal.SIGUSR1, rotate)


def told_to_reload() -> None:
    """SIGHUP: this version cannot reload; it says so instead of dying of it."""
    log.warn(
        "SIGHUP: the logs were opened anew; the configuration is read at the start only, and "
        "nothing of it changed"
    )
