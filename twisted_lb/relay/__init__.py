"""Moves the bytes of a joined channel: two Ends in, one ending out. One file per way of moving.

`join(client, server, clock, on_end)` hands both Ends to the relay, which from then on owns them.
"""

from .idle import Idle, Mover
from .transports import FLUSH_TIMEOUT, Joined, join

__all__ = ["FLUSH_TIMEOUT", "Idle", "Joined", "Mover", "join"]
