"""What others may add to the balancer: a policy, a kind of key, a protocol; and what they are told.

A plugin is an object in a module of the `twisted.plugins` package that provides `IPlugin` and one
of these interfaces, or one that is handed to `balancer(…, plugins=…)`. docs/embedding.md has an
example of each.
"""

from __future__ import annotations

from zope.interface import Attribute, Interface


class IPolicyPlugin(Interface):
    """A way to choose servers, as `balance = "NAME"`."""

    name = Attribute("str: the name that the configuration uses.")

    def make(backend, choose):  # type: ignore[no-untyped-def]  # noqa: N805, RUF100
        """A policy for this backend (`config.settings.Backend`): see `balance.Policy`.

        `choose(n)` is chance: a whole number from 0 to n - 1.
        """


class IKeyPlugin(Interface):
    """A kind of key, as `key = ["NAME"]`."""

    name = Attribute("str: the name that the configuration uses.")

    def read(shown, hello):  # type: ignore[no-untyped-def]  # noqa: N805, RUF100
        """What a connection shows of it, as text; None when it shows none.

        `shown` is an `opening.Shown`; `hello` a `wire.clienthello.ClientHello`, or None where TLS
        is not passed through.
        """


class IProtocolPlugin(Interface):
    """Something spoken on a frontend, as `protocol = "NAME"`."""

    name = Attribute("str: the name that the configuration uses.")

    def spoken(reactor, idle, frontend):  # type: ignore[no-untyped-def]  # noqa: N805, RUF100
        """How it is spoken on this frontend: see `connection.Spoken`.

        `idle` is the `relay.Idle` that moving channels are told to.
        """


class IProxied(Interface):
    """A transport behind an `lb:` endpoint: what the balancer in front said of the connection."""

    header = Attribute("wire.proxyheader.Header: the PROXY header as it came.")
    session = Attribute("str: the session that the connection belongs to; empty if not told.")
    role = Attribute("str: what it is to its session; empty if not told.")
    unique_id = Attribute("str: the balancer's id of it, as in its log; empty if not told.")
