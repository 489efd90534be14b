"""Who is logged in, as far as somebody in the middle can tell from the replies. Sans-I/O.

In: the commands that were answered, and the codes. Out: the user's name for the facts, whether a
data channel may be announced yet, and how many commands were for nothing. Never a password.
"""

from __future__ import annotations

from .verbs import LOGIN


class Login:
    """The login of one control connection."""

    def __init__(self) -> None:
        self.user = ""
        """As given to the USER that succeeded, or was tried last."""
        self.done = False
        self.unknown = 0
        """Commands before the login that nobody understood (attack 4)."""
        self.refused = 0
        """Commands in a row, at any time, that we refused or nobody understood (attack 25)."""

    def answered(self, verb: bytes, user: str, code: int) -> None:
        """The server's final reply to a command; `user` is USER's argument."""
        kind = code // 100
        if verb in LOGIN:
            self.user = user or self.user
            if kind in (2, 3):
                self.done = kind == 2
        elif verb == b"REIN" and kind == 2:
            self.user = ""
            self.done = False
        elif verb and code in (500, 502):
            self.misunderstood()
            return
        self.refused = 0

    def misunderstood(self) -> None:
        """A line came that is no command."""
        self.unknown += not self.done
        self.refused += 1
