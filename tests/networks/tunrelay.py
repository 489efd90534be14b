"""A program: links that delay packets, and let some overtake others. No netem is needed.

    python -m tests.networks.tunrelay SEED FD FD [FD FD ...]

The descriptors are of TUN devices, non-blocking; each two are the ends of one link. What is read at
one end is written at the other DELAY later; of some packets later still. Runs until it is killed.
"""

from __future__ import annotations

import heapq
import os
import select
import sys
import time
from contextlib import suppress
from random import Random

import attrs

DELAY = 0.020
"""Seconds that every packet takes."""
SOME, LONGER = 0.05, 0.010
"""So many of them, of a hundred five, take up to so much longer: others overtake them."""
LARGEST = 65_536


@attrs.define
class Links:
    """Packets under way."""

    other: dict[int, int]
    """Each end, and the one where its packets come out."""
    random: Random
    under_way: list[tuple[float, int, int, bytes]] = attrs.field(factory=list)
    """When it is due, which it is, where it comes out, what it says."""
    count: int = 0

    def takes(self, end: int, now: float) -> None:
        """Everything that can be read at this end."""
        with suppress(BlockingIOError):
            while True:
                packet = os.read(end, LARGEST)
                longer = self.random.random() < SOME
                due = now + DELAY + (self.random.uniform(0, LONGER) if longer else 0.0)
                self.count += 1
                heapq.heappush(self.under_way, (due, self.count, self.other[end], packet))

    def gives(self, now: float) -> float | None:
        """Let out what is due; seconds until more is."""
        while self.under_way and self.under_way[0][0] <= now:
            _, _, end, packet = heapq.heappop(self.under_way)
            with suppress(BlockingIOError):  # no room: it is lost, as on any link
                os.write(end, packet)
        return self.under_way[0][0] - now if self.under_way else None


def main(seed: int, ends: list[int]) -> None:
    """Run until it is killed."""
    pairs = list(zip(ends[::2], ends[1::2], strict=True))
    links = Links(dict(pairs) | {b: a for a, b in pairs}, Random(seed))
    poll = select.epoll()
    for end in ends:
        poll.register(end, select.EPOLLIN)
    while True:
        wait = links.gives(time.monotonic())
        for end, _ in poll.poll(wait):
            links.takes(end, time.monotonic())


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(each) for each in sys.argv[2:]])
