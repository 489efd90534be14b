"""The manual page of `lb-proxyctl` (section 1), made of its own tree of commands: roff out."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from .client import USUAL, VARIABLE
from .commands import STATUSES
from .completion import commands


def manual(tree: argparse.ArgumentParser, version: str) -> str:
    """The whole page."""
    return "\n".join(_lines(tree, version)) + "\n"


def _lines(tree: argparse.ArgumentParser, version: str) -> Iterator[str]:
    yield f'.TH {tree.prog.upper()} 1 "" "twisted-lb {version}" "twisted-lb"'
    yield from (".SH NAME", f"{tree.prog} \\- see and steer a running twisted\\-lb balancer")
    yield from (".SH SYNOPSIS", f".B {tree.prog}", ".I COMMAND", "[\\fIOPTION\\fR ...]")
    yield from (".SH COMMANDS",)
    for name, command in commands(tree).items():
        yield from _command(name, command)
    yield from (".SH OPTIONS OF EVERY COMMAND",)
    shared = [a for a in commands(tree)["status"]._actions if a.dest != "help"]
    for action in shared:
        yield from _option(action)
    yield ".SH EXIT STATUS"
    for number, told in STATUSES.items():
        yield from (".TP", f".B {number}", _plain(told))
    yield ".SH ENVIRONMENT"
    yield from (".TP", f".B {VARIABLE}", "Where to ask, when no option says it.")
    yield from (".SH FILES", ".TP", f".I {USUAL}", "Where to ask, when nothing else says it.")
    yield from (".SH SEE ALSO", ".BR twistd (1)")


def _command(name: str, command: argparse.ArgumentParser) -> Iterator[str]:
    places = [a for a in command._actions if not a.option_strings]
    usage = " ".join(f"\\fI{_plain(str(a.metavar or a.dest.upper()))}\\fR" for a in places)
    yield from (".TP", f"\\fB{_plain(name)}\\fR {usage}".rstrip())
    yield _plain(f"{(command.description or '').capitalize()}.")
    shared = {"help", "at", "config", "token_file", "json"}
    own = [a for a in command._actions if a.option_strings and a.dest not in shared]
    if own:
        yield ".RS"
        for action in own:
            yield from _option(action)
        yield ".RE"


def _option(action: argparse.Action) -> Iterator[str]:
    value = ""
    if action.nargs != 0:
        value = f" \\fI{_plain(str(action.metavar or action.dest.upper()))}\\fR"
    yield from (".TP", f"\\fB{_plain(action.option_strings[-1])}\\fR{value}")
    yield _plain(f"{action.help}.")


def _plain(text: str) -> str:
    """Text as roff leaves it alone."""
    told = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{told}" if told[:1] in (".", "'") else told
