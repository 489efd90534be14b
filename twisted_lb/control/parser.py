"""The command line of `lb-proxyctl`: one tree of commands, which help, completions and the man page
are made of.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..config.units import duration
from ..config.values import Refused
from ..version import version
from . import commands
from .client import USUAL, VARIABLE
from .completion import SHELLS, completion
from .manual import manual
from .watch import watch

_DURATION: Final = duration(0.001)
COMPLETES: Final = "print a script that completes what is typed in this shell"
MANUAL: Final = "print the manual page, for man -l"
NONE: Final[Mapping[str, str]] = {}


def seconds(text: str) -> float:
    """As the configuration has durations: `10m`."""
    try:
        found: float = _DURATION.read(text)
    except Refused as why:
        raise argparse.ArgumentTypeError(str(why) or f"{text!r} is no duration, as 10m") from None
    return found


def server(text: str) -> tuple[str, str]:
    """`backend/name`."""
    backend, slash, name = text.partition("/")
    if not (backend and slash and name):
        raise argparse.ArgumentTypeError(f"{text!r} is no BACKEND/SERVER, as farm/a")
    return backend, name


def count(text: str) -> int:
    """A number from 1."""
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def parser(name: str = "lb-proxyctl", others: Mapping[str, str] = NONE) -> argparse.ArgumentParser:
    """The whole tree; `run` of what is parsed is the command. `others` stand in it by name."""
    tree = argparse.ArgumentParser(
        name,
        description="See and steer a running twisted-lb balancer.",
        epilog="exit status: " + "; ".join(f"{n} {t}" for n, t in commands.STATUSES.items()),
    )
    subs = tree.add_subparsers(metavar="COMMAND", required=True, dest="command")
    asks = functools.partial(_command, subs, _common())
    asks("status", commands.status, "the balancer in a few lines")
    asks("servers", commands.servers, "every server and how it stands")
    found = asks("sessions", commands.sessions, "living sessions, oldest first")
    for option in ("backend", "server", "group", "client"):
        found.add_argument(f"--{option}", metavar=option.upper(), help=f"only of this {option}")
    states = ("pinning", "pinned", "closing", "lingering", "returning")
    found.add_argument("--state", choices=states, help="only in this state")
    found.add_argument("--limit", type=count, default=100, help="at most so many (default 100)")
    one = asks("session", commands.session, "one session with its channels")
    one.add_argument("id", metavar="SESSION")
    asks("frontends", commands.frontends, "every frontend and where it listens")
    asks("certs", commands.certs, "certificates, the next to end first")
    asks("config", commands.config, "the configuration in force, defaults included")
    names = asks("names", commands.names, "names, a line each, for scripts and completion")
    names.add_argument("of", choices=("servers", "backends", "frontends", "sessions"))
    live = asks("watch", watch, "all of it, live; q ends")
    live.add_argument("--interval", type=seconds, default=1.0, help="between looks (default 1s)")
    _add_acts(asks)
    shell = subs.add_parser("completion", help=COMPLETES, description=COMPLETES)
    shell.add_argument("shell", choices=SHELLS)
    shell.set_defaults(made=lambda options: completion(tree, options.shell))
    page = subs.add_parser("man", help=MANUAL, description=MANUAL)
    page.set_defaults(made=lambda options: manual(tree, version()))
    for other, summary in others.items():
        subs.add_parser(other, help=summary, description=summary, add_help=False)
    return tree


def _add_acts(asks: Callable[..., argparse.ArgumentParser]) -> None:
    drained = asks("drain", commands.drain, "no new sessions for a server; living ones go on")
    ready = asks("ready", commands.ready, "a server takes new sessions again")
    maint = asks("maint", commands.maint, "as drain, without checks")
    weight = asks("weight", commands.weight, "change a server's weight, until the next reload does")
    for each in (drained, ready, maint, weight):
        each.add_argument("server", type=server, metavar="BACKEND/SERVER")
    drained.add_argument("--wait", action="store_true", help="return when its last session ended")
    drained.add_argument(
        "--timeout", type=seconds, default=3600.0, help="wait no longer (default 1h); exit status 3"
    )
    weight.add_argument("weight", type=int, help="0 to 256; 0: no new sessions")
    kill = asks("kill", commands.kill, "end sessions with all their channels")
    kill.add_argument("ids", nargs="+", metavar="SESSION")
    back = asks("fail-back", commands.fail_back, "new sessions go to the primary again")
    back.add_argument("backend", metavar="BACKEND")
    log = asks("log", commands.log, "from which level on facilities log, or change it")
    log.add_argument("facility", nargs="?", metavar="FACILITY", help="all, connection, health …")
    levels = ("debug", "info", "warn", "error", "critical")
    log.add_argument("level", nargs="?", choices=levels)
    log.set_defaults(levels=levels)
    asks("reload", commands.reload, "read the configuration's file again")
    ends = asks("shutdown", commands.shutdown, "listen no more; end when living sessions have")
    ends.add_argument("--deadline", type=seconds, help="end them then (default limits.drain)")
    check = asks("check", commands.check, "say all that is wrong with a configuration's file")
    check.add_argument("file", metavar="FILE")


def _command(
    subs: Any, common: argparse.ArgumentParser, name: str, run: commands.Command, summary: str
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = subs.add_parser(
        name, help=summary, description=summary, parents=[common]
    )
    made.set_defaults(run=run)
    return made


def _common() -> argparse.ArgumentParser:
    """What each command takes: where to ask, and how to answer."""
    common = argparse.ArgumentParser(add_help=False)
    where = common.add_argument_group("where to ask")
    where.add_argument(
        "--at",
        default="",
        metavar="SOCKET|URL",
        help=f"a unix socket's path, or http://host:port (default ${VARIABLE}, else {USUAL})",
    )
    where.add_argument("--config", default="", metavar="FILE", help="ask where its [admin] says")
    where.add_argument("--token-file", default="", metavar="FILE", help="what TCP wants shown")
    common.add_argument("--json", action="store_true", help="the endpoint's answer, for programs")
    return common
