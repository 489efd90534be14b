"""A process of its own: connections of one network that say nothing, each replaced when closed.

    python flooder.py HOST PORT TOTAL AT-ONCE

Stays, with what was not closed, until it is killed.
"""

from __future__ import annotations

import selectors
import socket
import sys

NETWORK = "127.9.9."


def flood(at: tuple[str, int], total: int, at_once: int) -> None:
    """Open `total` connections in all, `at_once` at one time."""
    selector = selectors.DefaultSelector()
    opened = 0
    while True:
        while opened < total and len(selector.get_map()) < at_once:
            opened += 1
            attacker = socket.socket()
            attacker.setblocking(False)
            attacker.bind((f"{NETWORK}{opened % 250 + 1}", 0))
            attacker.connect_ex(at)
            selector.register(attacker, selectors.EVENT_READ)
        for key, _ in selector.select():
            selector.unregister(key.fileobj)
            key.fileobj.close()


if __name__ == "__main__":
    flood((sys.argv[1], int(sys.argv[2])), int(sys.argv[3]), int(sys.argv[4]))
