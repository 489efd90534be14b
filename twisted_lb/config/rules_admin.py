"""Rules of our own sockets: nobody who is not trusted comes as far as to the admin endpoint.

Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from .addresses import is_address
from .meaning import Complaint, Meaning, Rule

SOCKET_MOST: Final = 107
"""Bytes of a unix socket's path (unix(7))."""


def others_show_a_token(meaning: Meaning) -> Iterator[Complaint]:
    """Beyond loopback anybody could ask."""
    admin = meaning.document.admin
    outside = [str(a) for a in admin.listen if not _loopback(a.host)]
    if outside and not admin.token_file:
        message = f"is missing: {outside[0]} can be reached from elsewhere, so who may ask?"
        yield Complaint(("admin", "token_file"), message, (("admin", "listen"),))


def sockets_have_paths_that_fit(meaning: Meaning) -> Iterator[Complaint]:
    """The kernel takes no longer ones."""
    document = meaning.document
    for key, path in (("admin", document.admin.socket), ("takeover", document.takeover.socket)):
        if len(path.encode()) > SOCKET_MOST:
            yield Complaint((key, "socket"), f"is longer than the {SOCKET_MOST} bytes it may have")
        elif path and not path.startswith("/"):
            yield Complaint((key, "socket"), f"wants a whole path, as /run/{path}")


def each_has_a_socket_of_its_own(meaning: Meaning) -> Iterator[Complaint]:
    """Who takes over does not speak HTTP."""
    document = meaning.document
    if document.takeover.socket and document.takeover.socket == document.admin.socket:
        yield Complaint(("takeover", "socket"), "is admin.socket: name another one")


def _loopback(host: str) -> bool:
    return is_address(host) and ip_address(host).is_loopback


RULES: Final[tuple[Rule, ...]] = (
    others_show_a_token,
    sockets_have_paths_that_fit,
    each_has_a_socket_of_its_own,
)
