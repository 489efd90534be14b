"""Finds what others added: plugins of the `twisted.plugins` package, or objects handed over.

In: objects that provide an interface of `interfaces`. Out: them by name, each name once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
from twisted.plugin import getPlugins

from .balance import POLICIES
from .config.tables import PROTOCOLS, Plugins
from .interfaces import IKeyPlugin, IPolicyPlugin, IProtocolPlugin
from .opening import KINDS


class PluginError(Exception):
    """A plugin cannot be used; says which, and why."""


@attrs.frozen
class Added:
    """What plugins add, by name."""

    policies: Mapping[str, Any] = attrs.field(factory=dict)
    keys: Mapping[str, Any] = attrs.field(factory=dict)
    protocols: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def names(self) -> Plugins:
        """The names, for `config.load`."""
        return Plugins(frozenset(self.policies), frozenset(self.keys), frozenset(self.protocols))


NOTHING_ADDED = Added()


def added(plugins: Iterable[object]) -> Added:
    """These plugins by their names. Raises PluginError."""
    given = list(plugins)
    for plugin in given:
        if not any(i.providedBy(plugin) for i in (IPolicyPlugin, IKeyPlugin, IProtocolPlugin)):
            raise PluginError(f"{plugin!r} provides no interface of twisted_lb.interfaces")
    return Added(
        _by_name(IPolicyPlugin, given, POLICIES),
        _by_name(IKeyPlugin, given, KINDS),
        _by_name(IProtocolPlugin, given, PROTOCOLS),
    )


def installed() -> Added:
    """Every plugin that is installed. Raises PluginError.

    A module of `twisted.plugins` that cannot be imported is logged by Twisted and passed by: a
    configuration that needs it then names what is missing.
    """
    interfaces = (IPolicyPlugin, IKeyPlugin, IProtocolPlugin)
    return added([plugin for interface in interfaces for plugin in getPlugins(interface)])


def _by_name(interface: Any, plugins: Iterable[Any], taken: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for plugin in plugins:
        if not interface.providedBy(plugin):
            continue
        if plugin.name in taken:
            raise PluginError(f"{plugin!r}: the name {plugin.name!r} is the balancer's own")
        if found.setdefault(plugin.name, plugin) is not plugin:
            raise PluginError(f"{plugin!r}: the name {plugin.name!r} is {found[plugin.name]!r}'s")
    return found
