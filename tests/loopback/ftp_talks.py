"""Both ends of FTP control connections on real sockets, led by a test line by line.

A `Visitor` is a client. `Served` is its server: it logs everybody in and announces data channels by
itself; all that is a test's business it leaves to the test.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from tests.loopback.site import Talk
from twisted_lb.terms import Address

if TYPE_CHECKING:
    from tests.loopback.ftp_site import FtpSite

PASSIVE = ("PASV", "EPSV")
ACTIVE = ("PORT", "EPRT")

ANSWERS = {
    b"USER": b"331 Password?",
    b"PASS": b"230 Welcome",
    b"NOOP": b"200 Fine",
    b"TYPE": b"200 Fine",
}
"""What a server says by itself."""

_REPLY = re.compile(rb"(\d\d\d)(?: [^\n]*|-.*?\n\1 [^\n]*)\r\n", re.DOTALL)
_PASSIVE = re.compile(rb"227 .*\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)")
_EXTENDED = re.compile(rb"229 .*\(\|\|\|(\d+)\|\)")


def announcement(verb: str, at: Address) -> bytes:
    """PORT or EPRT that names this address."""
    if verb == "PORT":
        numbers = [*at.host.split("."), str(at.port >> 8), str(at.port & 255)]
        return b"PORT " + ",".join(numbers).encode()
    return f"EPRT |{2 if ':' in at.host else 1}|{at.host}|{at.port}|".encode()


class Data(Talk):
    """A data connection: closes when its peer has sent everything."""

    def readConnectionLost(self) -> None:
        super().readConnectionLost()
        self.closes()


class Control(Talk):
    """A control connection of the site."""

    def __init__(self, site: FtpSite) -> None:
        super().__init__()
        self.site = site

    @property
    def own(self) -> str:
        """The address of this end."""
        return self.transport.getHost().host  # type: ignore[no-any-return]


class Visitor(Control):
    """A client's control connection: asks, and takes replies one by one."""

    def __init__(self, site: FtpSite) -> None:
        super().__init__(site)
        self._taken = 0

    @property
    def rest(self) -> bytes:
        """What was heard and not taken as a reply."""
        return self.heard[self._taken :]

    async def reply(self) -> bytes:
        """The next reply, whole."""
        await self.until(lambda _: bool(self.ended or _REPLY.match(self.heard, self._taken)))
        whole = _REPLY.match(self.heard, self._taken)
        assert whole, f"{self.ended} after {self.heard[-200:]!r}"
        self._taken = whole.end()
        return whole[0].removesuffix(b"\r\n")

    async def replies(self, *codes: int) -> None:
        """The next replies begin with these codes."""
        for code in codes:
            reply = await self.reply()
            assert reply.startswith(b"%d" % code), (code, self.heard[-200:])

    def asks(self, *lines: str) -> None:
        """Send commands, all in one segment."""
        self.says("".join(line + "\r\n" for line in lines).encode())

    async def does(self, line: str, code: int) -> bytes:
        """Send a command; its reply has this code."""
        self.asks(line)
        reply = await self.reply()
        assert reply.startswith(b"%d" % code), (line, reply)
        return reply

    async def login(self) -> None:
        await self.replies(220)
        await self.does("USER joe", 331)
        await self.does("PASS secret", 230)

    async def announces(self, verb: str, kind: type[Talk] = Data) -> Deferred[Any]:
        """Announce a data channel; what is returned fires with the client's end of it."""
        if verb in ACTIVE:
            host = self.site.listens(self.own, kind)
            await self.does(announcement(verb, host.address).decode(), 200)
            return host.talk()
        return self.site.connect(await self.invited(verb), self.own, kind())

    async def invited(self, verb: str) -> Address:
        """Announce a passive data channel; where to connect to. It must be where we came to."""
        return self.address_in(await self.does(verb, 227 if verb == "PASV" else 229))

    def address_in(self, reply: bytes) -> Address:
        """Where a 227 or 229 tells to connect to."""
        there = self.transport.getPeer().host
        if numbers := _EXTENDED.match(reply):
            return Address(there, int(numbers[1]))
        numbers = _PASSIVE.match(reply)
        assert numbers, reply
        *host, high, low = (int(number) for number in numbers.groups())
        assert ".".join(map(str, host)) == there, "an address leaked"
        return Address(there, high << 8 | low)


class Served(Control):
    """A server's control connection."""

    GREETING = b"220 ready\r\n"

    def __init__(self, site: FtpSite) -> None:
        super().__init__(site)
        self.answers = dict(ANSWERS)
        self.dials_back: Callable[[], Deferred[Any]] | None = None
        """How it comes by its end of the data channel that was announced last."""
        self.announced: Address
        """Where one of us listens for that channel."""
        self._buffer = b""
        self._asked: deque[bytes] = deque()

    async def asked(self, line: str) -> None:
        """The next command that it does not answer by itself is this one."""
        await self.asked_bytes(line.encode())

    async def asked_bytes(self, line: bytes) -> None:
        await self.until(lambda _: bool(self._asked or self.ended))
        assert self._asked, f"{self.ended!r} instead of {line!r}"
        got = self._asked.popleft()
        assert got == line, (line, got)

    @property
    def unasked(self) -> list[bytes]:
        """Commands that nobody has waited for."""
        return list(self._asked)

    async def data(self) -> Any:
        """The server's end of the data channel that was announced last."""
        assert self.dials_back is not None, "no data channel was announced"
        return await self.dials_back()

    # IProtocol

    def connectionMade(self) -> None:
        self.says(self.GREETING)

    def dataReceived(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\r\n")
        for line in lines:
            self._take(line)
        super().dataReceived(data)

    def _take(self, line: bytes) -> None:
        verb, _, argument = line.partition(b" ")
        name = verb.decode("latin-1")
        if verb in self.answers:
            self.says(self.answers[verb] + b"\r\n")
        elif name in PASSIVE:
            self._invites(name)
        elif name in ACTIVE:
            self._is_invited(name, argument)
        else:
            self._asked.append(line)

    def _invites(self, verb: str) -> None:
        host = self.site.listens(self.own, Talk)
        self.dials_back, self.announced = host.talk, host.address
        if verb == "EPSV":
            self.says(b"229 Extended (|||%d|)\r\n" % host.address.port)
        else:
            named = announcement("PORT", host.address).removeprefix(b"PORT ")
            self.says(b"227 Passive (" + named + b")\r\n")

    def _is_invited(self, verb: str, argument: bytes) -> None:
        if verb == "PORT":
            *host, high, low = argument.decode().split(",")
            target = Address(".".join(host), int(high) << 8 | int(low))
        else:
            _, _, there, port, _ = argument.decode().split("|")
            target = Address(there, int(port))
        self.announced = target
        self.dials_back = lambda: self.site.connect(target, self.own, Talk())
        self.says(b"200 Fine\r\n")


async def begin(client: Visitor, server: Served, command: str, verb: str = "EPSV") -> Any:
    """A transfer that the server has accepted; the client's and the server's end of its data."""
    coming = await client.announces(verb)
    client.asks(command)
    await server.asked(command)
    server.says(b"150 Go on\r\n")
    far = await server.data()
    near = await coming
    await client.replies(150)
    return near, far
