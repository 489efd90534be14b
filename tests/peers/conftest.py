"""Tests here need what ./run peers provides: without it they are skipped, or fail when required."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_twisted

from tests.loopback.ftp_site import FtpSite
from tests.peers import PEERS
from tests.peers.servers import Server, Site, running
from tests.peers.whole_session import LARGE


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


@pytest.fixture(scope="module")
def vsftpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With the large file of whole sessions."""
    home, host = tmp_path_factory.mktemp("vsftpd"), "127.0.0.2"
    home.chmod(0o755)
    home.parent.chmod(0o755)
    with socket.create_server((host, 0)) as free:
        port = free.getsockname()[1]
    with running("vsftpd", Site("a", host, port, home / "server"), LARGE) as server:
        yield server
