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
    told: bool = False
    """The server was told how its data connections are protected."""
    left: bool = False
    """The client has left TLS by CCC; what was agreed on for data holds."""
    implied: frozenset[Side] = frozenset()
    """Whose data connections are protected before anything was said of them."""

    def forget(self) -> None:
        """Nothing is agreed on for data connections any more: whoever comes next begins there.

        Control connections stay what they are, on purpose: RFC 4217 section 13 has REIN end TLS,
        and the next password go in the clear.
        """
        self.data = set(self.implied)
        self.sized = self.told = False


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
    implied = frozenset(begun & {Side.CLIENT})
    return Protection(begun, set(implied), implied=implied)


class Unprotected(Exception):
    """The server's side cannot be protected as it is to be: the conversation ends."""


def _level(private: bool) -> bytes:
    return b"PROT P" if private else b"PROT C"


def protect_data(state: Protection, private: bool) -> Generator[Step, Heard, bytes]:
    """Have the server protect data connections, or not; its answer to the last command.

    PBSZ is said each time: there are servers that forget it when somebody else logs in.
    """
    for line in (b"PBSZ 0", _level(private)):
        reply = yield from ask(line)
        if reply.code // 100 != 2:
            return reply.line
    (state.data.add if private else state.data.discard)(Side.SERVER)
    return reply.line


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
    private = rules.data == "private" or (rules.data == "match" and Side.CLIENT in state.data)
    line = yield from protect_data(state, private)
    if not line.startswith(b"2"):
        raise Unprotected(line.decode("latin-1"))
    state.told = True
    return said
