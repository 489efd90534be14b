"""The process' log is for what an operator has to know: checks and data channels are not in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import pytest_twisted
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.loopback.ftp_site import FtpSite
from tests.loopback.test_ftp_channels import download
from tests.loopback.test_ftp_legs import session
from tests.loopback.test_health_probes import Servers, probed, servers
from twisted_lb.config.settings import Check

__all__ = ["servers"]


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What our own modules and Twisted's reactor write, but for the site's listeners."""
    seen: list[str] = []

    def observe(event: LogEvent) -> None:
        seen.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)


@pytest.mark.parametrize("verb", ["EPSV", "EPRT"])
@pytest_twisted.ensureDeferred
async def test_data_channels_write_nothing(ftp_site: FtpSite, lines: list[str], verb: str) -> None:
    client, server = await session(ftp_site)
    ours = {str(port) for port in range(20_000, 25_000)}
    lines.clear()
    for _ in range(5):
        await download(client, server, verb, b"data")
    assert [line for line in lines if ours & set(line.replace(")", " ").split())] == []
    assert [line for line in lines if "DataListener" in line or "_Dialling" in line] == []


@pytest_twisted.ensureDeferred
async def test_checks_write_nothing(servers: Servers, lines: list[str]) -> None:
    port = servers.serve(greeting=b"220 ready\r\n")
    lines.clear()
    for _ in range(5):
        assert (await probed(Check(type="ftp", timeout=0.2), port)).ok
    assert lines == []
