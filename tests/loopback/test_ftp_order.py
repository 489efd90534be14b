"""FTP's commands and replies around a transfer: in order, none lost, no byte cut off."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest
import pytest_twisted

from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftp_talks import PASSIVE, announcement, begin
from twisted_lb.facts import ConnectionEnded, TransferEnded
from twisted_lb.protocols.actions import Side

SERVER = "127.0.0.2"
FILE = os.urandom(300_000)
HALF = len(FILE) // 2

both_ways = pytest.mark.parametrize("verb", ["EPSV", "EPRT"])


async def session(site: FtpSite, **rules: Any) -> Any:
    """A client that has logged in to the only server."""
    site.start(ftp(site.serve_ftp(SERVER), SERVER, **rules))
    return await site.session()


class TestSuccessAndTheLastByte:
    """T5: 226 and the end of the data come in any order, and both arrive whole."""

    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_success_told_before_the_last_byte_cuts_nothing_off(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "RETR a", verb)
        far.says(FILE[:HALF])
        server.says(b"226 Done\r\n")
        await client.replies(226)
        far.says(FILE[HALF:])
        far.closes()
        await near.gone()
        assert (near.ended, near.heard) == ("closed", FILE)

    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_success_told_long_after_the_last_byte_arrives(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "RETR a", verb)
        far.says(FILE)
        far.closes()
        await near.gone()
        assert (near.ended, near.heard) == ("closed", FILE)
        await far.gone()
        server.says(b"226 Done\r\n")
        await client.replies(226)

    @pytest_twisted.ensureDeferred
    async def test_a_server_that_is_done_before_the_client_comes_is_not_believed_yet(
        self, ftp_site: FtpSite
    ) -> None:
        """Told of success the client might not come any more, and the bytes would be lost."""
        client, server = await session(ftp_site, server_data="active")
        invited = await client.invited("PASV")
        client.asks("RETR a")
        await server.asked("RETR a")
        far = await server.data()
        far.says(FILE[:1000])
        far.closes()
        said = b"150 Here\r\n226 Done\r\n"
        server.says(said)
        greeted = b"220 ready\r\n331 Password?\r\n230 Welcome\r\n200 Fine\r\n"
        await ftp_site.has_heard(Side.SERVER, len(greeted + said))
        await client.replies(150)
        assert client.rest == b""
        near = await ftp_site.connect(invited, client.own)
        await near.ends("eof")
        assert near.heard == FILE[:1000]
        near.closes()
        await client.replies(226)

    @pytest_twisted.ensureDeferred
    async def test_an_upload_that_ends_before_the_server_has_come_arrives_whole(
        self, ftp_site: FtpSite
    ) -> None:
        client, server = await session(ftp_site, server_data="active")
        near = await (await client.announces("PASV"))
        near.says(FILE)
        near.closes()
        client.asks("STOR a")
        await server.asked("STOR a")
        far = await server.data()
        await far.ends("eof")
        assert far.heard == FILE
        far.closes()
        server.says(b"150 Send\r\n226 Done\r\n")
        await client.replies(150, 226)

    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_a_failure_told_in_the_middle_arrives_with_what_was_sent(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "RETR a", verb)
        far.says(FILE[:HALF])
        server.says(b"451 The disk is gone\r\n")
        far.closes()
        await near.gone()
        assert (near.ended, near.heard) == ("closed", FILE[:HALF])
        await client.replies(451)


class TestAbort:
    """T4: a reset of one leg is a reset of the other, never the clean end of a file."""

    @pytest.mark.parametrize("command", ["RETR a", "STOR a"])
    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_a_client_that_resets_its_data_resets_the_server_s(
        self, ftp_site: FtpSite, verb: str, command: str
    ) -> None:
        client, server = await session(ftp_site)
        near, far = await begin(client, server, command, verb)
        near.says(b"a part")
        far.says(b"a part")
        await near.hears(b"a part")
        await far.hears(b"a part")
        near.resets()
        await far.gone()
        assert far.ended == "reset"
        server.says(b"426 Aborted\r\n")
        await client.replies(426)
        assert ftp_site.endings(TransferEnded) == ["client-left"]

    @pytest.mark.parametrize("how", ["closes", "resets"])
    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_a_client_that_closes_in_the_middle_of_a_download_left(
        self, ftp_site: FtpSite, verb: str, how: str
    ) -> None:
        """T94: however the server takes it."""
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "RETR a", verb)
        far.says(b"a part")
        await near.hears(b"a part")
        near.closes()
        await far.until(lambda talk: bool(talk.ended))
        getattr(far, how)()
        server.says(b"426 Aborted\r\n")
        await client.replies(426)
        await ftp_site.until(lambda: bool(ftp_site.endings(TransferEnded)))
        assert ftp_site.endings(TransferEnded) == ["client-left"]

    @pytest.mark.parametrize("command", ["RETR a", "STOR a"])
    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_a_server_that_resets_its_data_resets_the_client_s(
        self, ftp_site: FtpSite, verb: str, command: str
    ) -> None:
        client, server = await session(ftp_site)
        near, far = await begin(client, server, command, verb)
        near.says(b"a part")
        far.says(b"a part")
        await near.hears(b"a part")
        await far.hears(b"a part")
        far.resets()
        await near.gone()
        assert near.ended == "reset"
        server.says(b"426 Aborted\r\n")
        await client.replies(426)
        assert ftp_site.endings(TransferEnded) == ["server-closed"]

    @pytest.mark.parametrize(
        "segments",
        [
            [(b"ABOR\r\n", 0)],
            [(b"\xff\xf4\xff", socket.MSG_OOB), (b"\xf2ABOR\r\n", 0)],
            [(b"\xff\xf4\xff\xf2", socket.MSG_OOB), (b"ABOR\r\n", 0)],
            [(b"ABOR\r\n", socket.MSG_OOB)],
        ],
        ids=["plain", "synch", "urgent-mark", "all-urgent"],
    )
    @pytest_twisted.ensureDeferred
    async def test_abor_reaches_the_server_with_and_without_telnet_s_urgent_signal(
        self, ftp_site: FtpSite, segments: list[tuple[bytes, int]]
    ) -> None:
        """T14: the signal is for Telnet, the server sees the command.

        Whether its mark came along is seen by a server of its own: `tests/test_urgent.py`.
        """
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "RETR a")
        far.says(FILE)
        await near.until(lambda talk: len(talk.heard) > 0)
        for data, flags in segments:
            client.transport.getHandle().send(data, flags)
        synch = b"\xff\xf4\xff" if b"\xf2" in segments[0][0] + segments[-1][0] else b""
        await server.asked_bytes(synch + b"ABOR")
        far.resets()
        server.says(b"426 Transfer aborted\r\n226 Abort successful\r\n")
        await client.replies(426, 226)
        assert client.rest == b""
        await near.gone()
        await client.does("NOOP", 200)

    @pytest.mark.parametrize(
        "said",
        [
            (b"426 Aborted", b"226 Abort successful"),
            (b"226 Transfer complete", b"225 No transfer to abort"),
            (b"226 Transfer complete", b"226 Abort successful"),
            (b"425 Aborted", b"225 Abort successful"),
        ],
        ids=lambda said: "+".join(reply[:3].decode() for reply in said),
    )
    @pytest_twisted.ensureDeferred
    async def test_what_the_server_says_to_abor_arrives_as_it_was_said(
        self, ftp_site: FtpSite, said: tuple[bytes, bytes]
    ) -> None:
        """T16: ABOR races the end of the transfer; whoever wins, two replies are two replies."""
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "RETR a")
        client.asks("ABOR")
        await server.asked("ABOR")
        far.closes()
        for reply in said:
            server.says(reply + b"\r\n")
            assert await client.reply() == reply
        await near.gone()
        await client.does("NOOP", 200)
        assert client.rest == b""


class TestWhileDataMoves:
    @pytest_twisted.ensureDeferred
    async def test_stat_is_answered_during_the_transfer(self, ftp_site: FtpSite) -> None:
        """T15, T30."""
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "RETR a")
        client.asks("STAT")
        await server.asked("STAT")
        server.says(b"211-Status:\r\n 226 bytes of 300000\r\n211 End\r\n")
        assert await client.reply() == b"211-Status:\r\n 226 bytes of 300000\r\n211 End"
        await client.does("NOOP", 200)
        far.closes()
        await near.gone()
        server.says(b"226 Done\r\n")
        await client.replies(226)

    @pytest.mark.parametrize("verb", ["ABOR", "STAT", "QUIT"])
    @pytest_twisted.ensureDeferred
    async def test_some_commands_do_not_wait_for_a_transfer_that_has_not_begun(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        """T30: a server that waits for its data channel can be asked, and told to stop waiting."""
        client, server = await session(ftp_site)
        near = await (await client.announces("EPSV"))
        client.asks("RETR a", verb)
        await server.asked("RETR a")
        await server.asked(verb)
        far = await server.data()
        far.resets()
        await near.gone()
        server.says(b"426 Not now\r\n")
        await client.replies(426)

    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_quit_waits_for_the_transfer_to_finish(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        """T10: both replies in the order they are said, then the close."""
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "RETR a", verb)
        far.says(FILE[:HALF])
        client.asks("QUIT")
        await server.asked("QUIT")
        far.says(FILE[HALF:])
        far.closes()
        await near.gone()
        assert (near.ended, near.heard) == ("closed", FILE)
        server.says(b"226 Done\r\n221 Good-bye\r\n")
        server.closes()
        await client.replies(226, 221)
        await client.ends("eof")
        assert client.rest == b""
        client.closes()
        await ftp_site.until(lambda: bool(ftp_site.endings(ConnectionEnded)))
        assert ftp_site.endings(ConnectionEnded) == ["done"]

    @both_ways
    @pytest_twisted.ensureDeferred
    async def test_a_server_that_says_good_bye_at_once_still_finishes_the_transfer(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        """T10, T83: its control connection ends before its data."""
        client, server = await session(ftp_site)
        near, far = await begin(client, server, "RETR a", verb)
        far.says(FILE[:HALF])
        client.asks("QUIT")
        await server.asked("QUIT")
        server.says(b"221 Good-bye\r\n")
        server.closes()
        await client.replies(221)
        await client.ends("eof")
        client.closes()
        await client.gone()
        far.says(FILE[HALF:])
        far.closes()
        await near.gone()
        assert (near.ended, near.heard) == ("closed", FILE)
        await ftp_site.until(lambda: bool(ftp_site.endings(TransferEnded)))
        assert ftp_site.endings(TransferEnded) == ["done"]


class TestPipelines:
    """T20: what is sent at once is answered in order."""

    @pytest.mark.parametrize("verb", PASSIVE)
    @pytest_twisted.ensureDeferred
    async def test_a_transfer_asked_for_before_its_announcement_is_answered(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        client, server = await session(ftp_site)
        client.asks("TYPE I", verb, "RETR a", "SYST")
        await client.replies(200)
        await server.asked("RETR a")
        near = await ftp_site.connect(client.address_in(await client.reply()), client.own)
        server.says(b"150 Here\r\n")
        await server.asked("SYST")
        server.says(b"215 UNIX\r\n")
        far = await server.data()
        far.says(FILE)
        far.closes()
        await near.ends("eof")
        assert near.heard == FILE
        near.closes()
        server.says(b"226 Done\r\n")
        await client.replies(150, 215, 226)

    @pytest.mark.parametrize("verb", ["PORT", "EPRT"])
    @pytest_twisted.ensureDeferred
    async def test_announcement_and_transfer_in_one_segment(
        self, ftp_site: FtpSite, verb: str
    ) -> None:
        client, server = await session(ftp_site)
        host = ftp_site.listens(client.own)
        client.asks(announcement(verb, host.address).decode(), "LIST")
        await client.replies(200)
        await server.asked("LIST")
        server.says(b"150 Here\r\n")
        far = await server.data()
        far.says(b"a\r\nb\r\n")
        far.closes()
        near = await host.talk()
        await near.gone()
        assert near.heard == b"a\r\nb\r\n"
        server.says(b"226 Done\r\n")
        await client.replies(150, 226)

    @pytest_twisted.ensureDeferred
    async def test_a_whole_session_in_one_segment(self, ftp_site: FtpSite) -> None:
        ftp_site.start(ftp(ftp_site.serve_ftp(SERVER), SERVER))
        client = await ftp_site.visit()
        host = ftp_site.listens(client.own)
        port = announcement("PORT", host.address).decode()
        client.asks("USER joe", "PASS secret", "TYPE I", port, "RETR a", "QUIT")
        server = await ftp_site.hosts[0].talk()
        await server.asked("RETR a")
        server.says(b"150 Here\r\n")
        far = await server.data()
        far.says(FILE)
        far.closes()
        near = await host.talk()
        await near.gone()
        assert near.heard == FILE
        await server.asked("QUIT")
        server.says(b"226 Done\r\n221 Good-bye\r\n")
        server.closes()
        await client.replies(220, 331, 230, 200, 200, 150, 226, 221)
        await client.ends("eof")
        assert client.rest == b""


class TestNamesAndChannelsInOddOrder:
    @pytest_twisted.ensureDeferred
    async def test_a_name_given_by_the_server_passes_before_the_channel_is_announced(
        self, ftp_site: FtpSite
    ) -> None:
        """T26: pyftpdlib says 150 to STOU and waits for the channel."""
        client, server = await session(ftp_site)
        client.asks("STOU")
        await server.asked("STOU")
        server.says(b"150 FILE: odd\xe9 name.1\r\n")
        assert await client.reply() == b"150 FILE: odd\xe9 name.1"
        coming = await client.announces("EPRT")
        far = await server.data()
        near = await coming
        near.says(FILE)
        near.closes()
        await far.ends("eof")
        assert far.heard == FILE
        far.closes()
        server.says(b"226 Done\r\n")
        await client.replies(226)

    @pytest_twisted.ensureDeferred
    async def test_a_refused_transfer_is_answered_at_once_without_any_channel(
        self, ftp_site: FtpSite
    ) -> None:
        """T2."""
        client, server = await session(ftp_site)
        client.asks("RETR missing")
        await server.asked("RETR missing")
        server.says(b"550 No such file\r\n")
        await client.replies(550)
        client.asks("LIST")
        await server.asked("LIST")
        server.says(b"425 Use PORT or PASV first\r\n")
        await client.replies(425)
