"""Every test here gets a Site, which is ended whatever happens."""

from collections.abc import AsyncIterator

import pytest_twisted

from tests.loopback.site import Site


@pytest_twisted.async_yield_fixture()
async def site() -> AsyncIterator[Site]:
    site = Site()
    yield site
    await site.stop()
