"""Behaviours of every relay: who reads slowly holds back its peer, nobody else."""

from __future__ import annotations

import pytest
import pytest_twisted

from tests.loopback.parties import AT_ONCE, Party, together
from tests.loopback.queues import our_queues
from tests.loopback.relay_bytes import KB, MB, said_whole
from tests.loopback.relay_ends import both_sides, first_and_other
from tests.loopback.relaying import Ground, same

HELD = 4 * MB
"""What a relay holds for a reader that does not read, in one direction, at most."""
ENDLESS = 256 * MB
APART = 16 * MB
"""Bytes of four streams that pass beside one question and its answer, at most."""


def held_between(says: Party, reads: Party) -> int:
    """Bytes that are in the balancer itself, and in no socket's buffer: neither in the two outer
    sockets' nor in its own two."""
    to_send, _ = our_queues(reads)
    _, to_read = our_queues(says)
    return says.said - says.unacknowledged - to_read - to_send - reads.unread


async def stuck(ground: Ground, says: Party) -> None:
    """Say things for as long as anything is taken; nobody reads."""
    saying = together(says.says(bytes(ENDLESS)))
    saying.addErrback(lambda failure: failure.trap(Exception))
    await ground.stands_still(lambda: says.said)


class Pressure:
    """A mixin."""

    @both_sides
    @pytest_twisted.ensureDeferred
    async def test_a_reader_that_never_reads_holds_the_other_back(
        self, ground: Ground, first: str
    ) -> None:
        """What the balancer takes of a stream that nobody reads has an end, and a low one."""
        ground.start()
        reads, says = first_and_other(first, *await ground.pair())
        await stuck(ground, says)
        held = held_between(says, reads)
        print(f"{says.said} bytes were taken, {held} of them are in the balancer")
        assert 0 <= held <= HELD
        assert says.said < ENDLESS
        await self._goes_on_beside(ground)

    async def _goes_on_beside(self, ground: Ground) -> None:
        client, server = await ground.pair()
        data = ground.text(4 * MB)
        _, heard = await together(said_whole(client, data), server.hears_all())
        same(heard, data)

    @both_sides
    @pytest_twisted.ensureDeferred
    async def test_a_stuck_reader_may_still_be_a_sender(self, ground: Ground, first: str) -> None:
        ground.start()
        reads, says = first_and_other(first, *await ground.pair())
        await stuck(ground, says)
        data = ground.text(8 * MB)
        _, heard = await together(reads.says(data), says.hears(len(data)))
        same(heard, data)

    @both_sides
    @pytest_twisted.ensureDeferred
    async def test_who_was_stuck_reads_on_and_gets_all(self, ground: Ground, first: str) -> None:
        ground.start()
        reads, says = first_and_other(first, *await ground.pair())
        reads.holds(64 * KB)
        data = ground.random.randbytes(24 * MB)
        saying = together(said_whole(says, data))
        await ground.stands_still(lambda: says.said)
        assert says.said < len(data), "the test holds nobody back"
        heard = await reads.hears_all()
        await saying
        same(heard, data)


class Fairness:
    """A mixin. Where no answer is late because it was lost."""

    @pytest.mark.parametrize("bulk", ["client", "server"])
    @pytest_twisted.ensureDeferred
    async def test_questions_and_answers_go_on_beside_four_streams(
        self, ground: Ground, bulk: str
    ) -> None:
        """Between one answer and the next the streams move so much, at most."""
        ground.start()
        client, server = await ground.pair()
        streams = [first_and_other(bulk, *await ground.pair()) for _ in range(4)]
        data, moved = bytes(ground.size(48 * MB)), [0]

        async def reads(party: Party) -> None:
            async for some in party.pieces():
                moved[0] += len(some)

        doing = [each for says, other in streams for each in (said_whole(says, data), reads(other))]
        streaming = together(*doing)
        rounds, most, before = 0, 0, 0
        while moved[0] < 4 * len(data):
            await client.says(b"question")
            same(await server.hears(8), b"question")
            await server.says(b"answer")
            same(await client.hears(6), b"answer")
            rounds, most, before = rounds + 1, max(most, moved[0] - before), moved[0]
        await streaming
        print(f"{rounds} rounds beside {4 * len(data)} bytes, at most {most} between two")
        assert most <= APART, AT_ONCE
