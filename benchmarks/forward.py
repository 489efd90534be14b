"""`twisted.protocols.portforward`, what Twisted itself has: a rival.

    python -m benchmarks.forward SERVER_PORT ENDPOINT ...

Listens on Twisted's server endpoints, and leads to the server behind. It has no timeouts, counts
nothing and logs nothing.
"""

from __future__ import annotations

import sys

from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.protocols.portforward import ProxyFactory

from benchmarks.balancer import SERVER


def main() -> None:
    """Run until SIGTERM."""
    server_port, *endpoints = sys.argv[1:]
    for endpoint in endpoints:
        serverFromString(reactor, endpoint).listen(ProxyFactory(SERVER, int(server_port)))
    reactor.run()


if __name__ == "__main__":
    main()
