"""docs/lb-proxyctl.md tells every command and every exit status, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from twisted_lb.control.client import USUAL, VARIABLE
from twisted_lb.control.commands import STATUSES
from twisted_lb.control.completion import commands as tree_of
from twisted_lb.control.parser import parser
from twisted_lb.ctl import COMMANDS

TEXT = (Path(__file__).parents[1] / "docs" / "lb-proxyctl.md").read_text()


def commands() -> dict[str, set[str]]:
    """Each command → its own options."""
    shared = {"--help", "--at", "--config", "--token-file", "--json"}
    return {
        name: {o for a in tree._actions for o in a.option_strings if o[:2] == "--"} - shared
        for name, tree in tree_of(parser()).items()
    }


def test_every_command_is_told_with_its_options() -> None:
    told = dict(re.findall(r"(?m)^\| `([a-z-]+)[^`]*` \| (.*) \|$", TEXT))
    assert set(told) == {*commands(), *COMMANDS}
    for name, options in commands().items():
        assert set(re.findall(r"`(--[a-z-]+)`", told[name])) == options, name


def test_every_exit_status_is_told() -> None:
    told = re.findall(r"(?m)^\| (\d) \| (.*) \|$", TEXT)
    assert {int(number): text for number, text in told} == STATUSES


def test_where_it_asks_is_told() -> None:
    assert f"`${VARIABLE}`" in TEXT
    assert f"`{USUAL}`" in TEXT
