"""Transfer numbers: what stands for a port between the tunnel and the security proxy. Sans-I/O.

Rules (docs/protocols/security-proxy.md):
- The proxy draws even numbers, the tunnel odd ones, both from 1024 on: an FTP machine takes them
  for ports.
- Each stands for one data channel. They are drawn in turn, so that one comes again only when all
  the others were used.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from ..errors import Ended
from ..terms import Address

PROXYS: Final = 1024
"""The first number that the proxy draws."""
TUNNELS: Final = 1025
"""The first number that the tunnel draws."""
LAST: Final = 65_535

HERE: Final = "127.0.0.1"
"""The address on both sides of that control channel: nobody's own is told (T46)."""


class Numbers:
    """The numbers of one session and one side."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._next = first

    def draw(self, used: Container[int]) -> int:
        """A number that is not in use. Raises Ended("full")."""
        for _ in range(self._first, LAST + 1, 2):
            number = self._next
            self._next = number + 2 if number + 2 <= LAST else self._first
            if number not in used:
                return number
        raise Ended("full", "every transfer number is in use")


def place(number: int) -> Address:
    """The number as the address that an FTP machine announces."""
    return Address(HERE, number)
