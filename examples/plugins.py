"""One plugin of each kind. Installed, it would be a module of the `twisted.plugins` package."""

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_lb.interfaces import IKeyPlugin, IPolicyPlugin, IProtocolPlugin
from twisted_lb.spoken import Opaque


class Alphabetical:
    """A policy: always the first server by name that can be had."""

    def order(self, weights, key, now):
        return sorted(weights, key=lambda server: server.name)


@implementer(IPlugin, IPolicyPlugin)
class AlphabeticalPlugin:
    name = "alphabetical"

    def make(self, backend, choose):
        return Alphabetical()


@implementer(IPlugin, IKeyPlugin)
class EvenPortKey:
    """A kind of key: clients whose port is even are one session, the others show no key."""

    name = "even-port"

    def read(self, shown, hello):
        return "even" if shown.client.port % 2 == 0 else None


class Greeted(Opaque):
    """A protocol: opaque bytes, but a client that cannot be served is told so."""

    def last_words(self, word):
        return f"sorry: {word}\n".encode()


@implementer(IPlugin, IProtocolPlugin)
class GreetedPlugin:
    name = "greeted"

    def spoken(self, reactor, idle, frontend):
        return Greeted(reactor, idle)


alphabetical = AlphabeticalPlugin()
even_port = EvenPortKey()
greeted = GreetedPlugin()
