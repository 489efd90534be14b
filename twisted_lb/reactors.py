"""What we ask of a reactor, as one interface: time, TCP, names, the end of the process."""

from __future__ import annotations

from twisted.internet.interfaces import (
    IReactorCore,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
)


class Reactor(IReactorCore, IReactorTime, IReactorTCP, IReactorPluggableNameResolver):
    """A reactor that runs, can listen and dial, tells the time and looks up names."""
