"""`lb-proxyctl drain --wait` on a server that is in the middle of FTP transfers."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.loopback.admins import Admin, socket_in
from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.test_ftp_life import FILE, begin
from twisted_lb.config.settings import BackendTimeout
from twisted_lb.ctl import main
from twisted_lb.facts import SessionEnded, TransferEnded

SERVER, OTHER = "127.0.0.2", "127.0.0.3"


@pytest_twisted.ensureDeferred
async def test_it_returns_when_the_last_session_has_ended_by_itself(
    ftp_site: FtpSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Late channels of living sessions are served; new sessions go elsewhere."""
    ftp_site.start(ftp(ftp_site.serve_ftp(SERVER, OTHER), SERVER, OTHER))
    admin = Admin(ftp_site, socket_in(tmp_path))
    try:
        client, server = await ftp_site.session()
        [session] = ftp_site.sessions
        near, far = await begin(client, server, "RETR a")
        at = ["--at", admin.settings.socket]
        named = str(session.server)
        waiting = deferToThread(main, ["drain", named, "--wait", "--timeout", "30s", *at])
        await ftp_site.until(lambda: session.server is not None and session.server.admin == "drain")
        for _ in range(4):
            await ftp_site.session()
            assert str(ftp_site.sessions[-1].server) != named
        far.says(FILE)
        far.closes()
        await near.gone()
        assert near.heard.endswith(FILE)
        server.says(b"226 Done\r\n")
        await client.replies(226)
        late, its = await begin(client, server, "RETR b")  # of a living session
        its.closes()
        await late.gone()
        server.says(b"226 Done\r\n")
        await client.replies(226)
        assert not waiting.called, "a session is left"
        client.asks("QUIT")
        await server.asked("QUIT")
        server.says(b"221 Bye\r\n")
        server.closes()
        await client.replies(221)
        client.closes()
        assert await waiting == 0
        told = capsys.readouterr().out.splitlines()
        assert told == [f"{named}: 1 session", f"{named}: 0 sessions", "drained"]
        assert ftp_site.endings(TransferEnded) == ["done", "done"]
        assert ftp_site.endings(SessionEnded) == ["done"]
    finally:
        await admin.stop()


@pytest_twisted.ensureDeferred
async def test_the_backend_s_deadline_ends_them_with_421(
    ftp_site: FtpSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    timeout = BackendTimeout(connect=2.0, queue=2.0, drain=0.3)
    settings = ftp(ftp_site.serve_ftp(SERVER), SERVER, backend={"timeout": timeout})
    ftp_site.start(settings)
    admin = Admin(ftp_site, socket_in(tmp_path))
    try:
        client, server = await ftp_site.session()
        near, _ = await begin(client, server, "RETR a")
        asks = ["drain", "back/a", "--wait", "--json", "--at", admin.settings.socket]
        waiting = deferToThread(main, asks)
        await client.replies(421)
        await near.gone()
        client.closes()
        assert await waiting == 0
        assert json.loads(capsys.readouterr().out)["sessions"] == 0
        assert ftp_site.endings(SessionEnded) == ["drained"]
    finally:
        await admin.stop()


@pytest_twisted.ensureDeferred
async def test_who_waits_no_longer_leaves_the_server_draining(
    ftp_site: FtpSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ftp_site.start(ftp(ftp_site.serve_ftp(SERVER), SERVER))
    admin = Admin(ftp_site, attrs.evolve(socket_in(tmp_path)))
    try:
        await ftp_site.session()
        asks = ["drain", "back/a", "--wait", "--timeout", "10ms", "--at", admin.settings.socket]
        assert await deferToThread(main, asks) == 3
        assert capsys.readouterr().err == "1 session left after 0s\n"
        assert ftp_site.balancer.server("back", "a").admin == "drain"
    finally:
        await admin.stop()
