"""Listeners for one announced data connection each, on random ports of a range.

In: an address to listen on, the one host that may come, a deadline. Out: its End, once. Ports are
drawn at random and not drawn again soon (attack 6); a wrong peer is refused and uses nothing up.
Where a proxy stands in front of us, it may bring that host's connection: it says first whose it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol as Shape

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.python.failure import Failure

from .ends import End, address, line
from .errors import Ended
from .quiet import listen_quietly
from .reactors import Reactor
from .terms import Address
from .wire.address import ip

HOLD = 65_536
"""Bytes kept of a data connection whose other leg does not stand yet."""
BACKLOG = 8
"""One right peer and a few wrong ones."""
TRIES = 20
"""Ports that are tried for one listener before it counts as full."""


class Listening(Shape):
    """A listener that may be told to let those who come wait."""

    def getHost(self) -> IAddress: ...
    def one_by_one(self) -> None: ...
    def see_others(self) -> None: ...
    def startReading(self) -> None: ...
    def stopReading(self) -> None: ...
    def stopListening(self) -> object: ...


Listen = Callable[[Reactor, int, ServerFactory, int, str], Listening]
"""Reactor, port, factory, backlog, address → a listener. Raises CannotListenError."""


class PortRange:
    """The data ports that an FTP frontend may listen on; None: any free port of the system.

    `listen` is how a port is listened on, once it was drawn.
    """

    def __init__(
        self,
        span: tuple[int, int] | None,
        choose: Callable[[int], int],
        listen: Listen = listen_quietly,
    ) -> None:
        self.listen = listen
        self._choose = choose
        self._free = list(range(span[0], span[1] + 1)) if span else []
        self._any = span is None
        self._rest: deque[int] = deque()
        self._distance = len(self._free) // 2
        """How many other ports are drawn before one comes again."""
        self.used = 0

    @property
    def available(self) -> int | None:
        """How many more may be drawn; None: as many as the system has."""
        return None if self._any else len(self._free) + len(self._rest)

    def draw(self) -> int:
        """A port to try; 0 lets the system choose. Raises Ended("full")."""
        self.used += 1
        if self._any:
            return 0
        if not self._free and self._rest:
            self._free.append(self._rest.popleft())
        if not self._free:
            self.used -= 1
            raise Ended("full", "every data port of the range is in use")
        index = self._choose(len(self._free))
        self._free[index], self._free[-1] = self._free[-1], self._free[index]
        return self._free.pop()

    def give_back(self, port: int) -> None:
        """The port is not listened on any more."""
        self.used -= 1
        if self._any:
            return
        self._rest.append(port)
        if len(self._rest) > self._distance:
            self._free.append(self._rest.popleft())


@attrs.frozen
class Front:
    """A proxy in front of us: it may bring a connection, as it brought its control connection."""

    trusts: Callable[[str], bool]
    """Whether who comes from this address may say whose a connection is."""
    introduced: Callable[[End], Deferred[Address]]
    """Reads who that is, of an End that has just come; fails with Ended."""
    bare: str = ""
    """The address from which connections come that nobody says anything of; empty: none."""


class DataListener(ServerFactory):
    """Waits for the one connection that was announced. `come` fires with its End, or Ended.

    With `several`, whoever comes may turn out not to be the one: others wait in the kernel's queue,
    and `again` takes the next, until it is closed.
    """

    noisy = False

    def __init__(
        self,
        ports: PortRange,
        peer: str,
        on_stranger: Callable[[Address], None],
        front: Front | None = None,
        several: bool = False,
    ) -> None:
        self.come: Deferred[End] = Deferred(lambda _: self.close())
        self._several = several
        self.address: Address | None = None
        self._ports = ports
        self._peer = ip(peer)
        self._front = front
        self._asked: dict[End, Deferred[Address]] = {}
        """Connections that a proxy brought, and has not said yet whose they are."""
        self._on_stranger = on_stranger
        self._clock: Reactor
        self._listening: Listening | None = None
        self._drawn = 0
        self._deadline: IDelayedCall | None = None

    def listen(self, reactor: Reactor, host: str, seconds: float) -> Address:
        """Listen on a port of the range at this address. Raises Ended("full")."""
        for _ in range(TRIES):
            self._drawn = self._ports.draw()
            try:
                self._listening = self._ports.listen(reactor, self._drawn, self, BACKLOG, host)
            except CannotListenError:
                self._ports.give_back(self._drawn)
                continue
            self._clock = reactor
            self.wait(seconds)
            if self._several:
                self._listening.one_by_one()
            return address(self._listening.getHost())
        raise Ended("full", f"{TRIES} data ports at {host} in a row are taken by others")

    def wait(self, seconds: float | None) -> None:
        """From now on the connection may take so long; None: there is no deadline here."""
        self._forget_deadline()
        if self._listening is not None and seconds is not None:
            self._deadline = self._clock.callLater(seconds, self._too_slow)

    def again(self) -> Deferred[End]:
        """Who came was not the one: the next who comes, before the deadline."""
        self.come = Deferred(lambda _: self.close())
        if self._listening is None:
            self.come.errback(Ended("too-slow", "nobody else came in time"))
        else:
            self._listening.startReading()
        return self.come

    def close(self) -> None:
        """Stop listening; the port goes back to its range."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.see_others()
            listening.stopListening()
            self._ports.give_back(self._drawn)
        self._forget_deadline()
        for asked in list(self._asked.values()):
            asked.cancel()

    def _forget_deadline(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()

    # IFactory

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        assert addr is not None, "a TCP port names its peers"
        came = address(addr)
        if self._listening is not None:
            if self._is_the_one(came):
                self._pause()
                return line(self._arrived, HOLD)
            if self._front is not None and self._front.trusts(came.host):
                return line(self._ask, HOLD) if len(self._asked) < BACKLOG else None
        self._on_stranger(came)
        return None

    def _is_the_one(self, came: Address) -> bool:
        bare = self._front.bare if self._front is not None else ""
        return ip(came.host) == self._peer or (bare != "" and ip(came.host) == ip(bare))

    def _pause(self) -> None:
        """Somebody has come who may be the one."""
        if self._several and self._listening is not None:
            self._listening.stopReading()
        else:
            self.close()

    def _arrived(self, end: End) -> None:
        if self.come.called:
            end.abort()
        else:
            self.come.callback(end)

    # -- brought by a proxy -------------------------------------------------------------------

    def _ask(self, end: End) -> None:
        assert self._front is not None, "somebody brought it"
        asked = self._asked[end] = self._front.introduced(end)
        asked.addCallbacks(self._named, self._unnamed, callbackArgs=(end,), errbackArgs=(end,))

    def _named(self, client: Address, end: End) -> None:
        del self._asked[end]
        if ip(client.host) != self._peer:
            self._on_stranger(client)
            end.abort()
            return
        end.peer = client
        self._pause()
        self._arrived(end)

    def _unnamed(self, failure: Failure, end: End) -> None:
        failure.trap(Ended, CancelledError)
        del self._asked[end]
        end.abort()

    def _too_slow(self) -> None:
        self.close()
        if not self.come.called:
            self.come.errback(Ended("too-slow", "the announced data connection did not come"))
