"""The seam: two Ends, and how their bytes are moved follows from what they are on."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from ..ends import End
from .joined import Joined, Watching
from .splice import SocketsJoined, on_our_sockets
from .transports import TransportsJoined


def join(
    client: End,
    server: End,
    clock: IReactorTime,
    on_end: Callable[[Joined], None],
    *,
    eof_waits: bool = False,
    watch: Watching | None = None,
    overhear: Watching | None = None,
) -> Joined:
    """A channel between these Ends, to be started. `on_end(joined)` is called once both are gone.

    `watch` sees what the server says, before it is passed on, until it answers False; so does
    `overhear` with what the client says.

    With `eof_waits` the end of one side is passed on in the reactor's next turn: what came before
    it on another connection (ABOR on control, then the end of its data) is passed on first.
    """
    ours = on_our_sockets(client) and on_our_sockets(server)
    way = SocketsJoined if ours else TransportsJoined
    return way(client, server, clock, on_end, eof_waits=eof_waits, watch=watch, overhear=overhear)
