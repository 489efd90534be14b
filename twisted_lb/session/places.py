"""Where sessions and channels stand at servers: pins, places, counts, and who queues for room.

Sans-I/O. In: what the table decided. Out: orders to dial. Nothing else changes `Session.server`,
`Channel.place`, `Server.sessions` and `Server.connections`.
"""

from __future__ import annotations

from collections import deque

from ..terms import Server
from .values import Channel, Dial, Orders, Place, Queue, Session


class Places:
    """The sessions of every server, and the channels that queue for it."""

    def __init__(self) -> None:
        self._sessions: dict[Server, dict[Session, None]] = {}
        self._queued: dict[Server, deque[Channel]] = {}

    def sessions(self, server: Server) -> list[Session]:
        """Those that are pinned to this server or being decided for it, as of now."""
        return list(self._sessions.get(server, ()))

    def pin(self, session: Session, server: Server) -> None:
        """The server counts this session."""
        session.server = server
        server.sessions += 1
        self._sessions.setdefault(server, {})[session] = None

    def unpin(self, session: Session) -> Server | None:
        """No server counts this session any more; the one that did."""
        server = session.server
        if server is not None:
            server.sessions -= 1
            del self._sessions[server][session]
            if not self._sessions[server]:
                del self._sessions[server]
            session.server, session.address = None, ""
        return server

    def dial(self, channel: Channel) -> Orders:
        """To the session's server, or into its queue."""
        server = channel.session.server
        assert server is not None, "a pinned session has a server"
        if server.full:
            channel.place = Place.QUEUED
            self._queued.setdefault(server, deque()).append(channel)
            return [Queue(channel)]
        self.move(channel, Place.DIALLING)
        return [Dial(channel, server)]

    def move(self, channel: Channel, place: Place) -> Orders:
        """Put a channel elsewhere; the orders let in who queues for the room that it leaves."""
        server, counted = channel.session.server, channel.counted
        if channel.place is Place.QUEUED:
            self._unqueue(channel)
        channel.place = place
        if server is None or counted == channel.counted:
            return []
        server.connections += 1 if channel.counted else -1
        return [] if channel.counted else self.let_in(server)

    def unqueue(self, session: Session) -> None:
        """None of this session's channels is let in any more, when it is about to end."""
        for channel in session.channels:
            if channel.place is Place.QUEUED:
                self.move(channel, Place.WAITING)

    def let_in(self, server: Server) -> Orders:
        """Who queues for this server, as far as it has room now."""
        orders: Orders = []
        queue = self._queued.get(server)
        while queue and not server.full:
            orders += self.dial(queue[0])
        return orders

    def _unqueue(self, channel: Channel) -> None:
        server = channel.session.server
        assert server is not None, "queued for a server"
        queue = self._queued[server]
        queue.remove(channel)
        if not queue:
            del self._queued[server]
