"""The life of an FTP session: where it begins, what stays with it, what ends with it."""

from __future__ import annotations

import os
from typing import Any

import attrs
import pytest
import pytest_twisted

from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftp_talks import Served, begin
from twisted_lb.facts import ConnectionEnded, SessionEnded, TransferEnded

SERVER, OTHER = "127.0.0.2", "127.0.0.3"
FILE = os.urandom(300_000)
HALF = len(FILE) // 2

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


class TestItsServer:
    """T1: data channels go to the session's server, whatever became of the pool since."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda site, server: setattr(server, "weight", 0),
            lambda site, server: setattr(server, "up", False),
            lambda site, server: site.balancer.set_admin(server, "drain"),
            lambda site, server: site.balancer.set_admin(server, "maintenance"),
            lambda site, server: setattr(server, "ejected_until", float("inf")),
            lambda site, server: site.balancer.claims.down(server, end=False),
        ],
        ids=["weightless", "down", "draining", "maintained", "ejected", "kept"],
    )
    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_a_server_that_takes_nobody_new_serves_whom_it_has(
        self, ftp_site: FtpSite, verb: str, change: Any
    ) -> None:
        ftp_site.start(ftp(ftp_site.serve_ftp(SERVER, OTHER), SERVER, OTHER))
        client, server = await ftp_site.session()
        [session] = ftp_site.sessions
        assert session.server is not None
        change(ftp_site, session.server)
        await fetch(client, server, verb)
        assert ftp_site.of(TransferEnded)[0].server == str(session.server)

    @pytest_twisted.ensureDeferred
    async def test_a_server_at_its_limit_lets_a_late_channel_wait_until_there_is_room(
        self, ftp_site: FtpSite
    ) -> None:
        settings = ftp(ftp_site.serve_ftp(SERVER), SERVER)
        [rule] = settings.backends["back"].servers
        limited = attrs.evolve(settings.backends["back"], servers=(attrs.evolve(rule, maxconn=3),))
        ftp_site.start(attrs.evolve(settings, backends={"back": limited}))
        first, its_server = await ftp_site.session()
        second, other_server = await ftp_site.session()
        near, far = await begin(first, its_server, "RETR a")
        waiting = await second.announces("EPSV")
        second.asks("RETR a")
        await other_server.asked("RETR a")
        far.closes()
        await near.gone()
        late = await other_server.data()
        late.says(FILE)
        late.closes()
        data = await waiting
        await data.gone()
        assert data.heard == FILE


class Refusing(Served):
    """Is full, politely."""

    GREETING = b"421-Too many users\r\n421 Come back later\r\n"

    def connectionMade(self) -> None:
        super().connectionMade()
        self.closes()


class Patient(Served):
    """Makes its client wait."""

    GREETING = b"120 Ready in a minute\r\n220 ready\r\n"


class TestItsGreeting:
    """T21."""

    @pytest_twisted.ensureDeferred
    async def test_120_is_passed_on_and_220_follows(self, ftp_site: FtpSite) -> None:
        ftp_site.start(ftp(ftp_site.serve_ftp(SERVER, kind=Patient), SERVER))
        client = await ftp_site.visit()
        await client.replies(120, 220)
        await client.does("NOOP", 200)

    @pytest_twisted.ensureDeferred
    async def test_a_server_that_says_421_is_passed_by(self, ftp_site: FtpSite) -> None:
        kinds = {SERVER: Refusing, OTHER: Served}
        port = ftp_site.serve_each(kinds)
        ftp_site.start(ftp(port, SERVER, OTHER))
        for _ in range(2):
            client = await ftp_site.visit()
            await client.replies(220)
        assert client.rest == b""

    @pytest_twisted.ensureDeferred
    async def test_when_all_say_421_the_client_hears_it_and_is_closed(
        self, ftp_site: FtpSite
    ) -> None:
        ftp_site.start(ftp(ftp_site.serve_ftp(SERVER, OTHER, kind=Refusing), SERVER, OTHER))
        client = await ftp_site.visit()
        assert await client.reply() == b"421-Too many users\r\n421 Come back later"
        await client.ends("eof")
        assert client.rest == b""
        client.closes()
        await ftp_site.until(lambda: bool(ftp_site.endings(ConnectionEnded)))
        assert ftp_site.endings(ConnectionEnded) == ["no-server"]


class TestItsEnd:
    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_a_server_that_closes_control_with_a_word_finishes_its_transfer(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        """T83: the client hears the server's last reply, and all of its data."""
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "RETR a", verb)
        far.says(FILE[:HALF])
        server.says(b"421 Timeout\r\n")
        server.closes()
        assert await client.reply() == b"421 Timeout"
        await client.ends("eof")
        assert client.rest == b""
        client.closes()
        far.says(FILE[HALF:])
        far.closes()
        await near.gone()
        assert (near.ended, near.heard) == ("closed", FILE)

    @pytest.mark.parametrize("how", ["closes", "resets"])
    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_a_server_that_goes_without_a_word_takes_its_data_along(
        self, ftp_site: FtpSite, verb: str, how: str
    ) -> None:
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "RETR a", verb)
        far.says(b"a part")
        await near.hears(b"a part")
        getattr(server, how)()
        await client.replies(421)
        await near.gone()
        assert near.ended == "reset"
        await ftp_site.until(lambda: bool(ftp_site.endings(SessionEnded)))
        assert ftp_site.endings(SessionEnded) == ["server-down"]

    @pytest.mark.parametrize("how", ["closes", "resets"])
    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_a_client_that_leaves_its_control_may_finish_its_upload(
        self, ftp_site: FtpSite, verb: str, how: str
    ) -> None:
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "STOR a", verb)
        near.says(FILE[:HALF])
        getattr(client, how)()
        await client.gone()
        near.says(FILE[HALF:])
        near.closes()
        await far.ends("eof")
        assert far.heard == FILE
        far.closes()
        server.says(b"226 Done\r\n")
        await server.ends("eof")
        assert ftp_site.endings(TransferEnded) == ["done"]

    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_a_transfer_without_control_does_not_outlive_the_grace(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        client, server = await session(ftp_site, grace=0.1)
        near, far = await begin(client, server, "RETR a", verb)
        far.says(b"a part")
        await near.hears(b"a part")
        client.closes()
        await server.ends("eof")
        await near.gone()
        await far.gone()
        assert (near.ended, far.ended) == ("reset", "reset")
        await ftp_site.until(lambda: ftp_site.endings(SessionEnded) == ["client-left"])

    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_a_drain_whose_deadline_has_come_says_421(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        """T85."""
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "RETR a", verb)
        [one] = ftp_site.balancer.servers
        ftp_site.balancer.set_admin(one, "drain")
        await client.does("NOOP", 200)
        ftp_site.balancer.claims.evict(one, "drained")
        await client.replies(421)
        await near.gone()
        await far.gone()
        assert (near.ended, far.ended) == ("reset", "reset")
        assert ftp_site.endings(SessionEnded) == ftp_site.endings(ConnectionEnded) == ["drained"]


class TestItsClientsNextSession:
    """T86: a hint where the last one was."""

    @pytest_twisted.ensureDeferred
    async def test_a_client_returns_to_its_server_unless_that_takes_nobody(
        self, ftp_site: FtpSite
    ) -> None:
        addresses = (SERVER, OTHER, "127.0.0.4")
        port = ftp_site.serve_ftp(*addresses)
        ftp_site.start(ftp(port, *addresses, sticky=("source",)))
        visitor, server = await ftp_site.session("127.0.1.1")
        usual = server.own
        for number in range(2, 7):
            visitor.resets()
            await ftp_site.until(lambda: not ftp_site.sessions)
            stranger, _ = await ftp_site.session(f"127.0.1.{number}")
            visitor, server = await ftp_site.session("127.0.1.1")
            assert server.own == usual
            stranger.resets()
        [one] = [each for each in ftp_site.balancer.servers if each.host == usual]
        ftp_site.balancer.set_admin(one, "drain")
        _, server = await ftp_site.session("127.0.1.1")
        assert server.own != usual


@pytest_twisted.ensureDeferred
async def test_the_log_tells_of_each_transfer_and_never_of_a_password(ftp_site: FtpSite) -> None:
    """T94."""
    client, server = await session(ftp_site)
    await fetch(client, server)
    [told] = ftp_site.of(TransferEnded)
    [one] = ftp_site.sessions
    assert (told.session, told.user, told.server) == (one.id, "joe", "back/a")
    assert (told.command, told.path, told.bytes) == ("RETR", "a", len(FILE))
    assert (told.ending, told.reply) == ("done", 226)
    assert 0 < told.seconds < 10
    assert "secret" not in str(ftp_site.facts)
