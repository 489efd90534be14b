"""Plugins are found by their names, and one that is at fault is told by whose code it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from zope.interface import implementer

from tests.configs import FRONTEND
from tests.fakes import World
from twisted_lb.balance import POLICIES, RoundRobin
from twisted_lb.config.load import load
from twisted_lb.config.settings import Backend, Frontend, ServerRule
from twisted_lb.config.tables import NO_PLUGINS, PROTOCOLS
from twisted_lb.facts import Fact
from twisted_lb.interfaces import IKeyPlugin, IPolicyPlugin, IProtocolPlugin
from twisted_lb.opening import KINDS, Shown
from twisted_lb.plugins import Added, PluginError, added, installed
from twisted_lb.process import ends_the_process
from twisted_lb.program import Program
from twisted_lb.service import Balancer, balancer
from twisted_lb.spoken import Opaque
from twisted_lb.terms import Address

ROOT = Path(__file__).parent.parent
BACKEND = Backend("pool", (ServerRule("a", "10.0.0.1"),))
SHOWN = Shown("1", Address("192.0.2.7", 50_000), Address("192.0.2.1", 80))


class Plugin:
    """A plugin whose one method gives what the test says, or raises it."""

    def __init__(self, name: Any, gives: Any = None) -> None:
        self.name = name
        self._gives = gives

    def _answer(self) -> Any:
        if isinstance(self._gives, Exception):
            raise self._gives
        return self._gives


@implementer(IPolicyPlugin)
class Policies(Plugin):
    def make(self, backend: Backend, choose: Any) -> Any:
        return self._answer()


@implementer(IKeyPlugin)
class Keys(Plugin):
    def read(self, shown: Shown, hello: Any) -> Any:
        return self._answer()


@implementer(IProtocolPlugin)
class Protocols(Plugin):
    def spoken(self, reactor: Any, idle: Any, frontend: Frontend) -> Any:
        return self._answer()


def asked(plugin: Any) -> Any:
    """What the one plugin that was added gives."""
    found = added([plugin])
    if found.policies:
        return found.policies[plugin.name](BACKEND, lambda count: 0)
    if found.keys:
        return found.keys[plugin.name](SHOWN, None)
    return found.protocols[plugin.name](None, None, Frontend("in"))


# -- found -----------------------------------------------------------------------------------------


def test_each_kind_has_its_own_names() -> None:
    names = added([Policies("mine"), Keys("mine"), Keys("other"), Protocols("mine")]).names
    assert names.policies == names.protocols == {"mine"}
    assert names.keys == {"mine", "other"}


def test_without_plugins_there_are_no_names() -> None:
    assert added([]).names == Added().names == NO_PLUGINS


def test_what_a_plugin_gives_is_handed_on() -> None:
    policy, spoken = RoundRobin(), Opaque(World(), None)  # type: ignore[arg-type]
    assert asked(Policies("mine", policy)) is policy
    assert asked(Protocols("mine", spoken)) is spoken
    assert asked(Keys("mine", "even")) == "even"
    assert asked(Keys("mine", None)) is None


def test_one_plugin_may_be_of_two_kinds_and_handed_over_twice() -> None:
    @implementer(IPolicyPlugin)
    class Both(Keys):
        def make(self, backend: Backend, choose: Any) -> Any:
            raise AssertionError("nobody asked")

    both = Both("mine")
    names = added([both, both]).names
    assert names.policies == names.keys == {"mine"}


def test_nothing_is_installed_here() -> None:
    assert installed().names == NO_PLUGINS


# -- at fault --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "ours"), [(Policies, POLICIES), (Keys, KINDS), (Protocols, PROTOCOLS)]
)
def test_no_name_of_ours_can_be_taken(kind: type[Plugin], ours: Any) -> None:
    for name in ours:
        with pytest.raises(PluginError, match=f"{kind.__name__}: the name '{name}' is the bal"):
            added([kind(name)])


def test_two_of_one_name_are_refused_with_both_their_names() -> None:
    class Others(Keys):
        pass

    with pytest.raises(PluginError, match=r"Others: the name 'mine' is plugin tests.*Keys's$"):
        added([Keys("mine"), Others("mine")])


def test_what_provides_no_interface_is_refused() -> None:
    with pytest.raises(PluginError, match=r"builtins.object provides no interface"):
        added([object()])


@pytest.mark.parametrize("name", ["", None, 7])
def test_a_name_must_be_a_word(name: object) -> None:
    with pytest.raises(PluginError, match=rf"Keys: its name is {name!r}, not a word"):
        added([Keys(name)])


def test_what_lacks_its_method_or_its_name_is_refused() -> None:
    @implementer(IKeyPlugin)
    class Empty:
        pass

    with pytest.raises(PluginError, match=r"Empty: (?s:.*)read(?s:.*)"):
        added([Empty()])


def test_a_method_that_cannot_be_called_as_promised_is_refused() -> None:
    @implementer(IKeyPlugin)
    class Lacking:
        name = "mine"

        def read(self, shown: Shown) -> None:
            """Knows nothing of hellos."""

    with pytest.raises(PluginError, match=r"Lacking: (?s:.*)read"):
        added([Lacking()])


@pytest.mark.parametrize("kind", [Policies, Keys, Protocols])
def test_a_plugin_that_raises_is_told_by_name_with_its_error(kind: type[Plugin]) -> None:
    error = ZeroDivisionError("no weights")
    with pytest.raises(PluginError, match=rf"{kind.__name__}: \w+\(\) failed: Zero.*no w") as told:
        asked(kind("mine", error))
    assert told.value.__cause__ is error


@pytest.mark.parametrize(
    ("kind", "gives", "wanted"),
    [
        (Policies, None, "a policy with the method order"),
        (Keys, 7, "text or None"),
        (Protocols, object(), "judge, last_words and join"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    kind: type[Plugin], gives: object, wanted: str
) -> None:
    with pytest.raises(PluginError, match=rf"{kind.__name__}: \w+\(\) gave .*{wanted}"):
        asked(kind("mine", gives))


# -- in the balancer -------------------------------------------------------------------------------

POOL = """
[[backend]]
name = "pool"
balance = "{balance}"
check = {{ type = "off" }}
server = [{{ name = "a", host = "10.0.0.1" }}]
"""
SPOKEN = """
[[frontend]]
name = "first"
listen = "*:81"
backend = "pool"
[[frontend]]
name = "second"
listen = "*:82"
backend = "pool"
protocol = "mine"
"""


def made(text: str, *plugins: object) -> tuple[World, Balancer]:
    world, facts = World(), list[Fact]()
    settings = load(text, "lb.toml", plugins=added(plugins).names)
    return world, balancer(settings, world, facts.append, plugins)  # type: ignore[arg-type]


def test_a_policy_that_fails_fails_the_balancer_before_anything_is_open() -> None:
    with pytest.raises(PluginError, match="Policies"):
        made(FRONTEND + POOL.format(balance="mine"), Policies("mine", ValueError()))


def test_a_protocol_that_fails_fails_the_balancer_before_anything_is_open() -> None:
    with pytest.raises(PluginError, match="Protocols"):
        made(SPOKEN + POOL.format(balance="first"), Protocols("mine"))


def test_a_plugin_is_asked_for_only_what_the_configuration_names() -> None:
    idle = [Policies("other"), Protocols("other")]
    world, service = made(FRONTEND + POOL.format(balance="first"), *idle)
    service.privilegedStartService()
    assert len(world.listeners) == 1


# -- installed -------------------------------------------------------------------------------------

FAILS = """
from twisted.plugin import IPlugin
from zope.interface import implementer
from twisted_lb.interfaces import IPolicyPlugin

@implementer(IPlugin, IPolicyPlugin)
class Fails:
    name = "mine"
    def make(self, backend, choose):
        raise RuntimeError("cannot")

fails = Fails()
"""


def twist(place: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `twist lb-proxy` where this module is installed as a plugin."""
    plugins = place / "twisted" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "installed_here.py").write_text(module)
    return subprocess.run(
        [sys.executable, "-m", "twisted", "lb-proxy", *arguments],
        env={**os.environ, "PYTHONPATH": f"{place}:{ROOT}"},
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def written(place: Path, text: str) -> str:
    (place / "lb.toml").write_text(text)
    return str(place / "lb.toml")


def test_what_is_installed_can_be_configured(tmp_path: Path) -> None:
    name = written(tmp_path, FRONTEND + POOL.format(balance="alphabetical"))
    examples = (ROOT / "examples" / "plugins.py").read_text()
    ended = twist(tmp_path, examples, "--config", name, "--check")
    assert (ended.returncode, ended.stdout) == (0, f"{name}: fine\n"), ended.stderr


def test_one_that_fails_ends_the_process_with_one_line(tmp_path: Path) -> None:
    name = written(tmp_path, FRONTEND + POOL.format(balance="mine"))
    ended = twist(tmp_path, FAILS, "--config", name)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "plugin twisted.plugins.installed_here.Fails: make() failed: RuntimeError('cannot')"
    )
    assert "Traceback" not in ended.stderr


def test_one_that_cannot_be_imported_is_told_and_so_is_who_needs_it(tmp_path: Path) -> None:
    name = written(tmp_path, FRONTEND + POOL.format(balance="mine"))
    ended = twist(tmp_path, "import nothing_of_this_name", "--config", name, "--check")
    assert ended.returncode == 1
    assert "No module named 'nothing_of_this_name'" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith(f"{name}:")
    assert "backend[pool].balance" in ended.stderr


def test_a_protocol_that_fails_ends_the_process_at_the_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plugins = added([Protocols("mine", ZeroDivisionError())])
    settings = load(SPOKEN + POOL.format(balance="first"), "lb.toml", plugins=plugins.names)
    with pytest.raises(SystemExit), ends_the_process(PluginError):
        Program(settings, World(), lambda fact: None, plugins)  # type: ignore[arg-type]
    assert "Protocols: spoken() failed: ZeroDivisionError()" in capsys.readouterr().err
