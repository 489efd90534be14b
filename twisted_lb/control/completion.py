"""Completion of `lb-proxyctl` for shells, made of its own tree of commands.

Names of servers, backends and sessions are asked of the balancer when Tab is pressed; where none
answers there are none.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Final

NAMES: Final = {"BACKEND/SERVER": "servers", "BACKEND": "backends", "SESSION": "sessions"}
"""What an argument is called → what `lb-proxyctl names` is asked for."""
SHELLS: Final = ("bash", "zsh", "fish")


def commands(tree: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """Its commands, by name."""
    [subs] = [action for action in tree._actions if action.dest == "command"]
    found: Mapping[str, argparse.ArgumentParser] = subs.choices  # type: ignore[assignment]
    return found


def options(command: argparse.ArgumentParser) -> list[str]:
    """Its long options."""
    return [o for action in command._actions for o in action.option_strings if o[:2] == "--"]


def wanted(command: argparse.ArgumentParser) -> str:
    """What names it takes, as `lb-proxyctl names` knows them; empty: none."""
    kinds = (NAMES.get(str(a.metavar)) for a in command._actions if not a.option_strings)
    return next(filter(None, kinds), "")


def completion(tree: argparse.ArgumentParser, shell: str) -> str:
    """A script for this shell to read."""
    if shell == "fish":
        return "\n".join(_fish(tree)) + "\n"
    head = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return head + "\n".join(_bash(tree)) + "\n"


def _bash(tree: argparse.ArgumentParser) -> Iterator[str]:
    every = commands(tree)
    yield "_lb_proxyctl() {"
    yield '    local words cur="${COMP_WORDS[COMP_CWORD]}"'
    yield '    if [ "$COMP_CWORD" -eq 1 ]; then'
    yield f"        words='{' '.join(every)}'"
    yield '    else case "${COMP_WORDS[1]}" in'
    for name, command in every.items():
        names = f" $({tree.prog} names {wanted(command)} 2>/dev/null)" if wanted(command) else ""
        yield f'        {name}) words="{" ".join(options(command))}{names}" ;;'
    yield "    esac; fi"
    yield '    COMPREPLY=($(compgen -W "$words" -- "$cur"))'
    yield "}"
    yield f"complete -o default -F _lb_proxyctl {tree.prog}"


def _fish(tree: argparse.ArgumentParser) -> Iterator[str]:
    begins = f"complete -c {tree.prog}"
    for name, command in commands(tree).items():
        told = (command.description or "").replace("'", "\\'")
        yield f"{begins} -f -n __fish_use_subcommand -a {name} -d '{told}'"
        here = f"-n '__fish_seen_subcommand_from {name}'"
        for action in command._actions:
            for option in action.option_strings:
                if option[:2] == "--":
                    help_text = (action.help or "").replace("'", "\\'").replace("%", "")
                    yield f"{begins} {here} -l {option[2:]} -d '{help_text}'"
        if wanted(command):
            asked = f"({tree.prog} names {wanted(command)} 2>/dev/null)"
            yield f"{begins} -f {here} -a '{asked}'"
