"""Finds what others added: plugins of the `twisted.plugins` package, or objects handed over.

In: objects that provide an interface of `interfaces`. Out: what each makes or reads, by its name,
each name once. A plugin that is at fault is always told by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

import attrs
from twisted.plugin import getPlugins
from zope.interface import Invalid
from zope.interface.verify import verifyObject

from .balance import POLICIES, PolicyFactory
from .config.tables import PROTOCOLS, Plugins
from .interfaces import IKeyPlugin, IPolicyPlugin, IProtocolPlugin
from .opening import KINDS, KeyReader


class PluginError(Exception):
    """A plugin cannot be used; says which, and why."""


@attrs.frozen
class Added:
    """What plugins add, by the name that the configuration uses."""

    policies: Mapping[str, PolicyFactory] = attrs.field(factory=dict)
    keys: Mapping[str, KeyReader] = attrs.field(factory=dict)
    protocols: Mapping[str, Callable[..., Any]] = attrs.field(factory=dict)
    """Reactor, `relay.Idle` and frontend → `connection.Spoken`."""

    @property
    def names(self) -> Plugins:
        """The names, for `config.load`."""
        return Plugins(frozenset(self.policies), frozenset(self.keys), frozenset(self.protocols))


NOTHING_ADDED: Final = Added()


def added(plugins: Iterable[object]) -> Added:
    """These plugins by their names. Raises PluginError; so does what it gives, when a plugin fails
    or gives what cannot be used."""
    given = list(plugins)
    for plugin in given:
        if not any(kind.interface.providedBy(plugin) for kind in (_POLICY, _KEY, _PROTOCOL)):
            raise PluginError(f"{_shown(plugin)} provides no interface of twisted_lb.interfaces")
    return Added(_by_name(_POLICY, given), _by_name(_KEY, given), _by_name(_PROTOCOL, given))


def installed() -> Added:
    """Every plugin that is installed. Raises PluginError.

    A module of `twisted.plugins` that cannot be imported is logged by Twisted, with its traceback,
    and passed by: a configuration that needs it then names what is missing.
    """
    kinds = (_POLICY, _KEY, _PROTOCOL)
    return added([plugin for kind in kinds for plugin in getPlugins(kind.interface)])


@attrs.frozen
class _Kind:
    """One of the three: what such a plugin is asked for, and what its answer must be."""

    interface: Any
    method: str
    ours: Collection[str]
    """Names that the balancer itself defines."""
    fits: Callable[[Any], bool]
    wanted: str


def _having(*methods: str) -> Callable[[Any], bool]:
    return lambda answer: all(callable(getattr(answer, method, None)) for method in methods)


_POLICY: Final = _Kind(
    IPolicyPlugin, "make", POLICIES, _having("order"), "a policy with the method order"
)
_KEY: Final = _Kind(
    IKeyPlugin,
    "read",
    KINDS,
    lambda answer: answer is None or isinstance(answer, str),
    "text or None",
)
_PROTOCOL: Final = _Kind(
    IProtocolPlugin,
    "spoken",
    PROTOCOLS,
    _having("judge", "last_words", "join"),
    "an object with the methods judge, last_words and join",
)


def _by_name(kind: _Kind, plugins: Iterable[Any]) -> dict[str, Callable[..., Any]]:
    found: dict[str, Any] = {}
    for plugin in filter(kind.interface.providedBy, plugins):
        _verify(kind, plugin)
        if plugin.name in kind.ours:
            raise PluginError(f"{_shown(plugin)}: the name {plugin.name!r} is the balancer's own")
        first = found.setdefault(plugin.name, plugin)
        if first is not plugin:
            raise PluginError(f"{_shown(plugin)}: the name {plugin.name!r} is {_shown(first)}'s")
    return {name: _asking(kind, plugin) for name, plugin in found.items()}


def _verify(kind: _Kind, plugin: Any) -> None:
    """Raises PluginError when it does not have what its interface promises."""
    try:
        verifyObject(kind.interface, plugin)
    except Invalid as error:
        raise PluginError(f"{_shown(plugin)}: {error}") from None
    if not isinstance(plugin.name, str) or not plugin.name:
        raise PluginError(f"{_shown(plugin)}: its name is {plugin.name!r}, not a word")


def _asking(kind: _Kind, plugin: Any) -> Callable[..., Any]:
    """The plugin's method, with a name to every fault."""

    def ask(*about: Any) -> Any:
        try:
            answer = getattr(plugin, kind.method)(*about)
        except Exception as error:
            raise PluginError(f"{_shown(plugin)}: {kind.method}() failed: {error!r}") from error
        if not kind.fits(answer):
            gave = f"{kind.method}() gave {answer!r}, not {kind.wanted}"
            raise PluginError(f"{_shown(plugin)}: {gave}")
        return answer

    return ask


def _shown(plugin: object) -> str:
    """Whose code it is."""
    return f"plugin {type(plugin).__module__}.{type(plugin).__qualname__}"
