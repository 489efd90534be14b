"""ABOR on a server that hears it by its urgent mark only: it waits for a reader of its data."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import pytest_twisted

from tests.loopback.ftp_site import FtpSite, ftp
from tests.matrix.network import loopback
from tests.peers.servers import PASSWORD, Server, Site, running
from tests.peers.test_death import OFF, begins
from tests.peers.test_death import Reluctant as Unread
from twisted_lb.facts import TransferEnded

pytestmark = pytest.mark.peers

LARGE = random.Random(2).randbytes(40_000_000)
"""More than all buffers between server and client hold."""


@pytest.fixture
def vsftpd() -> Iterator[Server]:
    """With `async_abor_enable`."""
    net = loopback()
    with TemporaryDirectory(prefix="lb-abort-") as name:
        ground = Path(name)
        ground.chmod(0o755)
        site = Site("a", net.servers_at[4][0], net.port, ground / "a")
        with running("vsftpd", site, LARGE) as server:
            yield server


@pytest_twisted.ensureDeferred
async def test_a_server_that_waits_for_a_reader_is_told_of_abor(
    ftp_site: FtpSite, vsftpd: Server
) -> None:
    """T14: vsftpd ends the transfer at once, though nobody ever reads a byte of it."""
    where = vsftpd.site
    ftp_site.start(ftp(where.port, where.host, backend={"check": OFF}))
    visitor = await ftp_site.visit()
    await visitor.replies(220)
    await visitor.does("USER anonymous", 331)
    await visitor.does(f"PASS {PASSWORD}", 230)
    coming = await visitor.announces("EPSV", Unread)
    await begins(visitor, "RETR get/m-large")
    unread = await coming
    control = visitor.transport.getHandle()
    control.send(b"\xff\xf4\xff\xf2", socket.MSG_OOB)
    control.send(b"ABOR\r\n")
    await visitor.replies(426, 226)
    assert unread.got == 0
    await visitor.does("NOOP", 200)
    unread.resets()
    await ftp_site.until(lambda: bool(ftp_site.endings(TransferEnded)))
    assert ftp_site.endings(TransferEnded) == ["client-left"]
