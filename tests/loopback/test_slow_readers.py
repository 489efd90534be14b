"""Attack 11, the readers: who reads slowly lives, who never reads is cut in time."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import LoopingCall

from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftp_talks import begin
from tests.loopback.site import Site, Talk
from tests.loopback.streams import source
from tests.loopback.test_opaque import one_frontend
from twisted_lb.facts import ConnectionEnded, TransferEnded

TIME = 0.8
"""Seconds without movement that a test sets; the sweep adds up to one."""
LONG = 3.0
SIP, EVERY = 2_048, 0.05
WHOLE = bytes(400_000)
"""More than is sipped while a test lasts, less than our kernel takes at once."""


def holds_little(talk: Talk) -> socket.socket:
    """Nothing reads this socket from now on but the test, and its kernel holds little."""
    talk.transport.pauseProducing()
    handle: socket.socket = talk.transport.getHandle()
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
    return handle


@contextmanager
def sipping(talk: Talk) -> Iterator[None]:
    """A slow reader: 40 KB a second."""
    handle = holds_little(talk)

    def sip() -> None:
        with suppress(OSError):  # nothing has come yet; or it was cut, as the test will find
            handle.recv(SIP)

    turn = LoopingCall(sip)
    turn.start(EVERY, now=False)
    try:
        yield
    finally:
        turn.stop()


async def lives(site: Site, seconds: float) -> None:
    """So long, nothing of it ends."""
    until = reactor.seconds() + seconds
    await site.until(lambda: reactor.seconds() > until)
    assert site.endings(ConnectionEnded) + site.endings(TransferEnded) == []


@pytest_twisted.ensureDeferred
async def test_a_session_whose_client_reads_slowly_is_not_idle(site: Site) -> None:
    """Its server said all of it at once: nothing comes for longer than the idle time."""
    port = site.serve("127.0.0.2")
    site.start(one_frontend(port, "127.0.0.2", idle=TIME))
    client = await site.client("in")
    server = await site.hosts[0].talk()
    with sipping(client):
        server.says(WHOLE)
        await lives(site, LONG)
    await site.until(lambda: site.endings(ConnectionEnded) == ["idle"])


@pytest_twisted.ensureDeferred
async def test_a_session_whose_client_never_reads_is_idle(site: Site) -> None:
    port = site.serve("127.0.0.2", protocol=source(64 << 20))
    site.start(one_frontend(port, "127.0.0.2", idle=TIME))
    holds_little(await site.client("in"))
    await site.until(lambda: site.endings(ConnectionEnded) == ["idle"])


@pytest_twisted.ensureDeferred
async def test_a_download_that_is_read_slowly_is_not_stalled(ftp_site: FtpSite) -> None:
    """The time of `stall_timeout` begins when nothing is taken any more."""
    port = ftp_site.serve_ftp("127.0.0.2")
    ftp_site.start(ftp(port, "127.0.0.2", stall_timeout=TIME))
    client, server = await ftp_site.session()
    near, far = await begin(client, server, "RETR a", "EPSV")
    with sipping(near):
        far.says(WHOLE)
        await lives(ftp_site, LONG)
        assert not far.ended
    await far.ends("reset")
