"""The balancer as a program of its own: its configuration is a file, which it may read again."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
from twisted.internet.defer import inlineCallbacks
from twisted.logger import Logger

from .config.load import load
from .errors import ConfigurationError
from .facts import Announced
from .generation import Generation
from .listeners import CannotListen
from .logs import CannotWrite, Logs
from .observe import Counters
from .outside import AT_START
from .plugins import Added, PluginError
from .process import ends_the_process
from .service import Balancer

log = Logger()


class CannotReload(Exception):
    """The configuration is not put in force; says why."""


@attrs.frozen
class Source:
    """Where a program's settings come from, and what of them is not the balancer's."""

    path: str
    plugins: Added
    logs: Logs


class Program(Balancer):
    """The balancer as a process of its own: one that cannot listen says so and ends."""

    counters: Counters
    """What happened since the start; told in the process' log at a stop and at SIGUSR2."""
    source: Source

    def reload_file(self) -> Generation:
        """Read the configuration again and put it in force.

        Raises CannotReload, with everything as it was.
        """
        source = self.source
        try:
            text = Path(source.path).read_text(encoding="utf-8-sig")
            settings = load(text, source.path, plugins=source.plugins.names, looks=AT_START)
            opened = source.logs.opened(settings.log, settings.frontends)
            try:
                new = self.reload(settings)
            except BaseException:
                opened.close()
                raise
        except (CannotListen, CannotWrite, ConfigurationError, PluginError) as why:
            raise self._not_reloaded(str(why)) from None
        except UnicodeDecodeError as why:
            raise self._not_reloaded(f"{source.path}: is not UTF-8: {why.reason}") from None
        except (OSError, ValueError) as why:
            raise self._not_reloaded(f"{source.path}: {why}") from None
        source.logs.use(opened)
        return new

    def told_to_reload(self) -> None:
        """By a signal; what is wrong is told in the process' log."""
        try:
            self.reload_file()
        except CannotReload as why:
            log.error("the configuration was not reloaded, nothing changed: {why}", why=why)

    def _not_reloaded(self, why: str) -> CannotReload:
        self._note(Announced("reload-failed", why))
        return CannotReload(why)

    def tell_counts(self) -> None:
        """One line of JSON in the process' log."""
        log.info("counts since the start: {counts}", counts=json.dumps(self.counters.snapshot()))

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
