"""twisted-lb: a load balancer that knows several connections can be one session.

The map, in the order in which a connection meets the files (docs/life-of-a-connection.md):

    listeners, opened, accept
                        who may come in: out come Ends           ends, admission
    opening             what a client shows: a Route             wire/
    claims              a seat in its session                    session/
    backend             a server that answers                    balance, dial, health/
    relay/, converse    bytes flow; FTP is understood            meet, ports, protocols/ftp/
    observe, logs       one word for every end                   facts, sight

`connection.carry` is the whole path in one coroutine, `service` the one place where all objects
meet, `config/` what they read, `spoken` what may be spoken on a frontend. Rules are pure (session,
balance, opening, protocols, wire, config); sockets are in the other rooms. docs/glossary.md says
which word lives where.

Three ways in: `tap` is `twistd lb-proxy`; `endpoint` is for servers that stand behind a balancer;
this package's names are for programs that have the balancer inside them (docs/embedding.md), with
`interfaces` and `plugins` for what they add to it:
"""

from .config.load import load
from .errors import ConfigurationError
from .listeners import CannotListen
from .plugins import PluginError
from .service import Balancer, balancer

__all__ = ["Balancer", "CannotListen", "ConfigurationError", "PluginError", "balancer", "load"]
