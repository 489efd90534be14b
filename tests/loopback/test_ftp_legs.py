"""The legs of FTP's data channels: those that are replaced, do not come, or stand still."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import deferLater

from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftp_talks import Data, Served, begin
from twisted_lb.facts import SessionEnded, TransferEnded

SERVER = "127.0.0.2"
FILE = os.urandom(300_000)

both_ways = pytest.mark.parametrize("verb", ["EPSV", "EPRT"])


async def session(site: FtpSite, **rules: Any) -> Any:
    """A client that has logged in to the only server."""
    site.start(ftp(site.serve_ftp(SERVER), SERVER, **rules))
    return await site.session()


async def fetch(client: Any, server: Any, verb: str = "EPSV") -> None:
    """A whole download."""
    near, far = await begin(client, server, "RETR a", verb)
    far.says(FILE)
    far.closes()
    await near.gone()
    assert near.heard == FILE
    server.says(b"226 Done\r\n")
    await client.replies(226)


def two_free_ports() -> tuple[int, int]:
    """Neighbours that nobody listens on."""
    for port in range(25_000, 30_000, 2):
        try:
            for each in (port, port + 1):
                socket.create_server(("127.0.0.1", each)).close()
        except OSError:
            continue
        return port, port + 1
    raise AssertionError("no two ports are free")


class TestPorts:
    @pytest.mark.parametrize("verb", ["PASV", "EPSV"])
    @pytest_twisted.ensureDeferred
    async def test_a_new_announcement_replaces_the_old_one(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        """T3: the old port refuses, the new one works."""
        client, server = await session(ftp_site)
        old = await client.invited(verb)
        new = await client.invited(verb)
        assert ftp_site.standing().ports == (1, 0)
        with pytest.raises(ConnectionRefusedError):
            await ftp_site.connect(old, client.own)
        near = await ftp_site.connect(new, client.own)
        client.asks("RETR a")
        await server.asked("RETR a")
        far = await server.data()
        far.says(FILE)
        await near.hears(FILE)

    @pytest_twisted.ensureDeferred
    async def test_when_every_port_is_taken_the_client_is_told_at_once_and_later_served(
        self, ftp_site: FtpSite
    ) -> None:
        """T92."""
        first, _ = await session(ftp_site, passive_ports=two_free_ports())
        second, _ = await ftp_site.session()
        third, its_server = await ftp_site.session()
        await first.invited("EPSV")
        await second.invited("PASV")
        before = reactor.seconds()
        await third.does("EPSV", 425)
        await third.does("PASV", 425)
        assert reactor.seconds() - before < 1.0
        assert ftp_site.standing().ports == (2, 0)
        second.resets()
        await ftp_site.until(lambda: ftp_site.standing().ports == (1, 0))
        await fetch(third, its_server)

    @pytest_twisted.ensureDeferred
    async def test_a_client_that_does_not_listen_gets_425_and_goes_on(
        self, ftp_site: FtpSite
    ) -> None:
        """T23: the server's leg is given up, so that the server can end the transfer."""
        client, server = await session(ftp_site)
        coming = await client.announces("EPRT")
        ftp_site.hosts[-1].shuts()
        coming.addErrback(lambda failure: None).cancel()
        client.asks("RETR a")
        await server.asked("RETR a")
        server.says(b"150 Here\r\n")
        far = await server.data()
        await far.gone()
        assert far.ended == "reset"
        server.says(b"226 Done, I believe\r\n")
        await client.replies(150, 425)
        await fetch(client, server)
        assert ftp_site.endings(TransferEnded) == ["client-left", "done"]


class Deaf(Served):
    """Invites to a port where it does not listen."""

    def says(self, data: bytes) -> None:
        if data.startswith(b"229"):
            self.site.hosts[-1].shuts()  # type: ignore[attr-defined]
        super().says(data)


class TestLegsThatDoNotCome:
    """T23 from the other side, T92: whoever waits is told, and nothing stays open."""

    @pytest_twisted.ensureDeferred
    async def test_a_server_that_does_not_listen_costs_the_client_its_channel_and_no_more(
        self, ftp_site: FtpSite
    ) -> None:
        ftp_site.start(ftp(ftp_site.serve_ftp(SERVER, kind=Deaf), SERVER))
        client, server = await ftp_site.session()
        near = await ftp_site.connect(await client.invited("EPSV"), client.own)
        await near.ends("reset")
        client.asks("RETR a")
        await server.asked("RETR a")
        server.says(b"425 Nobody came\r\n")
        await client.replies(425)
        await fetch(client, server, "EPRT")
        assert ftp_site.endings(TransferEnded) == ["server-refused", "done"]

    @pytest_twisted.ensureDeferred
    async def test_a_server_is_told_when_the_client_does_not_come(self, ftp_site: FtpSite) -> None:
        """Its own timer may be long: it is knocked at, and ends the transfer by itself."""
        client, server = await session(ftp_site, data_timeout=0.1)
        await client.invited("EPSV")
        client.asks("RETR a")
        await server.asked("RETR a")
        server.says(b"150 Come\r\n")
        far = await server.data()
        await far.gone()
        assert (far.heard, far.ended) == (b"", "reset")
        server.says(b"426 Who was that\r\n")
        await client.replies(150, 426)
        assert ftp_site.endings(TransferEnded) == ["too-slow"]

    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_a_server_that_says_no_more_of_it_is_not_waited_for(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        soon = {"data_timeout": 0.1, "stall_timeout": 0.1}
        client, server = await session(ftp_site, **soon, server_data="active")
        coming = await client.announces(verb)
        client.asks("RETR a")
        await server.asked("RETR a")
        server.says(b"150 I come\r\n")
        await client.replies(150, 425)
        await client.does("NOOP", 200)
        assert ftp_site.standing().ports == (0, 0)
        coming.addErrback(lambda failure: None).cancel()


class TestSilence:
    """T29."""

    @pytest.fixture(autouse=True)
    def looks_often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("twisted_lb.relay.idle.LOOK_EVERY", 0.02)

    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_a_stalled_data_channel_ends_and_its_session_goes_on(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        client, server = await session(ftp_site, stall_timeout=0.1)
        near, far = await begin(client, server, "RETR a", verb)
        await near.gone()
        await far.gone()
        assert (near.ended, far.ended) == ("reset", "reset")
        server.says(b"426 Stalled\r\n")
        await client.replies(426)
        await fetch(client, server, verb)
        assert ftp_site.endings(TransferEnded) == ["idle", "done"]

    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_control_is_not_idle_while_data_moves_and_afterwards_it_is(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        idle = 1.0
        client, server = await session(ftp_site, group={"idle": idle})
        near, far = await begin(client, server, "RETR a", verb)
        began = reactor.seconds()
        while reactor.seconds() - began < 2 * idle:
            far.says(b"x")
            heard = len(near.heard)
            await near.until(lambda talk, heard=heard: len(talk.heard) > heard)
            await deferLater(reactor, idle / 10)
        await client.does("NOOP", 200)
        stopped = reactor.seconds()
        assert b"Idle" in await client.reply()
        assert reactor.seconds() - stopped > idle * 0.9
        await near.gone()
        await far.gone()
        assert ftp_site.endings(SessionEnded) == ["idle"]


class TestServersThatTakeTheirTime:
    """A file on tape: far longer than `data_timeout` between the client's wish and its bytes."""

    @pytest.mark.parametrize("told", ["before", "after"])
    @pytest_twisted.ensureDeferred
    async def test_an_active_transfer_finds_its_listener_still_there(
        self, ftp_site: FtpSite, told: str
    ) -> None:
        """Whether the server says its 1xx before the long wait, or when it is over."""
        client, server = await session(ftp_site, data_timeout=0.1)
        coming = await client.announces("EPRT")
        client.asks("RETR a")
        await server.asked("RETR a")
        if told == "before":
            server.says(b"150 From tape\r\n")
            await client.replies(150)
        await deferLater(reactor, 0.3)
        if told == "after":
            server.says(b"150 From tape\r\n")
            await client.replies(150)
        far = await server.data()
        near = await coming
        far.says(FILE)
        far.closes()
        await near.gone()
        assert near.heard == FILE
        server.says(b"226 Done\r\n")
        await client.replies(226)

    @pytest_twisted.ensureDeferred
    async def test_a_client_may_wait_with_its_connection_until_the_server_has_spoken(
        self, ftp_site: FtpSite
    ) -> None:
        client, server = await session(ftp_site, data_timeout=0.1)
        invited = await client.invited("EPSV")
        client.asks("RETR a")
        await server.asked("RETR a")
        await deferLater(reactor, 0.3)
        near = await ftp_site.connect(invited, client.own, Data())
        server.says(b"150 From tape\r\n")
        far = await server.data()
        far.says(FILE)
        far.closes()
        await near.gone()
        assert near.heard == FILE

    @pytest_twisted.ensureDeferred
    async def test_a_server_that_has_accepted_and_does_not_come_is_waited_for_as_long_as_a_stall(
        self, ftp_site: FtpSite
    ) -> None:
        rules = {"server_data": "active", "data_timeout": 0.1, "stall_timeout": 0.3}
        client, server = await session(ftp_site, **rules)
        near = await (await client.announces("EPSV"))
        client.asks("RETR a")
        await server.asked("RETR a")
        began = reactor.seconds()
        server.says(b"150 From tape\r\n")
        await near.gone()
        assert 0.25 < reactor.seconds() - began < 3.0
        assert near.ended == "reset"
        server.says(b"425 The tape is torn\r\n")
        await client.replies(150, 425)
        await ftp_site.until(lambda: ftp_site.endings(TransferEnded) == ["too-slow"])
