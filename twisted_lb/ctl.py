"""Entry: `lb-proxyctl COMMAND …`: the operator's tool; each command is a file of its own.

A command's file has `main(arguments, name) -> exit status`. It is imported when it is asked for:
some need an extra that not everybody installs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import attrs


@attrs.frozen
class Command:
    """One command of the tool."""

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
    """Run a command; returns the exit status: 0 done, 1 something is wrong, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        "lb-proxyctl",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(["commands:", *(f"  {n:8} {c.summary}" for n, c in COMMANDS.items())]),
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = parser.parse_args(given[:1]).command
    command = COMMANDS[chosen]
    try:
        module = import_module(command.module)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("twisted_lb"):
            raise
        needed = f"pip install 'twisted-lb[{command.extra}]'"
        print(f"lb-proxyctl {chosen}: needs {missing.name}: {needed}", file=sys.stderr)
        return 1
    status: int = module.main(given[1:], f"{parser.prog} {chosen}")
    return status
