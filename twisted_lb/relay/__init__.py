"""Moves the bytes of a joined channel: two Ends in, one ending out. One file per way of moving.

`Joined(client, server, clock, on_end)` owns both Ends from its `start` on.
"""

from .idle import Idle, Mover
from .transports import FLUSH_TIMEOUT, Joined, Watching

__all__ = ["FLUSH_TIMEOUT", "Idle", "Joined", "Mover", "Watching"]
