"""twisted-lb: a load balancer that knows several connections can be one session.

The map, in the order in which a connection meets the files (docs/life-of-a-connection.md):

    listeners, accept   who may come in: out come Ends           ends
    opening             what a client shows: a Route             wire/
    claims              a seat in its session                    session/
    backend             a server that answers                    balance, dial, health/
    relay/, converse    bytes flow; FTP is understood            meet, ports, protocols/ftp/
    observe             one word for every end                   facts

`connection.carry` is the whole path in one coroutine, `service` the one place where all objects
meet, `config/` what they read. Rules are pure (session, balance, opening, protocols, wire, config);
sockets are in the other rooms.

For embedding (docs/embedding.md):
"""

from .config.load import load
from .errors import ConfigurationError
from .service import Balancer, balancer

__all__ = ["Balancer", "ConfigurationError", "balancer", "load"]
