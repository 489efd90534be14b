"""One plugin of each kind: a policy, a kind of key, a protocol.

Installed, this file would be a module of the `twisted.plugins` package: `twisted/plugins/mine.py`
in a directory of `sys.path`, without an `__init__.py` beside it.
"""

from ipaddress import ip_address, ip_network

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_lb.interfaces import IKeyPlugin, IPolicyPlugin, IProtocolPlugin
from twisted_lb.spoken import Opaque
from twisted_lb.terms import MORE


class Alphabetical:
    """A policy: the first server by name that may be chosen."""

    def order(self, weights, key, now):
        return sorted(weights, key=lambda server: server.name)


@implementer(IPlugin, IPolicyPlugin)
class AlphabeticalPlugin:
    name = "alphabetical"

    def make(self, backend, choose):
        return Alphabetical()


@implementer(IPlugin, IKeyPlugin)
class OfficeKey:
    """A kind of key: everybody of one office is one session; who is of none shows no key."""

    name = "office"

    def __init__(self, offices):
        self.offices = {ip_network(network): name for network, name in offices.items()}

    def read(self, shown, hello):
        client = ip_address(shown.client.host)
        names = (name for network, name in self.offices.items() if client in network)
        return next(names, None)


class Greeting:
    """A server's first line: 220, and it serves; else the next server is asked."""

    def __init__(self):
        self.said = b""

    def take(self, data):
        self.said += data
        if not self.complete:
            return MORE if len(self.said) < 512 else False
        return self.said.startswith(b"220")

    def silence(self):
        return False

    @property
    def complete(self):
        """Whether a client may be told this, when no other server is left."""
        return self.said.endswith(b"\r\n")


class Smtp(Opaque):
    """A protocol: bytes that are nobody's business, but for what is said before and instead."""

    def judge(self):
        return Greeting()

    def last_words(self, word):
        return f"421 Service not available: {word}\r\n".encode()


@implementer(IPlugin, IProtocolPlugin)
class SmtpPlugin:
    name = "smtp"

    def spoken(self, reactor, idle, frontend):
        return Smtp(reactor, idle)


alphabetical = AlphabeticalPlugin()
office = OfficeKey({"10.1.0.0/16": "paris", "10.2.0.0/16": "london"})
smtp = SmtpPlugin()
