"""Attacks on FTP's data channels and lines, on real sockets: refused, told, nobody else hurt."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import gatherResults
from twisted.internet.error import ConnectionRefusedError

from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftp_talks import Served, Visitor, announcement, begin
from twisted_lb.facts import AttackSeen, ConnectionEnded
from twisted_lb.protocols.actions import Side
from twisted_lb.terms import Address

CLIENT, SERVER, THIRD = "127.0.0.8", "127.0.0.2", "127.0.0.9"
FILE = os.urandom(100_000)


async def session(site: FtpSite, kind: type[Served] = Served, **rules: Any) -> Any:
    """A client that has logged in to the only server."""
    site.start(ftp(site.serve_ftp(SERVER, kind=kind), SERVER, **rules))
    return await site.session(CLIENT)


async def fetch(client: Visitor, server: Served, verb: str = "EPSV") -> None:
    """A whole download: the session is as good as ever."""
    near, far = await begin(client, server, "RETR a", verb)
    far.says(FILE)
    far.closes()
    await near.gone()
    assert near.heard == FILE
    server.says(b"226 Done\r\n")
    await client.replies(226)


def seen(site: FtpSite) -> list[str]:
    return [fact.kind for fact in site.of(AttackSeen)]


class TestBounce:
    """Attack 5: nobody has us connect, or be connected, to somebody else."""

    @pytest.mark.parametrize("verb", ["PORT", "EPRT"])
    @pytest.mark.parametrize("host", [THIRD, "127.0.0.1", SERVER, "0.0.0.0", "192.0.2.1"])
    @pytest_twisted.ensureDeferred
    async def test_a_client_cannot_name_another_host(
        self, ftp_site: FtpSite, verb: str, host: str
    ) -> None:
        """A third, ourselves, the server, nobody, anybody."""
        client, server = await session(ftp_site)
        trap = ftp_site.listens(THIRD)
        await client.does(announcement(verb, Address(host, trap.address.port)).decode(), 501)
        assert seen(ftp_site) == ["bounce"]
        assert (server.unasked, ftp_site.standing().ports) == ([], (0, 0))
        client.asks("RETR a")
        await server.asked("RETR a")
        server.says(b"425 Where to?\r\n")
        await client.replies(425)
        await fetch(client, server, verb)
        assert trap.talks == []

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            ("PORT 127,0,0,8,0,25", 501),
            ("EPRT |1|127.0.0.8|1023|", 501),
            ("EPRT |1|127.0.0.8|0|", 501),
            ("EPRT |1|127.0.0.8|65536|", 501),
            ("EPRT |2|127.0.0.8|30000|", 522),
            ("EPRT |2|::1|30000|", 522),
            ("EPRT |3|127.0.0.8|30000|", 522),
            ("PORT 127,0,0,8,256,1", 501),
            ("PORT 127,0,0,08,100,1", 501),
            ("PORT 127,0,0,010,100,1", 501),
            ("PORT 127,0,0,8,100", 501),
            ("PORT 127,0,0,8,100,1,2", 501),
            ("PORT 127, 0,0,8,100,1", 501),
            ("LPRT 4,4,127,0,0,8,2,100,1", 502),
        ],
    )
    @pytest_twisted.ensureDeferred
    async def test_an_address_that_is_none_or_odd_is_refused_and_not_sent_on(
        self, ftp_site: FtpSite, line: str, code: int
    ) -> None:
        client, server = await session(ftp_site)
        await client.does(line, code)
        await client.does("NOOP", 200)
        assert server.unasked == []
        assert server.dials_back is None
        assert ftp_site.standing().ports == (0, 0)

    @pytest_twisted.ensureDeferred
    async def test_a_server_s_227_that_names_another_host_is_not_followed(
        self, ftp_site: FtpSite
    ) -> None:
        """Its port counts, on the host of the control connection; told once, not for each."""
        client, server = await session(ftp_site, Lying)
        for _ in range(2):
            await fetch(client, server, "PASV")
        assert [trap.talks for trap in server.traps] == [[], []]
        assert seen(ftp_site) == ["foreign-227"]


class Lying(Served):
    """Sends data connections to somebody else, who listens at the same port."""

    def __init__(self, site: FtpSite) -> None:
        super().__init__(site)
        self.traps: list[Any] = []

    def says(self, data: bytes) -> None:
        if data.startswith(b"227"):
            self.traps.append(self.site.listens(THIRD, port=self.announced.port))
            data = data.replace(b"127,0,0,2", b"127,0,0,9")
        super().says(data)


class TestTheft:
    """Attack 6: who comes first does not get another's data."""

    @pytest.mark.parametrize("verb", ["PASV", "EPSV"])
    @pytest_twisted.ensureDeferred
    async def test_a_third_host_that_comes_first_is_refused_and_the_client_is_served(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        client, server = await session(ftp_site)
        invited = await client.invited(verb)
        client.asks("RETR a")
        await server.asked("RETR a")
        for _ in range(3):
            thief = await ftp_site.connect(invited, THIRD)
            await thief.until(lambda talk: bool(talk.ended))
            assert thief.heard == b""
        near = await ftp_site.connect(invited, CLIENT)
        far = await server.data()
        far.says(FILE)
        await near.hears(FILE)
        assert seen(ftp_site) == ["data-theft"] * 3

    @pytest_twisted.ensureDeferred
    async def test_a_third_host_cannot_send_in_the_server_s_place(self, ftp_site: FtpSite) -> None:
        """The port that the server was told is for the server alone."""
        client, server = await session(ftp_site, server_data="active")
        invited = await client.invited("EPSV")
        thief = await ftp_site.connect(server.announced, THIRD)
        thief.says(b"forged")
        await thief.until(lambda talk: bool(talk.ended))
        near = await ftp_site.connect(invited, CLIENT)
        client.asks("RETR a")
        await server.asked("RETR a")
        far = await server.data()
        far.says(FILE)
        await near.hears(FILE)
        assert seen(ftp_site) == ["data-theft"]

    @pytest_twisted.ensureDeferred
    async def test_one_announcement_takes_one_connection(self, ftp_site: FtpSite) -> None:
        """Of two at the same moment one is served; later ones find no port."""
        client, server = await session(ftp_site)
        invited = await client.invited("EPSV")
        coming = [ftp_site.connect(invited, CLIENT) for _ in range(2)]
        first, second = await gatherResults(coming)
        client.asks("RETR a")
        await server.asked("RETR a")
        far = await server.data()
        far.says(FILE)
        await ftp_site.until(lambda: FILE in (first.heard, second.heard))
        served, refused = (first, second) if first.heard else (second, first)
        await refused.until(lambda talk: bool(talk.ended))
        assert (served.heard, refused.heard) == (FILE, b"")
        assert seen(ftp_site) == ["data-theft"]
        with pytest.raises(ConnectionRefusedError):
            await ftp_site.connect(invited, CLIENT)

    @pytest_twisted.ensureDeferred
    async def test_ports_are_in_the_range_in_no_order_and_do_not_come_again_soon(
        self, ftp_site: FtpSite
    ) -> None:
        """T51."""
        client, _ = await session(ftp_site, passive_ports=(20_000, 20_999))
        ports = [(await client.invited("EPSV")).port for _ in range(100)]
        assert all(20_000 <= port <= 20_999 for port in ports)
        assert len(set(ports)) == len(ports)
        steps = [after - before for before, after in pairwise(ports)]
        assert 30 < sum(step > 0 for step in steps) < 70
        assert len(set(steps)) > 80

    @pytest_twisted.ensureDeferred
    async def test_an_announcement_expires(self, ftp_site: FtpSite) -> None:
        client, server = await session(ftp_site, data_timeout=0.1)
        invited = await client.invited("EPSV")
        await ftp_site.until(lambda: ftp_site.standing().ports == (0, 0))
        with pytest.raises(ConnectionRefusedError):
            await ftp_site.connect(invited, CLIENT)
        client.asks("RETR a")
        await server.asked("RETR a")
        server.says(b"150 Here\r\n226 Done\r\n")
        await client.replies(150, 425)


class TestLines:
    """Attack 8: what could be read in two ways is not passed on."""

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            (b"CWD a\rDELE b\r\n", 501),
            (b"CWD a\r\rDELE b\r\n", 501),
            (b"CWD a\0b\r\n", 501),
            (b"CWD a\r\0DELE b\r\n", 501),
            (b"CWD " + b"a" * 8189 + b"\r\n", 500),
            (b"CWD " + b"a" * 65_536 + b"\r\n", 500),
            (b"\r\n", 500),
            (b"\x1b]0;owned\x07\r\n", 500),
        ],
        ids=["bare-cr", "two-cr", "nul", "cr-nul", "8k", "64k", "empty", "escape"],
    )
    @pytest_twisted.ensureDeferred
    async def test_a_line_that_is_no_command_is_answered_once_and_not_sent_on(
        self, ftp_site: FtpSite, line: bytes, code: int
    ) -> None:
        client, server = await session(ftp_site)
        client.says(line)
        await client.replies(code)
        await client.does("NOOP", 200)
        assert client.rest == b""
        assert server.unasked == []

    @pytest.mark.parametrize(
        ("line", "arrives"),
        [
            (b"CWD caf\xe9\r\n", "CWD caf\xe9"),
            (b"CWD caf\xc3\xa9\r\n", "CWD caf\xc3\xa9"),
            (b"CWD a\xff\xffb\r\n", "CWD a\xff\xffb"),
            (b"CWD a%0d%0ab\r\n", "CWD a%0d%0ab"),
            (b"\xff\xfb\x18\xff\xfd\x01CWD a\r\n", "CWD a"),
            (b"\xff\xfa\x18\x01\xff\xf0CWD a\r\n", "CWD a"),
        ],
        ids=["latin-1", "utf-8", "iac-iac", "percent", "options", "subnegotiation"],
    )
    @pytest_twisted.ensureDeferred
    async def test_a_name_of_any_other_bytes_arrives_as_it_is(
        self, ftp_site: FtpSite, line: bytes, arrives: str
    ) -> None:
        """T57; Telnet's commands are nobody's name."""
        client, server = await session(ftp_site)
        client.says(line)
        await server.asked_bytes(arrives.encode("latin-1"))
        server.says(b"250 Fine\r\n")
        await client.replies(250)

    @pytest_twisted.ensureDeferred
    async def test_a_227_inside_another_reply_is_text(self, ftp_site: FtpSite) -> None:
        """T81."""
        client, server = await session(ftp_site)
        text = b"250-Look:\r\n227 Entering Passive Mode (10,0,0,1,4,1)\r\n250 227 (10,0,0,1,4,1)"
        client.asks("CWD 227")
        await server.asked("CWD 227")
        server.says(text + b"\r\n")
        assert await client.reply() == text
        assert ftp_site.standing().ports == (0, 0)

    @pytest.mark.parametrize(
        "said",
        [
            b"227 Entering Passive Mode (10,0,0,1,4,1)\r\n",
            b"227-Entering\r\n227 Entering Passive Mode (10,0,0,1,4,1)\r\n",
            b"229 Extended (|||1025|)\r\n",
            b"200 Fine\r\n227 Entering Passive Mode (10,0,0,1,4,1)\r\n",
            b"200 Fine\n227 Entering Passive Mode (10,0,0,1,4,1)\r\n",
        ],
        ids=["227", "227-", "229", "after-another", "bare-lf"],
    )
    @pytest_twisted.ensureDeferred
    async def test_an_address_that_nobody_asked_for_ends_the_session(
        self, ftp_site: FtpSite, said: bytes
    ) -> None:
        """Attack 22: a client might go there, past us."""
        client, server = await session(ftp_site)
        server.says(said)
        await client.until(lambda talk: bool(talk.ended))
        assert b"10,0,0,1" not in client.heard and b"1025" not in client.heard
        assert client.rest.endswith(b"421 Protocol error, closing control connection.\r\n")
        await ftp_site.until(lambda: bool(ftp_site.endings(ConnectionEnded)))
        assert ftp_site.endings(ConnectionEnded) == ["wire-error"]


class TestConfusion:
    """Attack 19: only a whole command on a control connection that has logged in opens a port."""

    @pytest_twisted.ensureDeferred
    async def test_commands_and_replies_inside_data_are_data(self, ftp_site: FtpSite) -> None:
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "STOR a")
        trap = ftp_site.listens(THIRD)
        said = b"\r\n" + announcement("PORT", trap.address) + b"\r\nPASV\r\n"
        heard = b"\r\n227 Entering Passive Mode (127,0,0,9,100,1)\r\n"
        near.says(said)
        far.says(heard)
        await far.hears(said)
        await near.hears(heard)
        await client.does("NOOP", 200)
        assert (server.unasked, ftp_site.standing().ports, trap.talks) == ([], (0, 0), [])

    @pytest.mark.parametrize("verb", ["PASV", "EPSV", "PORT", "EPRT"])
    @pytest_twisted.ensureDeferred
    async def test_no_port_is_opened_before_the_login(self, ftp_site: FtpSite, verb: str) -> None:
        ftp_site.start(ftp(ftp_site.serve_ftp(SERVER), SERVER))
        client = await ftp_site.visit(CLIENT)
        await client.replies(220)
        host = ftp_site.listens(CLIENT)
        line = verb if verb in ("PASV", "EPSV") else announcement(verb, host.address).decode()
        await client.does(line, 530)
        ftp_site.watch()
        assert ftp_site.standing().ports == (0, 0)
        assert ftp_site.hosts[0].talks[0].dials_back is None

    @pytest.mark.parametrize(
        ("line", "codes"),
        [
            (b"CWD a PORT %s\r\n", [250, 200]),
            (b" PORT %s\r\n", [500, 200]),
            (b"CWD " + b"a" * 9000 + b"PORT %s\r\n", [500, 200]),
            (b"\xff\xfa\x18PORT %s\r\n\xff\xf0", [200]),
            (b"GET PORT %s HTTP/1.1\r\n", [500, 200]),
        ],
        ids=["argument", "blank", "tail-of-a-long-line", "subnegotiation", "web"],
    )
    @pytest_twisted.ensureDeferred
    async def test_port_anywhere_but_at_the_start_of_a_line_is_no_port(
        self, ftp_site: FtpSite, line: bytes, codes: list[int]
    ) -> None:
        client, server = await session(ftp_site)
        server.answers |= {b"CWD": b"250 Fine", b"GET": b"500 What?"}
        address = announcement("PORT", Address(CLIENT, 30_000)).removeprefix(b"PORT ")
        client.says(line % address)
        client.asks("NOOP")
        await client.replies(*codes)
        assert server.dials_back is None
        assert ftp_site.standing().ports == (0, 0)

    @pytest_twisted.ensureDeferred
    async def test_a_command_that_comes_byte_by_byte_is_one_command(
        self, ftp_site: FtpSite
    ) -> None:
        """T80: and its half is none."""
        client, _ = await session(ftp_site)
        host = ftp_site.listens(CLIENT)
        whole = announcement("PORT", host.address) + b"\r\n"
        begun = b"USER joe\r\nPASS secret\r\n"
        for count in range(1, len(whole)):
            client.says(whole[count - 1 : count])
            await ftp_site.has_heard(Side.CLIENT, len(begun) + count)
            assert ftp_site.standing().ports == (0, 0)
        client.says(whole[-1:])
        await client.replies(200)
        await ftp_site.until(lambda: ftp_site.standing().ports == (0, 1))
