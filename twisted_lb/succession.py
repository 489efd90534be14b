"""What a program has to do with the process before it and the one after it.

In: the path where one serves, and the path where we offer. Out: the balancer's listeners, handed
from one process to the next; what is told of it. docs/how-to/upgrade.md tells it in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred, maybeDeferred

from .admin.endpoint import Change
from .errors import WireError
from .facts import Announced, Note
from .handover import Broken, Offer
from .listeners import CannotListen
from .notify import Standing
from .opened import Listeners
from .reactors import Reactor
from .takeover import CannotTakeOver, Former, former
from .wire.handover import Where


@attrs.define(eq=False)
class Succession:
    """The one before, and the offer to the one after. Is an Estate."""

    reactor: Reactor
    listeners: Listeners
    note: Note
    stop: Callable[[], object]
    """Ends the process in order: what it has been left with drains."""
    clock: Callable[[], float]
    standing: Standing
    takeover: str = ""
    """Where another process serves that we take over from; empty: from none."""
    knows: Callable[[], Iterable[Mapping[str, Any]]] = lambda: ()
    """What the one after is to know."""
    learn: Callable[[Iterable[dict[str, Any]]], None] = lambda known: None
    """What the one before knew. Raises WireError."""
    let_go: Callable[[], object] = lambda: None
    """Closes what two processes cannot have at once."""
    take_back: Callable[[], object] = lambda: None
    _former: Former | None = None
    _offer: Offer | None = None
    _meeting: Deferred[None] | None = None

    # -- the one before -----------------------------------------------------------------------

    def inherit(self) -> None:
        """Get its sockets, if there is one, before we listen. Raises CannotTakeOver."""
        path, self.takeover = self.takeover, ""
        if not path:
            return
        self._former = former(path, self.clock)
        if self._former is None:
            self.note(Announced("nobody-to-take-over", path))
        else:
            self.listeners.inherit(self._former.sockets())

    def ready(self) -> None:
        """We listen, and nothing can fail any more but what only one of the two can have. Raises
        CannotTakeOver."""
        if self._former is None:
            return
        try:
            self.learn(self._former.ready())
        except WireError as why:
            raise CannotTakeOver(f"process {self._former.pid}: {why}") from None

    def begin(self, path: str) -> None:
        """Offer our own sockets there, once we have left nothing to the one before. Raises
        CannotListen."""
        if self._former is None:
            self.change(path).commit()
            self.reactor.callWhenRunning(self.standing.serves)
            return
        self.reactor.callWhenRunning(self._meet, path)

    def _meet(self, path: str) -> None:
        assert self._former is not None, "there is somebody to meet"
        self._meeting = Deferred.fromCoroutine(self._serve(self._former, path))

    async def _serve(self, before: Former, path: str) -> None:
        manager: Any = None
        try:
            manager = (await before.serving(self.reactor)).get("manager")
            told = f"from process {before.pid}"
        except Broken as why:
            told = f"from process {before.pid}, which {why}"
        self._former = None
        self.listeners.own()
        self.standing.serves(manager)
        self.note(Announced("took-over", told))
        try:
            self.change(path).commit()
        except CannotListen as why:
            self.note(Announced("takeover-not-offered", str(why)))

    # -- the one after ------------------------------------------------------------------------

    def change(self, path: str) -> Change:
        """Offer our sockets there, too. Raises CannotListen, with nothing changed."""
        was = self._offer
        if self._former is not None or (was is not None and was.path == path):
            return Change(lambda: None, lambda: None)
        new = Offer(path, self.reactor, self, self.note) if path else None

        def commit() -> None:
            self._offer = new
            _close(was)

        return Change(commit, lambda: _close(new))

    def close(self) -> Deferred[Any]:
        """Offer nothing any more, wait for nobody."""
        offer, self._offer = self._offer, None
        if self._meeting is not None:
            self._meeting.addErrback(lambda _: None)
            self._meeting.cancel()
        return maybeDeferred(offer.close if offer is not None else lambda: None)

    # Estate

    def shared(self) -> Mapping[Where, int]:
        return self.listeners.shared()

    async def pause(self) -> None:
        self.listeners.pause()
        await maybeDeferred(self.let_go)

    def resume(self) -> None:
        self.take_back()
        self.listeners.resume()

    async def leave(self, pid: int) -> Mapping[str, Any]:
        await self.listeners.close()
        manager = self.standing.leaves(pid)
        self.reactor.callLater(0, self.stop)
        return {"manager": manager} if manager else {}


def _close(offer: Offer | None) -> None:
    if offer is not None:
        offer.close()
