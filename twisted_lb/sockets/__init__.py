"""TCP on plain non-blocking sockets, in one edge-triggered epoll that the reactor watches as one
descriptor: cheaper than a reactor's own transports, and sockets that a relay may take over.

`on_sockets(reactor)` is the same reactor whose listenTCP, connectTCP and adoptStreamPort are these.
It knows nothing of the balancer: factories and protocols are Twisted's.
"""

from .leg import Bare, Leg
from .loop import MAY_READ, MAY_WRITE, TO_THE_END, Loop
from .pipes import Pipe, cannot_splice
from .port import SocketPort
from .tcp import SocketReactor, on_sockets
from .transport import SocketTransport

__all__ = [
    "MAY_READ",
    "MAY_WRITE",
    "TO_THE_END",
    "Bare",
    "Leg",
    "Loop",
    "Pipe",
    "SocketPort",
    "SocketReactor",
    "SocketTransport",
    "cannot_splice",
    "on_sockets",
]
