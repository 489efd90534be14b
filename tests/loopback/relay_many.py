"""Behaviours of every relay: one session after the other, on descriptors that others have had."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress

import pytest
import pytest_twisted

from tests.loopback.parties import Party, together
from tests.loopback.relay_bytes import KB, MB, said_whole
from tests.loopback.relaying import Ground, same

ENDS = ("client closes", "server closes", "client resets", "server resets")


def descriptors() -> Counter[str]:
    """How many sockets and pipes this process has open."""
    kinds: Counter[str] = Counter()
    for each in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one by which they are listed
            kinds[os.readlink(f"/proc/self/fd/{each}").partition(":")[0]] += 1
    return Counter({kind: kinds[kind] for kind in ("socket", "pipe")})


class Many:
    """A mixin."""

    @pytest_twisted.ensureDeferred
    async def test_quick_sessions_beside_a_long_one_get_their_own_bytes(
        self, ground: Ground
    ) -> None:
        """Each has a descriptor that the one before had."""
        await self._one_after_the_other(ground, 300)

    @pytest.mark.soak
    @pytest_twisted.ensureDeferred
    async def test_thousands_of_quick_sessions_beside_a_long_one_get_their_own_bytes(
        self, ground: Ground
    ) -> None:
        await self._one_after_the_other(ground, 2_000)

    async def _one_after_the_other(self, ground: Ground, sessions: int) -> None:
        ground.start()
        long, going = await ground.pair(), [True]
        lasting = together(self._goes_on(ground, *long, going))
        for number in range(ground.times(sessions)):
            await self._passes_by(ground, number)
        going.clear()
        await lasting
        for party in long:
            party.closes()
        await ground.rests()
        assert len(ground.ended) == ground.times(sessions) + 1

    async def _passes_by(self, ground: Ground, number: int) -> None:
        """A session says who it is, and something; ends in one of four ways, bytes under way."""
        client, server = await ground.pair()
        named = f"session {number:8}".encode()
        most = 300 * KB if number % 16 == 0 else 2 * KB
        data = named + ground.random.randbytes(ground.random.randrange(most))
        _, heard = await together(client.says(data), server.hears(len(data)))
        same(heard, data)
        await server.says(data[::-1])
        same(await client.hears(len(data)), data[::-1])
        how = ENDS[ground.random.randrange(4)]
        ends, other = (client, server) if how.startswith("client") else (server, client)
        await other.says(named)
        if how.endswith("resets"):
            ends.resets()
        else:
            ends.closes()
        other.closes()

    async def _goes_on(
        self, ground: Ground, client: Party, server: Party, going: list[bool]
    ) -> None:
        while going:
            data = ground.random.randbytes(ground.random.randrange(1, 100 * KB))
            _, heard = await together(client.says(data), server.hears(len(data)))
            same(heard, data)
            await server.says(data[:100])
            same(await client.hears(len(data[:100])), data[:100])


class NothingLeft:
    """A mixin. Whatever way they end, sessions leave no descriptor behind."""

    @pytest_twisted.ensureDeferred
    async def test_no_descriptor_is_left(self, ground: Ground) -> None:
        """Pipes may be kept for the next who asks, while the balancer runs."""
        before = descriptors()
        ground.start()
        sockets = []
        for _ in range(4):
            for way in (self._done, self._broken_off, self._killed):
                await way(ground, *await ground.pair())
                await ground.rests()
            sockets.append(descriptors()["socket"])
        assert sockets == sockets[:1] * 4
        await ground.stop()
        assert descriptors() == before

    async def _done(self, ground: Ground, client: Party, server: Party) -> None:
        data = ground.text(2 * MB)
        await together(
            said_whole(client, data),
            server.hears_all(),
            said_whole(server, data),
            client.hears_all(),
        )
        client.closes()
        server.closes()

    async def _broken_off(self, ground: Ground, client: Party, server: Party) -> None:
        """With bytes in the balancer that nobody takes."""
        saying = together(client.says(ground.random.randbytes(16 * MB)))
        await server.hears(ground.size(MB))
        server.resets()
        saying.addErrback(lambda failure: failure.trap(Exception))
        await saying
        client.closes()

    async def _killed(self, ground: Ground, client: Party, server: Party) -> None:
        saying = together(server.says(ground.random.randbytes(16 * MB)))
        await client.hears(ground.size(MB))
        ground.site.balancer.claims.end_all("killed")
        saying.addErrback(lambda failure: failure.trap(Exception))
        await saying
        client.closes()
        server.closes()
