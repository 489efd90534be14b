"""The balancer as a program of its own: its configuration is a file, which it may read again."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from twisted.internet.defer import inlineCallbacks

from .admin.answers import Api
from .admin.endpoint import Endpoint
from .admin.past import Past
from .admin.route import Refused
from .admin.views import Views
from .admin.web import Access, AdminResource
from .config.load import load
from .config.settings import Settings
from .errors import ConfigurationError
from .facility import logger
from .facts import Announced
from .generation import Generation
from .listeners import CannotListen
from .logs import CannotWrite, Logs
from .notify import Standing
from .observe import Counters
from .outside import AT_START
from .plugins import Added, PluginError
from .process import ends_the_process
from .service import Balancer
from .succession import Succession
from .takeover import CannotTakeOver
from .version import version

if TYPE_CHECKING:
    from .admin.metrics import Metrics

log = logger(__name__)


class CannotReload(Exception):
    """The configuration is not put in force; says why."""


@attrs.frozen
class Source:
    """Where a program's settings come from, and what of them is not the balancer's."""

    path: str
    plugins: Added
    logs: Logs
    wall: Callable[[], float]
    """Seconds since 1970."""
    stop: Callable[[], object]
    """Ends the process in order."""


class Program(Balancer):
    """The balancer as a process of its own: one that cannot listen says so and ends."""

    counters: Counters
    """What happened since the start; told in the process' log at a stop and at SIGUSR2."""
    source: Source
    succession: Succession
    standing: Standing
    """What the service manager hears."""
    admin: Endpoint
    metrics: Metrics | None = None

    def see_and_steer(self, past: Past) -> None:
        """Listen for operators, where the settings say."""
        wall = self.source.wall
        views = Views(self, self._reactor, wall, past, version(), wall())

        def shut_down(seconds: float | None) -> None:
            self.patience = seconds
            self._reactor.callLater(0, self.source.stop)

        def reload() -> None:
            try:
                self.reload_file()
            except CannotReload as why:
                raise Refused(409, f"not reloaded, nothing changed: {why}") from None

        measured = self.metrics
        scrape = None if measured is None else lambda: (measured.text(), measured.content_type)
        resource = AdminResource(Api(views, reload, shut_down), Access(), scrape, self._note)
        self.admin = Endpoint(self.settings.admin, resource, self._reactor, self._note)
        self.admin.setServiceParent(self)
        self.succession.let_go = self.admin.stopService
        self.succession.take_back = self._take_back

    def _take_back(self) -> None:
        """The process that wanted to take over has failed."""
        if not self.draining:
            self.admin.startService()

    def reload_file(self) -> Generation:
        """Read the configuration again and put it in force.

        Raises CannotReload, with everything as it was.
        """
        source = self.source
        if self.draining:
            raise self._not_reloaded("this process drains, and listens no more")
        self.standing.reloads()
        try:
            text = Path(source.path).read_text(encoding="utf-8-sig")
            settings = load(text, source.path, plugins=source.plugins.names, looks=AT_START)
            new = self._put_in_force(settings)
        except (CannotListen, CannotWrite, ConfigurationError, PluginError) as why:
            raise self._not_reloaded(str(why)) from None
        except UnicodeDecodeError as why:
            raise self._not_reloaded(f"{source.path}: is not UTF-8: {why.reason}") from None
        except (OSError, ValueError) as why:
            raise self._not_reloaded(f"{source.path}: {why}") from None
        return new

    def _put_in_force(self, settings: Settings) -> Generation:
        """All of it or, when something raises, nothing."""
        logs = self.source.logs
        with ExitStack() as undo:
            opened = logs.opened(settings.log, settings.frontends)
            undo.callback(opened.close)
            admin = self.admin.change(settings.admin)
            undo.callback(admin.undo)
            offer = self.succession.change(settings.takeover.socket)
            undo.callback(offer.undo)
            new = self.reload(settings)
            undo.pop_all()
        admin.commit()
        offer.commit()
        logs.use(opened)
        if self.metrics is not None:
            self.metrics.reloaded(True, self.source.wall())
        self.standing.reloaded(f"serving, generation {new.number}")
        return new

    def told_to_reload(self) -> None:
        """By a signal; what is wrong is told in the process' log."""
        try:
            self.reload_file()
        except CannotReload as why:
            log.error("the configuration was not reloaded, nothing changed: {why}", why=why)

    def _not_reloaded(self, why: str) -> CannotReload:
        self._note(Announced("reload-failed", why))
        if self.metrics is not None:
            self.metrics.reloaded(False, self.source.wall())
        if not self.draining:
            self.standing.reloaded(f"serving as before; not reloaded: {why.splitlines()[0]}")
        return CannotReload(why)

    def tell_counts(self) -> None:
        """One line of JSON in the process' log."""
        log.info("counts since the start: {counts}", counts=json.dumps(self.counters.snapshot()))

    # IService

    def privilegedStartService(self) -> None:
        with ends_the_process(CannotListen, CannotTakeOver):
            self.succession.inherit()
            super().privilegedStartService()

    def startService(self) -> None:
        with ends_the_process(CannotListen, CannotTakeOver):
            self.succession.inherit()
            if not self.listening:
                self._listen()
            self.succession.ready()
            super().startService()
            self.succession.begin(self.settings.takeover.socket)

    @inlineCallbacks
    def stopService(self):  # type: ignore[no-untyped-def]
        self.standing.drains()
        yield self.succession.close()
        yield super().stopService()
        self.standing.ends()
        self.tell_counts()
