"""The ftp check: is there an FTP server that greets, takes a login, moves data? (T88)

The greeting always; with a user also login and NOOP; with `data` also a passive data connection,
to the host of the control connection whatever a 227 says (attack 5). QUIT in any case.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..terms import MORE
from ..wire.ftp import ReplyLine, ReplyReader
from ..wire.ftpaddress import parse_227, parse_229
from .target import Outcome, Target
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
    greeting = await control.greeting()
    visit.farewell = b"QUIT\r\n"
    if target.check.user:
        await control.log_in(target.check.user, target.password)
        await control.ask("NOOP", 200)
    if target.check.data:
        await control.list_passively()
    return Outcome(True, f"greeting: {greeting}")


class _Control:
    """The control connection, from the client's side."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._reader = ReplyReader()

    async def greeting(self) -> Reply:
        """A 220; a 120 promises one, within the same deadline."""
        self._visit.stage = "greeting"
        reply = await self._reply()
        while reply.code == 120:
            reply = await self._reply()
        return _expect(reply, 220)

    async def log_in(self, user: str, password: str) -> None:
        """USER, and PASS when it is asked for. A server that echoes the password is not quoted."""
        if (await self.ask(f"USER {user}", 230, 331)).code == 331:
            self._visit.stage = "PASS"
            self._send(f"PASS {password}")
            code = (await self._reply()).code
            if code not in (230, 202):
                raise Failed(f"{code}: login refused")

    async def list_passively(self) -> None:
        """LIST over a data connection; a list longer than the cap is cut off, having proved it."""
        data = self._visit.beside(await self._passive_port())
        self._visit.stage = "data connection"
        await data.connect()
        self._visit.stage = "LIST"
        self._send("LIST")
        _expect(await self._reply(), 125, 150)
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
