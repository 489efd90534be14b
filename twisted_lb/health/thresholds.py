"""Verdicts in, changes of standing out: a server flips only after N equal verdicts in a row.

Sans-I/O. One Judge for one server. Verdicts against the standing count up, one verdict for it
starts the count again; while some, not yet enough, are in a row, checks follow faster.
"""

from __future__ import annotations

import attrs

from ..config.settings import Check


@attrs.frozen
class Change:
    """A server came up or went down."""

    up: bool
    reason: str
    """Of the verdict that completed the row."""


@attrs.define
class Judge:
    """Draws a server's standing from the verdicts of its checks, by `rise` and `fall`."""

    check: Check
    up: bool = True
    """The standing so far. A server is up until checks say otherwise."""
    _against: int = attrs.field(default=0, init=False)
    """How many verdicts in a row contradict the standing."""

    def saw(self, ok: bool, reason: str) -> Change | None:
        """A check's verdict. The change that it completes, or None."""
        if ok is self.up:
            self._against = 0
            return None
        self._against += 1
        needed = self.check.fall if self.up else self.check.rise
        if self._against < needed:
            return None
        self.up, self._against = ok, 0
        return Change(ok, reason)

    def interval(self) -> float:
        """Seconds from the start of one check to the start of the next."""
        return self.check.fast_interval if self._against else self.check.interval
