"""Settings that only show in a corner: each seen to change what happens, on real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted

from tests.certificates import Authority, written
from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.site import Site
from tests.loopback.test_health_probes import Servers, servers
from tests.loopback.test_opaque import one_frontend
from twisted_lb.config.settings import Check
from twisted_lb.facts import CertificateExpiring

__all__ = ["servers"]

DAY = 86_400.0


@pytest.mark.parametrize("span", [(24_990, 24_994), (24_995, 24_999)])
@pytest_twisted.ensureDeferred
async def test_servers_are_sent_to_the_ports_that_are_theirs(
    ftp_site: FtpSite, span: tuple[int, int]
) -> None:
    rules: dict[str, Any] = {"server_data": "active", "server_ports": span}
    ftp_site.start(ftp(ftp_site.serve_ftp("127.0.0.2"), "127.0.0.2", **rules))
    client, server = await ftp_site.session()
    for _ in range(3):
        await client.invited("EPSV")
        assert span[0] <= server.announced.port <= span[1]


@pytest.mark.parametrize(("warning", "told"), [(10 * DAY, [9]), (8 * DAY, [])])
@pytest_twisted.ensureDeferred
async def test_an_operator_is_warned_in_time_of_a_certificate_that_ends(
    site: Site,
    servers: Servers,
    tmp_path: Path,
    warning: float,
    told: list[int],
) -> None:
    authority = Authority()
    port = servers.serve(authority.sign("front.example", days=9.5))
    check = Check(
        type="tls",
        name="front.example",
        ca=written(authority.pem, tmp_path / "ca.pem"),
        interval=0.05,
        rise=1,
        expiry_warning=warning,
    )
    settings = one_frontend(port, "127.0.0.1")
    backend = attrs.evolve(settings.backends["back"], check=check)
    site.start(attrs.evolve(settings, backends={"back": backend}))
    await site.until(lambda: len(servers.peers) > 1)  # so the first check is over
    days = [int(fact.days) for fact in site.facts if isinstance(fact, CertificateExpiring)]
    assert days == told
    await site.balancer.stopService()


@pytest.mark.parametrize("kind", ["opaque", "ftp"])
@pytest_twisted.ensureDeferred
async def test_a_client_is_hashed_to_one_server_whatever_its_session_is_called(
    ftp_site: FtpSite, kind: str
) -> None:
    """`source-hash` where every connection is a session of its own, and again after a restart."""
    servers = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
    if kind == "ftp":
        settings = ftp(ftp_site.serve_ftp(*servers), *servers)
    else:
        settings = one_frontend(ftp_site.serve(*servers), *servers)
    hashing = attrs.evolve(settings.backends["back"], balance="source-hash")
    for _ in range(2):
        ftp_site.start(attrs.evolve(settings, backends={"back": hashing}))
        for number in range(1, 7):
            at = ftp_site.balancer.address(settings.frontends[0].name)
            count = sum(len(host.talks) for host in ftp_site.hosts)
            client = await ftp_site.connect(at, "127.0.9.1" if number % 2 else "127.0.9.2")
            await ftp_site.until(
                lambda count=count: sum(len(host.talks) for host in ftp_site.hosts) > count
            )
            client.resets()
        await ftp_site.balancer.stopService()
    used = sorted(len(host.talks) for host in ftp_site.hosts)
    assert used in ([0, 6, 6], [0, 0, 12])
