"""pyftpdlib as a server of its own process: a listening descriptor and a home in, served for ever.

usage: ftpd.py DESCRIPTOR HOME
"""

import logging
import socket
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer


class Active(FTPHandler.active_dtp):
    """Leaves alone the descriptor that it has handed on.

    pyftpdlib 2.2.0 remembers its number: at the session's next PORT it stops polling whatever has
    that number by then, and somebody else's data connection is never accepted.
    """

    def del_channel(self, map=None):
        if self.ioloop.socket_map.get(self._fileno) is self:
            super().del_channel(map)


descriptor, home = sys.argv[1:]
logging.basicConfig(level=logging.INFO)
authorizer = DummyAuthorizer()
authorizer.add_user("joe", "secret", home, perm="elradfmwMT")
FTPHandler.authorizer = authorizer
FTPHandler.active_dtp = Active
FTPServer.max_cons = 10_000  # of itself it takes 512
FTPServer(socket.socket(fileno=int(descriptor)), FTPHandler).serve_forever()
