"""Tests here need what ./run peers provides: without it they are skipped, or fail when required."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_twisted

from tests.loopback.ftp_site import FtpSite
from tests.peers import PEERS


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("peers") is None:
        return
    if not (PEERS / "stamp").exists():
        lacking = "./run peers was not run"
    elif os.geteuid() != 0:
        lacking = "the servers need root"
    else:
        return
    if item.config.getoption("--require-peers"):
        pytest.fail(lacking, pytrace=False)
    pytest.skip(lacking)


@pytest_twisted.async_yield_fixture()
async def ftp_site() -> AsyncIterator[FtpSite]:
    site = FtpSite()
    yield site
    await site.stop()
