"""Which way of moving bytes is used: what is configured, and what works here.

In: the setting, a reactor. Out: the reactor whose TCP connections are relayed that way, and a word
for the log. Tried, not
guessed: a system call filter may refuse what the kernel has.
"""

from __future__ import annotations

import select
from typing import cast

from twisted.internet.posixbase import PosixReactorBase

from ..config.settings import Relay
from ..reactors import Reactor
from ..sockets import cannot_splice, on_sockets


def tcp_of(relay: Relay, reactor: Reactor, unread: int) -> tuple[Reactor, str]:
    """The reactor itself, or one on our sockets; and what to tell of it. Raises ValueError when
    `splice` is demanded and cannot be had. `unread`: bytes that may be kept each way."""
    if relay == "transports":
        return reactor, "transports"
    refusal = cannot_watch(reactor)
    without = refusal or cannot_splice()
    if without and relay == "splice":
        raise ValueError(f'relay = "splice" cannot be had here: {without}')
    if refusal:
        return reactor, f"transports: {refusal}"
    tcp = cast(Reactor, on_sockets(reactor, unread // 4, splice=not without))
    return tcp, f"sockets without splice: {without}" if without else "splice"


def cannot_watch(reactor: Reactor) -> str:
    """Why this reactor cannot watch sockets of ours; empty: it can."""
    if not hasattr(select, "epoll"):
        return "this system has no epoll(7)"
    if not isinstance(reactor, PosixReactorBase):
        return "this reactor is not one of Twisted's that watch descriptors"
    try:
        select.epoll().close()
    except OSError as why:
        return f"epoll(7): {why.strerror}"
    return ""
