"""A service manager that a test plays: what a process tells it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


class Heard:
    """The datagrams that came, each as its assignments."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._all: list[dict[str, str]] = []

    @property
    def all(self) -> list[dict[str, str]]:
        """In order, since the beginning."""
        while True:
            try:
                text = self._listening.recv(4096).decode()
            except BlockingIOError:
                return self._all
            self._all.append(dict(line.split("=", 1) for line in text.split("\n")))

    def says(self, **what: str) -> bool:
        """Whether one of them has all of these."""
        return any(what.items() <= each.items() for each in self.all)


@contextmanager
def listening(name: str) -> Iterator[Heard]:
    """At this NOTIFY_SOCKET: a path, or `@` and a name."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if name[0] == "@" else name)
        manager.setblocking(False)
        yield Heard(manager)
