"""Behaviours of every relay: the bytes. What is said is heard, all of it, once, in order."""

from __future__ import annotations

from hashlib import sha256

import pytest
import pytest_twisted

from tests.loopback.parties import Party, together
from tests.loopback.relaying import Ground, same

KB, MB = 1 << 10, 1 << 20


async def said_whole(party: Party, data: bytes) -> None:
    await party.says(data)
    party.shuts()


async def exchanged(client: Party, server: Party, up: bytes, down: bytes) -> None:
    """Both say all at once, by its hash the very same is heard; then one closes after the other."""
    _, _, heard_up, heard_down = await together(
        client.says(up), server.says(down), server.hears(len(up)), client.hears(len(down))
    )
    assert sha256(heard_up).digest() == sha256(up).digest()
    assert sha256(heard_down).digest() == sha256(down).digest()
    client.shuts()
    assert await server.hears_all() == b""
    server.shuts()
    assert await client.hears_all() == b""
    client.closes()


class Bytes:
    """A mixin."""

    @pytest_twisted.ensureDeferred
    async def test_bytes_arrive_both_ways_at_once_whatever_the_size_of_the_writes(
        self, ground: Ground
    ) -> None:
        ground.start()
        client, server = await ground.pair()
        up, down = ground.text(8 * MB), ground.text(6 * MB)
        _, _, heard_up, heard_down = await together(
            client.says_in_pieces(up, ground.random),
            server.says_in_pieces(down, ground.random),
            server.hears(len(up)),
            client.hears(len(down)),
        )
        same(heard_up, up)
        same(heard_down, down)

    @pytest_twisted.ensureDeferred
    async def test_single_bytes_arrive_each_at_once(self, ground: Ground) -> None:
        """Nobody waits for more to come."""
        ground.start()
        client, server = await ground.pair()
        for byte in ground.random.randbytes(ground.times(200)):
            await client.says(bytes([byte]))
            assert await server.hears(1) == bytes([byte])
            await server.says(bytes([byte ^ 255]))
            assert await client.hears(1) == bytes([byte ^ 255])

    @pytest_twisted.ensureDeferred
    async def test_thousands_of_single_bytes_arrive_in_order(self, ground: Ground) -> None:
        ground.start()
        client, server = await ground.pair()
        data = ground.text(3000)

        async def says_one_by_one() -> None:
            for byte in data:
                await client.says(bytes([byte]))

        _, heard = await together(says_one_by_one(), server.hears(len(data)))
        same(heard, data)

    @pytest_twisted.ensureDeferred
    async def test_bursts_between_small_talk_keep_the_order(self, ground: Ground) -> None:
        """A relay that has a way for bulk and one for messages goes over and back, each way."""
        ground.start()
        client, server = await ground.pair()
        for turn in range(ground.times(12)):
            says, hears = (client, server) if turn % 3 else (server, client)
            await self._small_talk(ground, says, hears)
            data = ground.text(ground.random.randrange(64 * KB, 2 * MB))
            _, heard = await together(
                says.says_in_pieces(data, ground.random), hears.hears(len(data))
            )
            same(heard, data)

    async def _small_talk(self, ground: Ground, says: Party, hears: Party) -> None:
        """Questions and answers, more than a relay takes for bulk that goes on."""
        for _ in range(ground.times(20)):
            question = ground.random.randbytes(ground.random.randrange(1, 200))
            await says.says(question)
            same(await hears.hears(len(question)), question)
            await hears.says(question[::-1])
            same(await says.hears(len(question)), question[::-1])

    @pytest_twisted.ensureDeferred
    async def test_small_talk_right_behind_a_burst_comes_after_it(self, ground: Ground) -> None:
        """Nobody waits between the two: what is small may not overtake."""
        ground.start()
        client, server = await ground.pair()
        talk = [ground.text(size) for size in (3, 700 * KB, 1, 50, 1 * MB, 2, 64 * KB, 7) * 4]

        async def says_them() -> None:
            for each in talk:
                await client.says(each)
            client.shuts()

        _, heard = await together(says_them(), server.hears_all())
        same(heard, b"".join(talk))

    @pytest_twisted.ensureDeferred
    async def test_the_log_counts_the_bytes_of_each_direction(self, ground: Ground) -> None:
        ground.start()
        client, server = await ground.pair()
        up, down = ground.text(3 * MB) + b"up", ground.text(5 * MB) + b"down"
        await exchanged(client, server, up, down)
        ended = await ground.ends()
        assert (ended.ending, ended.from_client, ended.from_server) == ("done", len(up), len(down))

    @pytest_twisted.ensureDeferred
    async def test_twenty_at_once_each_get_their_own_bytes(self, ground: Ground) -> None:
        ground.start()
        pairs = [await ground.pair() for _ in range(20)]
        await together(
            *[exchanged(*pair, ground.text(2 * MB), ground.text(1 * MB)) for pair in pairs]
        )
        await ground.ends(20)
        assert {fact.ending for fact in ground.ended} == {"done"}


class Urgent:
    """A mixin. TCP's urgent byte has its place among the others, and keeps it."""

    @pytest.mark.parametrize("asks", ["client", "server"])
    @pytest_twisted.ensureDeferred
    async def test_an_urgent_byte_arrives_in_its_place(self, ground: Ground, asks: str) -> None:
        ground.start()
        client, server = await ground.pair()
        says, hears = (client, server) if asks == "client" else (server, client)
        for byte in b"!?":
            await says.says(b"before")
            await says.says_urgently(bytes([byte]))
            await says.says(b"after")
            assert await hears.hears(12) == b"before" + bytes([byte]) + b"after"

    @pytest.mark.parametrize("asks", ["client", "server"])
    @pytest_twisted.ensureDeferred
    async def test_an_urgent_byte_arrives_before_any_other(self, ground: Ground, asks: str) -> None:
        """It is there as soon as the connection is."""
        ground.start()
        client, server = await ground.pair()
        says, hears = (client, server) if asks == "client" else (server, client)
        await says.says_urgently(b"!")
        assert await hears.hears(1) == b"!"
        says.shuts()
        assert await hears.hears_all() == b""

    @pytest_twisted.ensureDeferred
    async def test_an_urgent_byte_arrives_that_comes_before_there_is_a_server(
        self, ground: Ground
    ) -> None:
        ground.start()
        client = await ground.comes()
        await client.says_urgently(b"!")
        server = await ground.accepts()
        assert await server.hears(1) == b"!"

    @pytest.mark.parametrize("asks", ["client", "server"])
    @pytest_twisted.ensureDeferred
    async def test_urgent_bytes_in_bulk_arrive_in_their_places(
        self, ground: Ground, asks: str
    ) -> None:
        ground.start()
        client, server = await ground.pair()
        says, hears = (client, server) if asks == "client" else (server, client)
        parts = [ground.text(ground.random.randrange(1, 600 * KB)) for _ in range(16)]

        async def says_them() -> None:
            for part in parts:
                await says.says(part)
                await says.says_urgently(b"!")
            says.shuts()

        _, heard = await together(says_them(), hears.hears_all())
        same(heard, b"".join(part + b"!" for part in parts))
