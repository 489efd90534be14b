"""testssl.sh looks at the TLS of an implicit FTPS port with default settings."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.certificates import Authority, written
from tests.loopback.ftp_site import FtpSite, ftp
from tests.peers import ROOT, environment, program
from twisted_lb.config.settings import FrontendTls, ShownCertificate
from twisted_lb.terms import Address

FINE = ("OK", "INFO", "LOW", "WARN", "DEBUG")
"""Severities that are no finding above LOW. WARN tells what testssl could not look at."""
ALLOWED: dict[str, str] = {}
"""Finding → why it is none of ours."""


@pytest.mark.soak
@pytest.mark.peers
@pytest_twisted.ensureDeferred
async def test_nothing_above_low_is_found(ftp_site: FtpSite, tmp_path: Path) -> None:
    authority = Authority()
    ca = written(authority.pem, tmp_path / "ca.pem")
    pem = authority.sign("127.0.0.1", days=89, revoked_at="http://crl.example/ca.crl")
    shown = ShownCertificate(written(pem, tmp_path / "front.pem"))
    ftp_site.start(
        ftp(21, "127.0.0.2", frontend={"tls": FrontendTls("terminate", certificates=(shown,))})
    )
    at = ftp_site.balancer.address("ftp")
    found = await deferToThread(scan, at, ca, tmp_path / "found.json")
    told = {one["id"]: f"{one['severity']}: {one['finding']}" for one in found}
    assert told["TLS1_3"].startswith("OK"), "it did not look"
    assert told["TLS1_2"].startswith("OK")
    assert told["cert_trust"].startswith("OK")
    bad = {one["id"] for one in found if one["severity"] not in FINE}
    assert bad == set(ALLOWED), {name: told[name] for name in bad}


def scan(at: Address, ca: str, to: Path) -> list[dict[str, str]]:
    env = {**environment(), "TESTSSL_INSTALL_DIR": f"{ROOT}/etc/testssl"}
    run = subprocess.run(
        ["bash", program("testssl"), "--quiet", "--color", "0", "--warnings", "batch",
         "--jsonfile", to, "--add-ca", ca, f"{at.host}:{at.port}"],
        env=env, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert to.exists(), run.stdout + run.stderr
    found: list[dict[str, str]] = json.loads(to.read_text())
    return found
