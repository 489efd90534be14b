"""What a joined channel is to everybody but the way that moves its bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from ..terms import Ending

FLUSH_TIMEOUT: Final = 120.0
"""Seconds that a side gets to read what is left for it when all is over; then it is reset."""

Watching = Callable[[bytes], bool]
"""Looks at the beginning of what one side says; False: it has seen enough."""


class Joined(Protocol):
    """A channel whose two Ends are joined, and owned by the relay from `start` on."""

    ending: Ending
    """How it ended; empty as long as it has not."""
    moved: float
    """When a byte came last from either side, or was seen to be taken by one."""

    @property
    def from_client(self) -> int:
        """Bytes relayed from the client to the server so far."""

    @property
    def from_server(self) -> int:
        """Bytes relayed from the server to the client so far."""

    def start(self) -> None:
        """Bytes flow from here on."""

    def look(self) -> None:
        """A peer that took bytes since the last look has moved: a slow reader lives (attack 11)."""

    def stop(self, word: Ending) -> None:
        """End it now: both sides are reset, so that neither takes a part for the whole."""
