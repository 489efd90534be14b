"""One descriptor that is kept for when there is none left: with it, whoever comes is accepted and
closed, instead of waiting in the kernel's queue for a time that nobody knows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


class Reserve:
    """Opened with the first socket of a loop, closed with the last."""

    def __init__(self) -> None:
        self._kept: int | None = None

    def open(self) -> None:
        """Keep one, if there is one."""
        if self._kept is None:
            try:
                self._kept = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return

    def close(self) -> None:
        """Keep none."""
        if self._kept is not None:
            os.close(self._kept)
            self._kept = None

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Meanwhile it is free for something else."""
        self.close()
        try:
            yield
        finally:
            self.open()
