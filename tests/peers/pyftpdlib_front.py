"""A pytest plugin for pyftpdlib's own suite: every test's server stands behind a balancer.

Loaded in pyftpdlib's environment (`-p pyftpdlib_front`), with what it needs in the environment:

    FRONT_V4, FRONT_V6    ports that the balancer listens on, at 127.0.0.1 and at ::1
    SERVER_V4, SERVER_V6  ports that it dials, at 127.0.0.2 and at SERVER_HOST_V6
    CERTIFICATE           what servers show in TLS, if something else than the suite's own

The suite starts a server for each test, at a free port, and tells its clients that address. Here
each server gets the one address that the balancer dials, and the clients are told the balancer's.
"""

import os
import socket

import pytest


def port(name: str) -> int:
    return int(os.environ[name])


def stand_behind(wrapper: type) -> None:
    """Make this kind of test server listen where the balancer dials."""
    start = wrapper.__init__

    def behind(self, addr=None):
        host = addr[0] if addr is not None else "127.0.0.1"
        if host == "::1":
            start(self, (os.environ["SERVER_HOST_V6"], port("SERVER_V6")))
            self.host, self.port = "::1", port("FRONT_V6")
        else:
            # `::` is the suite's dual-stack server; its clients come by IPv4.
            start(self, ("127.0.0.2", port("SERVER_V4")))
            self.host, self.port = "127.0.0.1", port("FRONT_V4")

    wrapper.__init__ = behind


def pytest_configure(config: pytest.Config) -> None:
    import pyftpdlib.ioloop

    import tests

    # Each test's server follows the last one on the same port.
    bind = pyftpdlib.ioloop.Acceptor.bind_af_unspecified

    def bind_again(self, address):
        family = bind(self, address)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return family

    pyftpdlib.ioloop.Acceptor.bind_af_unspecified = bind_again
    tests.CERTFILE = os.environ.get("CERTIFICATE", tests.CERTFILE)
    for name in ("FtpdThreadWrapper", "FtpdMultiprocWrapper"):
        stand_behind(getattr(tests, name))
