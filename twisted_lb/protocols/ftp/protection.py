"""What of one conversation is protected, by side; how the server's side comes to be. Sans-I/O.

In: how either side is to be protected, what the server says of it. Out: what is protected.

The two sides are independent, and so are the control connection and the data connections of each
(RFC 4217 sections 9 and 10; T64).
"""

from __future__ import annotations

from collections.abc import Generator

import attrs

from ...config.settings import BackendTls, FrontendTls
from ..actions import Side, StartTls
from .steps import Heard, Step, ask


@attrs.define
class Protection:
    """What is protected as things stand."""

    control: set[Side]
    data: set[Side]
    sized: bool = False
    """The client said PBSZ, which comes before PROT (T33)."""


def protection(tls: FrontendTls, server_tls: BackendTls) -> Protection:
    """When a conversation begins: connections that began with TLS are (T73)."""
    begun = {
        side
        for side, mode, implicit in (
            (Side.CLIENT, tls.mode, "terminate"),
            (Side.SERVER, server_tls.mode, "on"),
        )
        if mode == implicit
    }
    return Protection(begun, begun & {Side.CLIENT})


class Unprotected(Exception):
    """The server's side cannot be protected as it is to be: the conversation ends."""


def protect_server(state: Protection, rules: BackendTls) -> Generator[Step, Heard, bytes]:
    """Protect a server's side (RFC 4217 sections 4 and 9). Raises Unprotected.

    The answer is the server's to AUTH, empty when it was not asked. Not 234: nothing came of it.
    """
    said = b""
    if Side.SERVER not in state.control:
        reply = yield from ask(b"AUTH TLS")
        if (said := reply.line) and reply.code != 234:
            return said
        yield StartTls(Side.SERVER)
        state.control.add(Side.SERVER)
    private = rules.data == "private"
    for line in (b"PBSZ 0", b"PROT P" if private else b"PROT C"):
        reply = yield from ask(line)
        if reply.code // 100 != 2:
            raise Unprotected(f"{line.decode()}: {reply.code}")
    if private:
        state.data.add(Side.SERVER)
    return said
