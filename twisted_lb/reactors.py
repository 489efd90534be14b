"""What we ask of a reactor, as one interface: time, TCP, names."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorPluggableNameResolver, IReactorTCP, IReactorTime


class Reactor(IReactorTime, IReactorTCP, IReactorPluggableNameResolver):
    """A reactor that can listen, dial, tell the time and look up names."""
