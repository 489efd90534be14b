"""curl leaves TLS on its control connection, in both of its ways."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.certificates import Authority, written
from tests.loopback.ftp_site import FtpSite, ftp
from tests.peers import environment, program
from tests.peers.servers import PASSWORD, Server
from twisted_lb.config.settings import FrontendTls, FtpTls, ShownCertificate
from twisted_lb.facts import ConnectionEnded


@pytest.mark.peers
@pytest.mark.parametrize("way", ["active", "passive"])
@pytest_twisted.ensureDeferred
async def test_curl_leaves_tls_and_its_data_stays_protected(
    ftp_site: FtpSite, vsftpd: Server, tmp_path: Path, way: str
) -> None:
    """T61: `active` says close_notify first, `passive` waits for ours and says none."""
    authority = Authority()
    ca = written(authority.pem, tmp_path / "ca.pem")
    shown = ShownCertificate(written(authority.sign("127.0.0.1"), tmp_path / "front.pem"))
    tls = FrontendTls("starttls", certificates=(shown,))
    at = vsftpd.site
    ftp_site.start(ftp(at.port, at.host, frontend={"tls": tls}, tls=FtpTls(ccc="allowed")))
    port = ftp_site.balancer.address("ftp").port

    def fetch() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program("curl"), "-q", "-sSv", "--ssl-reqd", "--cacert", ca, "--ftp-ssl-ccc",
             "--ftp-ssl-ccc-mode", way, "-u", f"{vsftpd.user}:{PASSWORD}", f"ftp://127.0.0.1:{port}/"],
            env=environment(), capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    run = await deferToThread(fetch)
    assert run.returncode == 0, run.stderr
    assert "< 200 In the clear from here on." in run.stderr
    await ftp_site.until(lambda: [f.ending for f in ftp_site.of(ConnectionEnded)] == ["done"])
