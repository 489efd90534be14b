"""What a configuration names outside of itself, looked at: a meaning in, complaints out.

Rules for `config.load`, so that what is missing on this machine is told together with what is
wrong in the text. I/O, and it waits: for the start and for `--check` only.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import cache
from typing import Final

from .config.meaning import Complaint, Meaning, Rule
from .config.named import names
from .contexts import faults, unreadable
from .listeners import foreign
from .logs import unwritable


def unresolved(meaning: Meaning) -> Iterator[Complaint]:
    """Host names that do not resolve; each is asked for once."""
    ask = cache(_refusal)
    for key, name in names(meaning.document):
        if why := ask(name):
            yield Complaint(key, f"{name!r} does not resolve: {why}")


def _refusal(name: str) -> str:
    try:
        socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return str(error.strerror)
    return ""


AT_START: Final[tuple[Rule, ...]] = (unreadable, faults, unwritable)
"""What a start needs. Names may come to resolve later, and addresses are tried by listening."""
LOOKS: Final[tuple[Rule, ...]] = (*AT_START, unresolved, foreign)
"""All there is to look at."""
