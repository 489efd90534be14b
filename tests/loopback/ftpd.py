"""pyftpdlib as a server of its own process: where to listen and a home in, served for ever.

usage: ftpd.py DESCRIPTOR|HOST,PORT HOME [explicit|implicit PEM [FIRST LAST]]

FIRST and LAST are the passive ports that it announces, at 127.0.0.1 as if it stood there.
With TLS it writes `data resumed` or `data new` for every data connection that is secured; only the
TLS session of its own control connection can be resumed.
"""

import logging
import socket
import sys

from OpenSSL import SSL
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer


class Active(FTPHandler.active_dtp):
    """Leaves alone the descriptor that it has handed on.

    pyftpdlib 2.2.0 remembers its number: at the session's next PORT it stops polling whatever has
    that number by then, and somebody else's data connection is never accepted.
    """

    def del_channel(self, map=None):
        if self.ioloop.socket_map.get(self._fileno) is self:
            super().del_channel(map)


class Counting(TLS_DTPHandler):
    """Tells whether the TLS session of the control connection goes on."""

    def handle_ssl_established(self):
        resumed = SSL._lib.SSL_session_reused(self.socket._ssl)
        print("data", "resumed" if resumed else "new", flush=True)
        super().handle_ssl_established()


class Explicit(TLS_FTPHandler):
    """Insists on TLS for everything, by AUTH; whether data may be in the clear is the client's."""

    tls_control_required = True
    active_dtp = type("SecureActive", (Active, TLS_FTPHandler.active_dtp), {})
    dtp_handler = Counting

    @classmethod
    def get_ssl_context(cls):
        """One of each FTP session's own: tickets of another session are worth nothing to it."""
        cls.ssl_context = None
        return super().get_ssl_context()


class Implicit(Explicit):
    """TLS from the first byte."""

    def handle(self):
        self.secure_connection(self.ssl_context)

    def handle_ssl_established(self):
        super().handle()


where, home, *tls = sys.argv[1:]
listener: object = socket.socket(fileno=int(where)) if where.isdigit() else tuple(where.split(","))
logging.basicConfig(level=logging.INFO)
authorizer = DummyAuthorizer()
authorizer.add_user("joe", "secret", home, perm="elradfmwMT")
FTPHandler.authorizer = authorizer
FTPHandler.active_dtp = Active
Handler = {"explicit": Explicit, "implicit": Implicit}[tls[0]] if tls else FTPHandler
if tls:
    Handler.certfile = tls[1]
if tls[2:]:
    Handler.masquerade_address = "127.0.0.1"
    Handler.passive_ports = range(int(tls[2]), int(tls[3]) + 1)
FTPServer.max_cons = 10_000  # of itself it takes 512
FTPServer(listener, Handler).serve_forever()
