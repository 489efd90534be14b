"""Attacks that send too much: what is held stays small, a line that never ends ends a session."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted

from tests.loopback.floods import Drain, Pour, digest, holding_less_than, unsent
from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftp_talks import Served, begin
from tests.loopback.site import Site
from tests.loopback.test_opaque import one_frontend
from twisted_lb.facts import ConnectionEnded, ServerChanged, SessionEnded

SERVER, OTHER = "127.0.0.2", "127.0.0.3"
MEGABYTE = 1_000_000
LITTLE = 3 * MEGABYTE
"""Far less than what is sent, far more than what may be held."""


async def session(site: FtpSite, kind: type[Served] = Served, **rules: Any) -> Any:
    site.start(ftp(site.serve_ftp(SERVER, kind=kind), SERVER, **rules))
    return await site.session()


class TestTelnet:
    """Attack 9."""

    @pytest.mark.parametrize("pattern", [b"\xff\xff", b"\xff\xfa\x18", b"\xff"], ids=bytes.hex)
    @pytest_twisted.ensureDeferred
    async def test_an_opaque_frontend_does_not_care(self, site: Site, pattern: bytes) -> None:
        total = 10 * MEGABYTE
        whole = digest(pattern, total)
        port = site.serve(SERVER, protocol=Drain)
        site.start(one_frontend(port, SERVER))
        client = await site.client("in")
        server: Any = await site.hosts[0].talk()
        with holding_less_than(LITTLE):
            Pour(client, pattern, total)
            await server.until(lambda talk: talk.count == total)
        assert server.digest.digest() == whole

    @pytest.mark.parametrize(
        ("pattern", "total"),
        [(b"\xff\xff", 10 * MEGABYTE), (b"\xff\xfa\x18", 9 * MEGABYTE), (b"\xff\xfb\x18", 300_000)],
        ids=["doubled", "unended", "will"],
    )
    @pytest_twisted.ensureDeferred
    async def test_ftp_s_control_holds_little_of_it_and_finds_the_next_command(
        self, ftp_site: FtpSite, pattern: bytes, total: int
    ) -> None:
        """A name without end, options without end, IAC SB without IAC SE: that ends at a cap."""
        client, server = await session(ftp_site)
        with holding_less_than(LITTLE):
            pour = Pour(client, pattern, total)
            await ftp_site.until(lambda: pour.done)
            client.says(b"\r\nNOOP" * 2000 + b"\r\n")
            await client.until(lambda talk: talk.heard.endswith(b"200 Fine\r\n" * 500))
        assert server.unasked == []


class Endless(Served):
    """Begins to greet."""

    GREETING = b"220"


class Rude(Served):
    """Resets who comes."""

    GREETING = b"220 "

    def connectionMade(self) -> None:
        self.resets()


class TestServers:
    """Attack 22."""

    @pytest.mark.parametrize("opening", [b"", b"220 ", b"230-", b"220-\r\n"])
    @pytest_twisted.ensureDeferred
    async def test_a_reply_line_without_an_end_ends_the_session_with_421(
        self, ftp_site: FtpSite, opening: bytes
    ) -> None:
        client, server = await session(ftp_site)
        with holding_less_than(LITTLE):
            server.says(opening)
            pour = Pour(server, b"x", 100 * MEGABYTE)
            await client.until(lambda talk: bool(talk.ended))
            client.closes()
            await server.gone()
        assert not pour.done
        assert b"\r\n421 " in b"\r\n" + client.rest or b"220 Closing." in client.rest
        assert ftp_site.endings(ConnectionEnded) == ["wire-error"]
        await ftp_site.until(lambda: not ftp_site.sessions)

    @pytest_twisted.ensureDeferred
    async def test_a_greeting_without_an_end_is_passed_by(self, ftp_site: FtpSite) -> None:
        port = ftp_site.serve_each({SERVER: Endless, OTHER: Served})
        ftp_site.start(ftp(port, SERVER, OTHER, backend={"balance": "first"}))
        with holding_less_than(LITTLE):
            client = await ftp_site.visit()
            endless = await ftp_site.hosts[0].talk()
            pour = Pour(endless, b"x", 100 * MEGABYTE)
            await client.replies(220)
            await endless.gone()
        assert not pour.done
        assert client.heard == Served.GREETING

    @pytest_twisted.ensureDeferred
    async def test_a_server_that_resets_its_clients_is_passed_by_and_ejected(
        self, ftp_site: FtpSite
    ) -> None:
        port = ftp_site.serve_each({SERVER: Rude, OTHER: Served})
        ftp_site.start(ftp(port, SERVER, OTHER, backend={"balance": "first"}))
        for _ in range(5):
            client = await ftp_site.visit()
            await client.replies(220)
        assert len(ftp_site.hosts[0].talks) == 3
        [change] = ftp_site.of(ServerChanged)
        assert (change.server, change.state) == ("back/a", "ejected")

    @pytest_twisted.ensureDeferred
    async def test_a_server_that_talks_to_a_client_who_does_not_read_is_paused(
        self, ftp_site: FtpSite
    ) -> None:
        client, server = await session(ftp_site)
        client.transport.pauseProducing()
        with holding_less_than(LITTLE):
            pour = Pour(server, b"200-" + b"x" * 1000 + b"\r\n", 100 * MEGABYTE)
            await stalls(ftp_site, pour)
        assert not pour.done
        client.transport.resumeProducing()
        client.resets()
        await ftp_site.until(lambda: not ftp_site.balancer.stories)

    @pytest_twisted.ensureDeferred
    async def test_replies_that_have_to_wait_are_not_collected(self, ftp_site: FtpSite) -> None:
        """T5: behind a success that the client is not told of before it has come for its data."""
        client, server = await session(ftp_site, server_data="active")
        invited = await client.invited("EPSV")
        client.asks("RETR a")
        await server.asked("RETR a")
        (await server.data()).closes()
        server.says(b"150 Here\r\n226 Done\r\n")
        with holding_less_than(LITTLE):
            pour = Pour(server, b"200 " + b"x" * 1000 + b"\r\n", 4 * MEGABYTE)
            await stalls(ftp_site, pour)
        await client.replies(150)
        assert (client.rest, client.ended) == (b"", "")
        await ftp_site.connect(invited, client.own)
        await client.replies(226)
        await client.until(lambda talk: len(talk.heard) > 3.9 * MEGABYTE)


class TestClients:
    @pytest_twisted.ensureDeferred
    async def test_commands_that_nobody_answers_are_not_collected(self, ftp_site: FtpSite) -> None:
        client, server = await session(ftp_site)
        with holding_less_than(LITTLE):
            pour = Pour(client, b"SITE x\r\n", 100 * MEGABYTE)
            await stalls(ftp_site, pour)
        assert not pour.done
        assert (len(server.unasked), client.ended, server.ended) == (1, "", "")

    @pytest.mark.parametrize("line", [b"\r\n", b"AUTH TLS\r\n"])
    @pytest_twisted.ensureDeferred
    async def test_answers_of_ours_that_nobody_reads_are_not_collected(
        self, ftp_site: FtpSite, line: bytes
    ) -> None:
        client, _ = await session(ftp_site, refused_commands=10**9)
        client.transport.pauseProducing()
        pour = Pour(client, line, 100 * MEGABYTE)
        await stalls(ftp_site, pour)
        assert not pour.done
        assert unsent() < 2 * LITTLE
        client.transport.resumeProducing()
        client.resets()
        await ftp_site.until(lambda: not ftp_site.balancer.stories)

    @pytest_twisted.ensureDeferred
    async def test_a_flood_of_empty_lines_ends_the_session_with_421(
        self, ftp_site: FtpSite
    ) -> None:
        """Attack 25."""
        client, _ = await session(ftp_site)
        client.says(b"\r\n" * 30_000)
        await client.until(lambda talk: bool(talk.ended))
        assert client.heard.count(b"\r\n500 ") == 100
        assert client.rest.endswith(b"421 Protocol error, closing control connection.\r\n")
        assert ftp_site.endings(ConnectionEnded) == ["wire-error"]

    @pytest.mark.parametrize("verb", ["EPSV", "EPRT"])
    @pytest_twisted.ensureDeferred
    async def test_a_download_that_is_not_read_waits_at_the_server(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        """T93."""
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "RETR a", verb)
        near.transport.pauseProducing()
        with holding_less_than(LITTLE):
            pour = Pour(far, b"x", 100 * MEGABYTE)
            await stalls(ftp_site, pour)
        assert not pour.done
        await client.does("NOOP", 200)
        near.resets()
        await far.gone()
        assert far.ended == "reset"
        assert ftp_site.endings(SessionEnded) == []

    @pytest.mark.parametrize("verb", ["EPSV", "EPRT"])
    @pytest_twisted.ensureDeferred
    async def test_an_upload_that_is_not_read_waits_at_the_client(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        """T93."""
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "STOR a", verb)
        far.transport.pauseProducing()
        with holding_less_than(LITTLE):
            pour = Pour(near, b"x", 100 * MEGABYTE)
            await stalls(ftp_site, pour)
        assert not pour.done
        await client.does("NOOP", 200)
        far.resets()
        await near.gone()
        assert near.ended == "reset"

    @pytest_twisted.ensureDeferred
    async def test_many_listings_at_once_leave_memory_flat(self, ftp_site: FtpSite) -> None:
        """T93: half a megabyte each, of both ends and what is between, however long they are."""
        ftp_site.start(ftp(ftp_site.serve_ftp(SERVER), SERVER))
        pairs = [await ftp_site.session() for _ in range(40)]
        ends = [await begin(client, server, "LIST") for client, server in pairs]
        for near, _ in ends:
            near.dataReceived = lambda data: None
        with holding_less_than(40 * MEGABYTE // 2):
            pours = [Pour(far, b"x" * 80 + b"\r\n", 2 * MEGABYTE) for _, far in ends]
            await ftp_site.until(lambda: all(pour.done for pour in pours))


async def stalls(site: Site, pour: Pour) -> None:
    """Wait until nothing was taken for a hundred looks in a row."""
    looks = [0, -1]

    def stands() -> bool:
        looks[0] = looks[0] + 1 if pour.poured == looks[1] else 0
        looks[1] = pour.poured
        return looks[0] > 100

    await site.until(stands)
