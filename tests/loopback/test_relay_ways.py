"""Every way of moving bytes behaves alike, on the loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_twisted

from tests.loopback.relay_bytes import Bytes, Urgent
from tests.loopback.relay_ends import BrokenOff, InOrder, InTime
from tests.loopback.relay_many import Many, NothingLeft
from tests.loopback.relay_pressure import Fairness, Pressure
from tests.loopback.relay_storm import Storm
from tests.loopback.relay_tls import InTls, TlsGround
from tests.loopback.relaying import WAYS, Ground, Place
from tests.loopback.site import Site


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_twisted.async_yield_fixture()
async def ground(way: str) -> AsyncIterator[Ground]:
    ground = Ground(Site(), way, Place())
    yield ground
    await ground.stop()


@pytest_twisted.async_yield_fixture()
async def tls_ground(way: str, tmp_path: Path) -> AsyncIterator[Ground]:
    ground = TlsGround(Site(), way, Place(), files=tmp_path)
    yield ground
    await ground.stop()


class TestOnTheLoopback(
    Bytes, Urgent, InOrder, BrokenOff, InTime, NothingLeft, Pressure, Fairness, Many, Storm
):
    """Nothing between."""


class TestInTls(Bytes, InTls, Many):
    """TLS with the client ends at the balancer."""

    @pytest.fixture
    def ground(self, tls_ground: Ground) -> Ground:
        return tls_ground
