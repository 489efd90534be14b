"""One PASV, EPSV, PORT or EPRT of the client, from its line to our answer. Sans-I/O.

In: the command. Out: what is said to the server and which leg is listened for, step by step, as a
generator: it yields an action and is sent what came of it. Its last value is the client's answer.

The client's leg and the server's are independent: either may be listened for or dialled, in
either family. The server is asked first: it may refuse, and then no port was opened for nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

import attrs

from ...errors import WireError
from ...facts import AttackSeen
from ...terms import Address
from ...wire.ftp import Command, ReplyLine
from ...wire.ftpaddress import (
    UnknownFamily,
    format_229,
    format_eprt,
    format_port,
    parse_227,
    parse_229,
    parse_eprt,
    parse_epsv,
    parse_port,
    same_host,
)
from ..actions import Listen, Side, Tell
from .circumstances import Circumstances
from .data import DataChannel
from .steps import Heard, Step, Steps, ask

CANNOT_OPEN: Final = b"425 Can't open data connection."

_REJECTED: Final = frozenset({500, 501, 502, 504, 522})
"""A server that does not know EPSV or EPRT, or not for this family."""
_LOWEST_PORT: Final = 1024


@attrs.frozen
class Wish:
    """What the client wants."""

    extended: bool
    """By EPSV or EPRT."""
    target: Address | None = None
    """Where the client listens; None: it wants to connect to us."""
    only_epsv: bool = False
    """EPSV ALL: no channel yet, but from now on no other way (T39)."""


@attrs.frozen
class Refused:
    """What the client gets instead, and nothing is sent to the server."""

    reply: bytes
    bounce: bool = False
    """It tried to have us connect to somebody else (attack 5)."""


# -- what the client wants ---------------------------------------------------------------------


def read(command: Command, about: Circumstances) -> Wish | Refused:
    """The command judged by itself (T12, T40, T41, T46)."""
    name = command.verb.decode()
    try:
        return _READ[command.verb](command.argument, about)
    except UnknownFamily:
        return Refused(b"522 Network protocol not supported, use (%d)." % about.client_family)
    except WireError:
        return Refused(f"501 Invalid {name} format.".encode())


def _pasv(argument: bytes, about: Circumstances) -> Wish | Refused:
    if argument:
        return Refused(b"501 Syntax error: command does not accept arguments.")
    if about.client_family != 1:
        raise UnknownFamily("a 227 reply cannot name an IPv6 address")
    return Wish(extended=False)


def _epsv(argument: bytes, about: Circumstances) -> Wish | Refused:
    return Wish(True, only_epsv=parse_epsv(argument, about.client_family) == "all")


def _port(argument: bytes, about: Circumstances) -> Wish | Refused:
    if not argument:
        return Refused(b"501 Syntax error: command needs an argument.")
    if about.client_family != 1:
        raise UnknownFamily("PORT cannot name an IPv6 address")
    return _to(parse_port(argument), False, about)


def _eprt(argument: bytes, about: Circumstances) -> Wish | Refused:
    if not argument:
        return Refused(b"501 Syntax error: command needs an argument.")
    return _to(parse_eprt(argument, about.client_family), True, about)


_READ: Final = {b"PASV": _pasv, b"EPSV": _epsv, b"PORT": _port, b"EPRT": _eprt}


def _to(address: Address, extended: bool, about: Circumstances) -> Wish | Refused:
    if address.port < _LOWEST_PORT:
        return Refused(b"501 Can't connect over a privileged port.", bounce=True)
    if same_host(address.host, about.client.host):
        return Wish(extended, Address(about.client.host, address.port))
    if about.permits(address.host):
        return Wish(extended, address)
    return Refused(b"501 Rejected data connection to foreign address.", bounce=True)


# -- the way to an answer ----------------------------------------------------------------------


class _Stopped(Exception):
    """The announcement came to nothing; the client gets this line."""

    def __init__(self, line: bytes) -> None:
        super().__init__(line)
        self.line = line


def announce(wish: Wish, channel: DataChannel, about: Circumstances) -> Steps:
    """The client's answer; the channel's legs are set on the way. Not 2xx: it came to nothing."""
    passive = wish.target is None
    try:
        if about.rules.server_data == "passive" or (about.rules.server_data == "same" and passive):
            yield from _server_listens(wish, channel, about)
        else:
            yield from _server_comes(wish, channel, about)
        if channel.failed is not None:  # our listener expired before the server answered
            return CANNOT_OPEN
        if wish.target is not None:
            channel.client.dial(wish.target)
            return b"200 Active data connection accepted."
        port = (yield from _listen(channel, Side.CLIENT)).port
    except _Stopped as why:
        return why.line
    if wish.extended:
        return b"229 Entering extended passive mode " + format_229(port) + b"."
    return b"227 Entering passive mode (" + format_port(Address(about.advertised, port)) + b")."


def _server_listens(
    wish: Wish, channel: DataChannel, about: Circumstances
) -> Generator[Step, Heard, None]:
    """EPSV or PASV. The host that a 227 names is never dialled (attack 5)."""
    try:
        if _extends(wish, about) and about.memory.epsv:
            if (reply := (yield from _ask_extended(b"EPSV", about))) is not None:
                channel.server.dial(Address(about.server.host, parse_229(reply.line)))
                return
            about.memory.epsv = False
        named = parse_227(_accepted((yield from ask(b"PASV"))).line)
    except WireError:
        raise _Stopped(CANNOT_OPEN) from None
    if not same_host(named.host, about.server.host) and not about.memory.foreign:
        about.memory.foreign = True
        yield Tell(AttackSeen("foreign-227", about.frontend, about.server, str(named)))
    channel.server.dial(Address(about.server.host, named.port))


def _server_comes(
    wish: Wish, channel: DataChannel, about: Circumstances
) -> Generator[Step, Heard, None]:
    """EPRT or PORT, once we listen."""
    here = Address(about.server_local.host, (yield from _listen(channel, Side.SERVER)).port)
    if _extends(wish, about) and about.memory.eprt:
        if (yield from _ask_extended(b"EPRT " + format_eprt(here), about)) is not None:
            return
        about.memory.eprt = False
    _accepted((yield from ask(b"PORT " + format_port(here))))


def _extends(wish: Wish, about: Circumstances) -> bool:
    """Whether the server is spoken to as RFC 2428 says: it must in IPv6, else as the client does,
    unless the families differ, where every IPv4 server knows the old verbs (T43)."""
    if about.server_family == 2:
        return True
    return wish.extended and about.client_family == 1


def _ask_extended(line: bytes, about: Circumstances) -> Generator[Step, Heard, ReplyLine | None]:
    """None: the server does not know the verb, and an older one would do (T44)."""
    reply = yield from ask(line)
    if reply.code in _REJECTED and about.server_family == 1:
        return None
    return _accepted(reply)


def _accepted(reply: ReplyLine) -> ReplyLine:
    """The reply, when it is a success; else the client gets what the server said."""
    if reply.code // 100 == 2:
        return reply
    raise _Stopped(reply.line if reply.code // 100 in (4, 5) else CANNOT_OPEN)


def _listen(channel: DataChannel, side: Side) -> Generator[Step, Heard, Address]:
    heard = yield Listen(channel.number, side, channel.leg(side).private)
    if isinstance(heard, Address):
        return heard
    raise _Stopped(CANNOT_OPEN)
