"""Entry: `twistd lb-proxy`: the command line and a configuration file in, a service out."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

from twisted.application.service import IService
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.python.usage import Options as TwistedOptions
from twisted.python.usage import UsageError

from . import legacy
from .admin.past import Past
from .config.advice import advice
from .config.dump import dump
from .config.load import load
from .config.meaning import Rule
from .config.settings import Settings
from .contexts import surprises
from .errors import ConfigurationError
from .facility import logger
from .listeners import taken, unparsed
from .live import Report, look_live
from .notify import Standing, manager_of
from .observe import Counters, fanout
from .outside import AT_START, LOOKS
from .plugins import Added, PluginError, installed
from .process import (
    end_in_order,
    ends_the_process,
    fail,
    install_signals,
    open_logs,
    raise_descriptors,
    text_of,
)
from .program import Program, Source
from .succession import Succession

log = logger(__name__)
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
    optParameters = [  # noqa: RUF012
        ["config", "c", None, "The configuration: a TOML file."],
        [
            "takeover",
            None,
            None,
            "Take over from the process that serves and offers its sockets at this path; when "
            "there is none, start as usual.",
        ],
    ]
    optFlags = [  # noqa: RUF012
        ["check", None, "Say everything that is wrong with the configuration, and exit 0 or 1."],
        ["live", None, "With --check: visit every server, too, and compare those of a backend."],
        ["dump-config", None, "Print the settings in force, defaults included, and exit."],
    ]
    settings: Settings
    plugins: Added
    file: str
    """The configuration, wherever the process goes meanwhile."""

    def parseArgs(self, *surplus: str) -> None:
        """Nothing but options: whoever gives the file without one is told so."""
        if surplus:
            file = surplus[0]
            raise UsageError(f"{file!r} is too much: a configuration is given by --config {file}")

    def postOptions(self) -> None:
        """Read the configuration; --check and --dump-config end here."""
        if not self["config"]:
            raise UsageError("say which configuration to use: twistd lb-proxy --config FILE")
        self.file = os.path.abspath(self["config"])
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


def makeService(options: Options) -> IService:
    """The balancer for twistd: with its logs, its admin endpoint, and signals of its own."""
    settings = options.settings
    raise_descriptors()
    logs = open_logs(options, settings.log, settings.frontends)
    counters, past = Counters(), Past(time.time)
    metrics = _metrics() if settings.admin.wanted else None
    note = fanout(logs, counters, past, *filter(None, [metrics]))
    with ends_the_process(PluginError):
        balancer = Program(settings, reactor, note, options.plugins)
    balancer.counters = counters
    stop = partial(end_in_order, reactor)
    balancer.source = Source(options.file, options.plugins, logs, time.time, stop)
    manager = manager_of(os.environ, os.getpid())
    balancer.standing = Standing(manager, reactor, time.monotonic, os.getpid)
    balancer.succession = Succession(
        reactor,
        balancer.listeners,
        note,
        stop,
        time.monotonic,
        balancer.standing,
        options["takeover"] or "",
        knows=lambda: legacy.told(balancer, reactor.seconds()),
        learn=partial(legacy.heard, balancer),
    )
    if metrics is not None:
        metrics.watch(balancer)
        balancer.metrics = metrics
    with ends_the_process(OSError, ValueError):
        balancer.see_and_steer(past)
    install_signals(reactor, balancer, logs, balancer.told_to_reload)
    return balancer


def _metrics() -> Any:
    """Metrics, where what they need is installed."""
    try:
        module = import_module("twisted_lb.admin.metrics")
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("twisted_lb"):
            raise
        return None
    return module.Metrics(reactor, time.time())
