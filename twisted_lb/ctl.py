"""Entry: `lb-proxyctl COMMAND …`: the operator's tool.

Most commands ask a running balancer (`control`). The others bring what they need: each is a module
with `main(arguments, name) -> exit status`, imported when it is asked for, as some need an extra
that not everybody installs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import attrs

from .control.client import Client, Refused, Unreachable, place
from .control.commands import DONE, FAILED, UNREACHABLE
from .control.parser import parser


@attrs.frozen
class Command:
    """One command that brings what it needs."""

    module: str
    summary: str
    extra: str = ""
    """What must be installed for it: `pip install twisted-lb[EXTRA]`."""


COMMANDS: Final = {
    "token": Command(
        "twisted_lb.gateway.tokenctl",
        "make an issuer's key, issue tokens for security proxies, look at them",
        "gateway",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status (`control.commands.STATUSES`)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] and given[0] in COMMANDS:
        return _bring(given[0], given[1:])
    tree = parser(others={name: command.summary for name, command in COMMANDS.items()})
    options = tree.parse_args(given)
    if "made" in options:
        print(options.made(options), end="")
        return DONE
    try:
        where = place(options.at, options.token_file, options.config, os.environ)
        status: int = options.run(options, Client(where))
    except Unreachable as why:
        print(f"{tree.prog}: {why}", file=sys.stderr)
        return UNREACHABLE
    except Refused as why:
        print(f"{tree.prog} {options.command}: {why}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:  # whoever read it has seen enough
        sys.stdout = None
        return FAILED
    return status


def _bring(name: str, arguments: list[str]) -> int:
    command = COMMANDS[name]
    try:
        module = import_module(command.module)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("twisted_lb"):
            raise
        needed = f"pip install 'twisted-lb[{command.extra}]'"
        print(f"lb-proxyctl {name}: needs {missing.name}: {needed}", file=sys.stderr)
        return FAILED
    status: int = module.main(arguments, f"lb-proxyctl {name}")
    return status
