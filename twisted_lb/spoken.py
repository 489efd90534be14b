"""What may be spoken on a frontend: how its server greets, how its channels are joined.

In: a client and a server End that belong together. Out: a relay for opaque bytes, a conversation
with data channels for FTP.
"""

from __future__ import annotations

from .backend import Judge
from .connection import Story
from .ends import End
from .reactors import Reactor
from .relay import Idle, Joined
from .terms import Ending


class Opaque:
    """Bytes that are nobody's business: opaque, and terminal with its patient defaults."""

    def __init__(self, reactor: Reactor, idle: Idle) -> None:
        self._reactor = reactor
        self._idle = idle

    # Spoken

    def judge(self) -> Judge | None:
        return None

    def last_words(self, word: Ending) -> bytes:
        return b""

    def join(self, client: End, server: End, story: Story) -> None:
        seat = story.seat
        assert seat is not None, "joined channels have a seat"

        def over(joined: Joined) -> None:
            self._idle.unwatch(seat.session, joined)
            story.ended(joined.ending, joined.from_client, joined.from_server)
            story.gone()

        joined = Joined(client, server, self._reactor, over)
        seat.on_stop = joined.stop
        if seat.session.group.idle is not None:
            self._idle.watch(seat.session, joined)
        joined.start()
