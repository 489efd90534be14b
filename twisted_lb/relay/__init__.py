"""Moves the bytes of a joined channel: two Ends in, one ending out. One file per way of moving.

`join(client, server, clock, on_end)` is the seam; what it gives owns both Ends from `start` on.
`tcp_of` decides at the start what connections are made of, and thereby which way they can go.
"""

from .choice import tcp_of
from .idle import Idle, Mover
from .join import join
from .joined import FLUSH_TIMEOUT, Joined, Watching

__all__ = ["FLUSH_TIMEOUT", "Idle", "Joined", "Mover", "Watching", "join", "tcp_of"]
