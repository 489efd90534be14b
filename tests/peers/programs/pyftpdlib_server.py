"""pyftpdlib as a server of its own process, run by pyftpdlib's environment.

usage: pyftpdlib_server.py HOST PORT HOME USER PASSWORD
"""

import logging
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

host, port, home, user, password = sys.argv[1:]
logging.basicConfig(level=logging.DEBUG)
authorizer = DummyAuthorizer()
authorizer.add_user(user, password, home, perm="elradfmwMT")
FTPHandler.authorizer = authorizer
FTPServer((host, int(port)), FTPHandler).serve_forever()
