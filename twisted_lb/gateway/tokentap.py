"""Entry: `twistd lb-token-server`: the command line and a configuration file in, a service out."""

from __future__ import annotations

import json
import time

from twisted.application.service import IService
from twisted.python.usage import Options as TwistedOptions
from twisted.python.usage import UsageError

from ..errors import ConfigurationError
from ..facility import logger
from ..listeners import CannotListen
from ..observe import Counters, fanout
from ..process import (
    cannot_reload,
    ends_the_process,
    install_signals,
    open_logs,
    raise_descriptors,
)
from ..tap import reactor
from . import advice
from .program import fine, read
from .tokenserver import Parts, TokenServer, read_parts
from .tokensettings import TokenServerSettings, load

log = logger(__name__)


class Options(TwistedOptions):
    """The options of `twistd lb-token-server`."""

    synopsis = "[options] --config FILE"
    longdesc = (
        "Gives users of a security proxy signed tokens that say where they may go: the stand-in "
        "for a management server. docs/protocols/security-proxy.md says what is asked and answered."
    )
    optParameters = [["config", "c", None, "The configuration: a TOML file."]]  # noqa: RUF012
    optFlags = [  # noqa: RUF012
        ["check", None, "Say everything that is wrong with the configuration, and exit 0 or 1."],
    ]
    settings: TokenServerSettings
    parts: Parts

    def postOptions(self) -> None:
        """Read the configuration and the files that it names; --check ends here."""
        path = self["config"]
        if not path:
            raise UsageError("say which configuration to use: twistd lb-token-server --config FILE")
        self.settings = read(path, load)
        with ends_the_process(ConfigurationError):
            self.parts = read_parts(self.settings, path)
        if self["check"]:
            fine(path, advice.token_server(self.settings, time.time()))


def makeService(options: Options) -> IService:
    """The token server for twistd: with its access log, and with signals of its own."""
    raise_descriptors()
    logs, counters = open_logs(options, options.settings.log), Counters()
    note = fanout(logs, counters)
    running = Program(options.settings, options.parts, reactor, time.time, note)
    running.counters = counters
    install_signals(reactor, running, logs, cannot_reload)
    return running


class Program(TokenServer):
    """The token server as a process of its own: one that cannot listen says so and ends."""

    counters: Counters

    def end_now(self) -> None:
        """A stop under way is not waited for: nothing is."""

    def tell_counts(self) -> None:
        """One line of JSON in the process' log."""
        log.info("counts since the start: {counts}", counts=json.dumps(self.counters.snapshot()))

    # IService

    def privilegedStartService(self) -> None:
        with ends_the_process(CannotListen):
            super().privilegedStartService()
