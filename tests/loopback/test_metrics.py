"""Metrics of a balancer on real sockets: what a scrape tells of sessions that really were."""

from __future__ import annotations

import pytest_twisted
from twisted.internet import reactor

from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.test_ftp_channels import download, upload
from tests.promlint import families, lint
from tests.running import STARTED
from twisted_lb.admin.metrics import Metrics
from twisted_lb.config.settings import Check
from twisted_lb.facts import Checked


def watched(site: FtpSite) -> Metrics:
    """The metrics of this site's balancer, to which everything is told that it has told."""
    metrics = Metrics(reactor, STARTED)
    metrics.watch(site.balancer)
    for fact in site.facts:
        metrics(fact)
    return metrics


def figures(text: bytes, name: str) -> dict[tuple[str, ...], float]:
    """The series of this name that are not 0: the values of the labels, by the labels' names."""
    samples = [s for f in families(text).values() for s in f.samples]
    named = [s for s in samples if s.name == f"twisted_lb_{name}"]
    return {tuple(v for _, v in sorted(s.labels.items())): s.value for s in named if s.value}


@pytest_twisted.ensureDeferred
async def test_a_session_with_transfers_both_ways(ftp_site: FtpSite) -> None:
    ftp_site.start(ftp(ftp_site.serve_ftp("127.0.0.2", "127.0.0.3"), "127.0.0.2", "127.0.0.3"))
    client, server = await ftp_site.session()
    await download(client, server, "EPSV", b"x" * 100_000)
    await upload(client, server, "PORT", b"y" * 2_000)
    text = watched(ftp_site).text()
    assert lint(text) == []
    assert figures(text, "channels_total") == {("ftp", "control"): 1, ("ftp", "data"): 2}
    assert figures(text, "affinity_lookups_total") == {("ftp", "new"): 1, ("ftp", "announced"): 2}
    assert figures(text, "channels_open") == {("ftp", "joined", "control"): 1}
    assert figures(text, "channels_astray_total") == {}
    assert figures(text, "ftp_transferred_bytes_total") == {
        ("from_server",): 100_000,
        ("from_client",): 2_000,
    }
    assert sum(figures(text, "server_sessions").values()) == 1


@pytest_twisted.ensureDeferred
async def test_checks_are_timed(ftp_site: FtpSite) -> None:
    port = ftp_site.serve_ftp("127.0.0.2")
    check = Check(type="tcp", interval=0.05, port=port)
    ftp_site.start(ftp(port, "127.0.0.2", "127.0.0.3", backend={"check": check}))

    def answers(ok: bool) -> int:
        return [fact.ok for fact in ftp_site.of(Checked)].count(ok)

    await ftp_site.until(lambda: answers(True) > 1 and answers(False) > 1)
    text = watched(ftp_site).text()
    assert figures(text, "checks_total")["back", "good", "a"] >= 2
    assert figures(text, "checks_total")["back", "bad", "b"] >= 2
    assert 0 < figures(text, "check_duration_seconds_sum")[("back",)] < 10
