"""How a leg of a data channel comes to stand: listened for, or dialled, on one side.

In: what a protocol machine asks for that side. Out: an End. A Meeting has a Way for each side;
Nearby is that of a control connection whose host is reached over TCP. Others may have addresses
that are no addresses, as the gateway's transfer numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
from twisted.internet.defer import Deferred

from .dial import dial
from .ends import End
from .ports import DataListener, Front, PortRange
from .reactors import Reactor
from .terms import Address, Ending
from .wire.address import ip


class Awaited(Protocol):
    """A leg that is listened for."""

    come: Deferred[End]
    """Fires with it, once, or with Ended; cancelling it stops the listening."""

    def wait(self, seconds: float | None) -> None:
        """It may take so long from now on; None: there is no deadline here."""

    def again(self) -> Deferred[End]:
        """Who came was not the one: the next who comes. For `several` only."""

    def close(self) -> None:
        """Nobody is waited for any more."""


class Way(Protocol):
    """How the legs of one side come."""

    def listen(self, seconds: float, several: bool = False) -> tuple[Address, Awaited]:
        """Wait so long for somebody to come to this address; `several`: for others, too, as long as
        it is not the one. Raises Ended."""

    def dial(self, address: Address, seconds: float) -> Deferred[End]:
        """Connect. Fails with Refused, or with Ended."""

    def parted(self, leg: End, word: Ending, from_client: int, from_server: int) -> None:
        """A leg that had come is over, after so many bytes each way; none when it never joined."""


@attrs.frozen
class Nearby:
    """Data connections from and to the host that a control connection is with, and no other."""

    reactor: Reactor
    control: End
    ports: PortRange
    """Where data listeners stand."""
    on_stranger: Callable[[Address], None]
    """Told of a peer that is not that host."""
    front: Front | None = None
    """The proxy that the control connection came through, if it did."""

    # Way

    def listen(self, seconds: float, several: bool = False) -> tuple[Address, Awaited]:
        peer = self.control.peer.host
        listener = DataListener(self.ports, peer, self.on_stranger, self.front, several)
        return listener.listen(self.reactor, self.control.local.host, seconds), listener

    def dial(self, address: Address, seconds: float) -> Deferred[End]:
        ours = self.control.local.host  # of another family, when a proxy stands between
        same = ip(ours).version == ip(address.host).version
        return dial(self.reactor, address, seconds, source=ours if same else "")

    def parted(self, leg: End, word: Ending, from_client: int, from_server: int) -> None:
        """Nobody counts these connections by themselves: the transfer is what is told."""
