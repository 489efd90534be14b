"""Tests here need root and some programs: without they are skipped, or fail when required."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_twisted

from tests.loopback.relay_tls import TlsGround
from tests.loopback.relaying import WAYS, Ground, Place
from tests.loopback.site import Site
from tests.networks.bad import NETWORKS, lacking


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if why := lacking():
        if item.config.getoption("--require-peers"):
            pytest.fail(why, pytrace=False)
        pytest.skip(why)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=NETWORKS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A network of this test's own."""
    with NETWORKS[request.param]() as place:
        yield place


@pytest_twisted.async_yield_fixture()
async def tls_ground(way: str, place: Place, tmp_path: Path) -> AsyncIterator[Ground]:
    ground = TlsGround(Site(), way, place, files=tmp_path)
    yield ground
    await ground.stop()


@pytest_twisted.async_yield_fixture()
async def ground(way: str, place: Place) -> AsyncIterator[Ground]:
    ground = Ground(Site(), way, place)
    yield ground
    await ground.stop()
