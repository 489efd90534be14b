"""What a conversation asks for during one event, in order. Sans-I/O.

In: what the parts of the machine want, one at a time. Out: the actions of the event.
"""

from __future__ import annotations

from ..actions import Action, Send, Side

CRLF = b"\r\n"


class Outbox:
    """Collects actions; many reply lines in one segment leave as one segment again."""

    __slots__ = ("_actions", "_bytes", "_side")

    def __init__(self) -> None:
        self._actions: list[Action] = []
        self._bytes = bytearray()
        self._side = Side.CLIENT

    def line(self, side: Side, line: bytes) -> None:
        """One line for one end, without its line end."""
        if side is not self._side:
            self._seal()
            self._side = side
        self._bytes += line
        self._bytes += CRLF

    def do(self, action: Action) -> None:
        """Anything but a line."""
        self._seal()
        self._actions.append(action)

    def empty(self) -> list[Action]:
        """Everything so far."""
        self._seal()
        actions, self._actions = self._actions, []
        return actions

    def _seal(self) -> None:
        if self._bytes:
            self._actions.append(Send(self._side, bytes(self._bytes)))
            self._bytes.clear()
