"""Tells the service manager how this process stands: systemd's sd_notify(3), without its library.

In: NOTIFY_SOCKET and WATCHDOG_USEC of the environment. Out: datagrams; none when there is no
manager. Nothing here waits or raises: who is not listened to goes on serving.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

SECOND: Final = 1_000_000
"""In the manager's microseconds."""


@attrs.frozen
class Manager:
    """Where the service manager listens, and how often it wants a sign of life."""

    socket: str = ""
    """A path, or `@` and a name in the abstract namespace; empty: there is none."""
    watchdog: float | None = None
    """Seconds after which it takes a silent process for hung; None: it does not look."""

    def says(self, **what: object) -> None:
        """Tell it these assignments in one datagram."""
        if not self.socket:
            return
        text = "\n".join(f"{name}={value}" for name, value in what.items())
        address = "\0" + self.socket[1:] if self.socket[0] == "@" else self.socket
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.setblocking(False)
            to.sendto(text.encode(), address)


def manager_of(environment: Mapping[str, str], pid: int) -> Manager:
    """The manager that started this process, if one did."""
    watchdog = None
    with suppress(KeyError, ValueError):
        if environment.get("WATCHDOG_PID", str(pid)) == str(pid):
            watchdog = int(environment["WATCHDOG_USEC"]) / SECOND or None
    return Manager(environment.get("NOTIFY_SOCKET", ""), watchdog)


class Standing:
    """What the manager hears of one process, from its start to its end.

    `monotonic` tells seconds of CLOCK_MONOTONIC, `pid` this process, which may have forked since.
    """

    def __init__(
        self,
        manager: Manager,
        reactor: IReactorTime,
        monotonic: Callable[[], float],
        pid: Callable[[], int],
    ) -> None:
        self.manager = manager
        self._reactor = reactor
        self._monotonic = monotonic
        self._pid = pid
        self._sign: IDelayedCall | None = None

    def serves(self, told: Mapping[str, Any] | None = None) -> None:
        """Whoever connects is served; `told` is what the process before us said of our manager."""
        if told and not self.manager.socket:
            self.manager = Manager(str(told.get("socket", "")), told.get("watchdog"))
        self.manager.says(READY=1, MAINPID=self._pid(), STATUS="serving")
        self._live()

    def reloads(self) -> None:
        """Another configuration is read; until `reloaded` the manager waits."""
        self.manager.says(RELOADING=1, MONOTONIC_USEC=int(self._monotonic() * SECOND))

    def reloaded(self, status: str) -> None:
        """It is in force, or the former one still is."""
        self.manager.says(READY=1, STATUS=status)

    def drains(self) -> None:
        """The end is near: those who are connected may take their time."""
        self.manager.says(STOPPING=1, STATUS="draining")

    def leaves(self, pid: int) -> dict[str, Any]:
        """This process serves instead. What it is to know of the manager, if it is of our unit; we
        have nothing to say any more."""
        manager, self.manager = self.manager, Manager()
        self.ends()
        if not manager.socket or not _of_our_unit(pid):
            return {}
        manager.says(MAINPID=pid, STATUS=f"serving, since process {pid} took over")
        return {"socket": manager.socket, "watchdog": manager.watchdog}

    def ends(self) -> None:
        """No sign of life any more."""
        if self._sign is not None and self._sign.active():
            self._sign.cancel()

    def _live(self) -> None:
        """A sign of life now, and twice in the time that the manager waits for one."""
        if self.manager.watchdog:
            self.manager.says(WATCHDOG=1)
            self._sign = self._reactor.callLater(self.manager.watchdog / 2, self._live)


def _of_our_unit(pid: int) -> bool:
    """Whether the manager counts this process to the same service: it is in the same cgroup."""
    try:
        ours, its = (Path(f"/proc/{each}/cgroup").read_text() for each in ("self", pid))
    except OSError:
        return False
    return ours == its
