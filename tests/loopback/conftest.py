"""Every test here gets a Site, which is ended whatever happens."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_twisted

from tests.loopback import farm as farms
from tests.loopback.ftp_site import FtpSite
from tests.loopback.gateways import Gateways
from tests.loopback.site import Site


@pytest_twisted.async_yield_fixture()
async def site() -> AsyncIterator[Site]:
    site = Site()
    yield site
    await site.stop()


@pytest_twisted.async_yield_fixture()
async def ftp_site() -> AsyncIterator[FtpSite]:
    site = FtpSite()
    yield site
    await site.stop()


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[farms.Farm]:
    """Three real FTP servers."""
    farm = farms.start(tmp_path, "127.0.0.2", "127.0.0.3", "127.0.0.4")
    yield farm
    for process in farm.processes:
        process.kill()


@pytest_twisted.async_yield_fixture()
async def gateways(tmp_path: Path) -> AsyncIterator[Gateways]:
    site = Gateways(tmp_path)
    yield site
    await site.stop()
