"""An HTTP request of which no more is kept than anybody would read."""

from __future__ import annotations

from typing import Any, Final

from twisted.web.server import Request

BODY_MOST: Final = 4_096
"""Bytes of a request's body: ten times what any of ours has."""


class CappedRequest(Request):
    """A request whose body is not kept beyond what anybody would read of it."""

    announced = 0
    """Bytes of the body, as far as its header tells."""
    kind = b""
    """The media type that its Content-Type names; no header tells it: Twisted would read forms."""

    def gotLength(self, length: int | None) -> None:
        self.announced = length or 0
        told = (self.getHeader(b"Content-Type") or b"").partition(b";")[0]
        self.kind = told.strip().lower()
        self.requestHeaders.removeHeader(b"Content-Type")
        super().gotLength(0)  # Twisted would open a file for a long one, or for one of any length
        if self.announced > BODY_MOST:
            # Nothing is waited for: the channel takes it for one without a body, and for the last.
            channel: Any = self.channel
            channel.length = 0
            channel.persistent = False
            self.requestHeaders.removeHeader(b"Expect")

    def handleContentChunk(self, data: bytes) -> None:
        # Twisted stores any body; this much shows that it is too long.
        content: Any = self.content
        room = BODY_MOST + 1 - content.tell()
        super().handleContentChunk(data[: max(room, 0)])
