"""The ftp check: is there an FTP server that greets, takes a login, moves data? (T88)

The greeting always; TLS as channels have it, from the first byte or by AUTH; with a user also login
and NOOP; with `data` also a passive data connection, to the host of the control connection whatever
a 227 says (attack 5), protected as channels' are. QUIT in any case.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..terms import MORE
from ..tls import Certificate, ClientHandshake
from ..wire.ftp import ReplyLine, ReplyReader
from ..wire.ftpaddress import parse_227, parse_229
from .target import Outcome, Target
from .trust import trusted
from .visit import Failed, Visit

QUOTED: Final = 200
"""Bytes of a server's own words that a reason quotes."""


@attrs.frozen
class Reply:
    """One whole reply; of several lines, the last one."""

    code: int
    line: bytes

    def __str__(self) -> str:
        return self.line[:QUOTED].decode("utf-8", "backslashreplace")


async def ask_ftp(visit: Visit, target: Target) -> Outcome:
    """Go as far as the check says. Raises Failed, WireError."""
    control = _Control(visit)
    if target.tls is not None and not target.asks_for_tls():
        await control.secure(target)
    greeting = await control.greeting()
    if target.asks_for_tls():
        await control.auth(target)
    if target.check.user:
        await control.log_in(target.check.user, target.password)
        await control.ask("NOOP", 200)
    if target.check.data:
        again = await control.protect(target) if target.tls is not None else None
        await control.list_passively(again)
    return Outcome(True, f"greeting: {greeting}")


async def known_by_auth(visit: Visit, target: Target) -> Certificate:
    """Go as far as a server's certificate, by AUTH. Raises Failed, WireError."""
    control = _Control(visit)
    await control.greeting()
    return await control.auth(target)


async def asked_for_tls(visit: Visit) -> None:
    """Go as far as where a handshake begins, by AUTH. Raises Failed, WireError."""
    control = _Control(visit)
    await control.greeting()
    await control.begin_tls()


class _Control:
    """The control connection, from the client's side."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._reader = ReplyReader()
        self._handshake: ClientHandshake | None = None

    async def greeting(self) -> Reply:
        """A 220; a 120 promises one, within the same deadline."""
        self._visit.stage = "greeting"
        reply = await self._reply()
        while reply.code == 120:
            reply = await self._reply()
        greeting = _expect(reply, 220)
        self._visit.farewell = b"QUIT\r\n"
        return greeting

    async def auth(self, target: Target) -> Certificate:
        """TLS from here on."""
        await self.begin_tls()
        return await self.secure(target)

    async def begin_tls(self) -> None:
        """The next is a handshake. What stands behind the 234 in the clear is an attack (2)."""
        await self.ask("AUTH TLS", 234)
        if self._reader.held:
            raise Failed("more stands in the clear behind its 234")

    async def secure(self, target: Target) -> Certificate:
        """TLS, with a server that is who it should be."""
        self._visit.stage = "handshake"
        self._handshake = target.handshake()
        return await trusted(self._visit, self._handshake)

    async def protect(self, target: Target) -> ClientHandshake | None:
        """Have data protected as channels' is; the handshake for it, which goes on with this TLS
        session (T65)."""
        assert target.tls is not None, "a check in TLS has settings for it"
        assert self._handshake is not None, "data is protected after control"
        private = target.tls.settings.data != "clear"
        await self.ask("PBSZ 0", 200)
        await self.ask("PROT P" if private else "PROT C", 200)
        return target.handshake(self._handshake.resumption()) if private else None

    async def log_in(self, user: str, password: str) -> None:
        """USER, and PASS when it is asked for. A server that echoes the password is not quoted."""
        if (await self.ask(f"USER {user}", 230, 331)).code == 331:
            self._visit.stage = "PASS"
            self._send(f"PASS {password}")
            code = (await self._reply()).code
            if code not in (230, 202):
                raise Failed(f"{code}: login refused")

    async def list_passively(self, handshake: ClientHandshake | None) -> None:
        """LIST over a data connection; a list longer than the cap is cut off, having proved it."""
        data = self._visit.beside(await self._passive_port())
        self._visit.stage = "data connection"
        await data.connect()
        self._visit.stage = "LIST"
        self._send("LIST")
        _expect(await self._reply(), 125, 150)
        if handshake is not None:
            self._visit.stage = "handshake of the data connection"
            await trusted(data, handshake)
            self._visit.stage = "LIST"
        whole = await data.finished()
        final = await self._reply()
        if whole:
            _expect(final, 226, 250)

    async def ask(self, command: str, *wanted: int) -> Reply:
        """Send a command; its reply, if it is one of those wanted."""
        self._visit.stage = command.partition(" ")[0]
        self._send(command)
        return _expect(await self._reply(), *wanted)

    async def _passive_port(self) -> int:
        self._visit.stage = "EPSV"
        self._send("EPSV")
        reply = await self._reply()
        if reply.code != 229:
            reply = await self.ask("PASV", 227)
        return parse_229(reply.line) if reply.code == 229 else parse_227(reply.line).port

    # -- lines --------------------------------------------------------------------------------

    def _send(self, command: str) -> None:
        self._visit.send(f"{command}\r\n".encode())

    async def _reply(self) -> Reply:
        line = await self._line()
        while not line.final:
            if not line.code:
                raise Failed(f"not an FTP reply: {str(Reply(0, line.line))!r}")
            line = await self._line()
        return Reply(line.code, line.line)

    async def _line(self) -> ReplyLine:
        while (line := self._reader.next()) is MORE:
            self._reader.feed(await self._visit.more())
        return line


def _expect(reply: Reply, *wanted: int) -> Reply:
    if reply.code not in wanted:
        raise Failed(str(reply))
    return reply
