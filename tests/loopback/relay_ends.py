"""Behaviours of every relay: how a connection ends, and what each side still gets."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import deferLater

from tests.loopback.parties import Party, together
from tests.loopback.queues import our_queues
from tests.loopback.relay_bytes import KB, MB, said_whole
from tests.loopback.relaying import Ground, same
from tests.loopback.streams import stands_still

both_sides = pytest.mark.parametrize("first", ["client", "server"])
FAULT = {"client": "client-left", "server": "server-closed"}


def first_and_other(first: str, client: Party, server: Party) -> tuple[Party, Party]:
    return (client, server) if first == "client" else (server, client)


class InOrder:
    """A mixin. Both sides say their last word."""

    @both_sides
    @pytest.mark.parametrize("size", [7, 8 * MB], ids=["small", "bulk"])
    @pytest_twisted.ensureDeferred
    async def test_the_answer_to_who_says_no_more_arrives_whole(
        self, ground: Ground, first: str, size: int
    ) -> None:
        ground.start()
        asks, answers = first_and_other(first, *await ground.pair())
        question, answer = ground.text(size), ground.text(size)
        _, heard = await together(said_whole(asks, question), answers.hears_all())
        same(heard, question)
        _, heard = await together(said_whole(answers, answer), asks.hears_all())
        same(heard, answer)
        assert (await ground.ends()).ending == "done"

    @both_sides
    @pytest_twisted.ensureDeferred
    async def test_who_says_no_more_goes_on_hearing_a_stream(
        self, ground: Ground, first: str
    ) -> None:
        """The end of one direction comes in the middle of the other."""
        ground.start()
        asks, streams = first_and_other(first, *await ground.pair())
        stream, question = ground.text(8 * MB), ground.text(100 * KB)
        half = len(stream) // 2
        _, heard = await together(streams.says(stream[:half]), asks.hears(half))
        saying = together(said_whole(streams, stream[half:]), said_whole(asks, question))
        rest, heard_question = await together(asks.hears_all(), streams.hears_all())
        await saying
        same(heard + rest, stream)
        same(heard_question, question)

    @both_sides
    @pytest_twisted.ensureDeferred
    async def test_an_end_without_a_word_before_is_passed_on(
        self, ground: Ground, first: str
    ) -> None:
        ground.start()
        shuts, other = first_and_other(first, *await ground.pair())
        shuts.shuts()
        assert await other.hears_all() == b""
        await other.says(b"still here")
        assert await shuts.hears(10) == b"still here"
        other.shuts()
        assert await shuts.hears_all() == b""
        assert (await ground.ends()).ending == "done"

    @both_sides
    @pytest_twisted.ensureDeferred
    async def test_who_closes_leaves_the_other_everything_it_said(
        self, ground: Ground, first: str
    ) -> None:
        """The other has not begun to read by then."""
        ground.start()
        says, reads = first_and_other(first, *await ground.pair())
        data = ground.text(16 * MB)

        async def says_and_closes() -> None:
            await says.says(data)
            says.closes()

        closing = together(says_and_closes())
        await reads.readable()
        heard = await reads.hears_all()
        await closing
        same(heard, data)
        reads.closes()
        await ground.ends()


class BrokenOff:
    """A mixin. One side, or an operator, does not wait for the last word."""

    @both_sides
    @pytest_twisted.ensureDeferred
    async def test_a_reset_is_a_reset_for_the_other(self, ground: Ground, first: str) -> None:
        ground.start()
        resets, other = first_and_other(first, *await ground.pair())
        await resets.says(b"hello")
        assert await other.hears(5) == b"hello"
        resets.resets()
        await other.is_reset()
        assert (await ground.ends()).ending == FAULT[first]

    @both_sides
    @pytest_twisted.ensureDeferred
    async def test_a_reset_in_bulk_is_a_reset_for_the_other(
        self, ground: Ground, first: str
    ) -> None:
        """Whoever hears half of a file must not take it for all."""
        ground.start()
        resets, other = first_and_other(first, *await ground.pair())
        data = ground.text(8 * MB)
        await together(resets.says(data), other.hears(len(data)))
        saying = together(other.says(data))
        await resets.hears(len(data) // 2)
        resets.resets()
        await other.is_reset()
        saying.addErrback(lambda failure: failure.trap(Exception))
        await saying
        assert (await ground.ends()).ending == FAULT[first]

    @both_sides
    @pytest_twisted.ensureDeferred
    async def test_a_reset_behind_the_last_word_takes_nothing_away(
        self, ground: Ground, first: str
    ) -> None:
        ground.start()
        resets, other = first_and_other(first, *await ground.pair())
        data = ground.text(256 * KB)
        await said_whole(resets, data)
        await ground.site.until(lambda: not resets.unacknowledged)
        resets.resets()
        same(await other.hears_all(), data)
        other.closes()
        await ground.ends()

    @both_sides
    @pytest_twisted.ensureDeferred
    async def test_a_reset_behind_the_last_word_takes_nothing_from_a_slow_reader(
        self, ground: Ground, first: str
    ) -> None:
        """By then the balancer has not even read all of it."""
        ground.start()
        resets, other = first_and_other(first, *await ground.pair())
        data = bytearray()
        while not our_queues(resets)[1]:
            piece = ground.random.randbytes(64 * KB)
            data += piece
            await resets.says(piece)
            await ground.site.until(lambda: not resets.unacknowledged)
            await stands_still(lambda: our_queues(resets)[1], 1)
        resets.shuts()
        await ground.site.until(lambda: not resets.unacknowledged)
        resets.resets()
        same(await other.hears_all(), data)
        other.closes()
        await ground.ends()

    @both_sides
    @pytest_twisted.ensureDeferred
    async def test_who_talks_on_to_one_that_is_gone_is_reset(
        self, ground: Ground, first: str
    ) -> None:
        ground.start()
        goes, talks = first_and_other(first, *await ground.pair())
        await said_whole(goes, b"bye")
        assert await talks.hears_all() == b"bye"
        goes.closes()
        await talks.says(b"still there?")
        await ground.site.until(lambda: not talks.unacknowledged and not our_queues(talks)[1])
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            await talks.says(ground.random.randbytes(64 * MB))
        talks.closes()
        await ground.ends()

    @pytest_twisted.ensureDeferred
    async def test_a_session_that_an_operator_ends_is_reset_on_both_sides(
        self, ground: Ground
    ) -> None:
        ground.start()
        client, server = await ground.pair()
        data = ground.text(2 * MB)
        await together(client.says(data), server.hears(len(data)))
        ground.site.balancer.claims.end_all("killed")
        await together(client.is_reset(), server.is_reset())
        assert (await ground.ends()).ending == "killed"


class InTime:
    """A mixin. What ends nobody: silence that was allowed, a reader that is slow."""

    @pytest_twisted.ensureDeferred
    async def test_a_silent_session_is_ended_after_its_idle_time(self, ground: Ground) -> None:
        ground.start(idle=ground.place.idle)
        client, server = await ground.pair()
        await client.says(b"hello")
        await server.hears(5)
        await together(client.is_reset(), server.is_reset())
        assert (await ground.ends()).ending == "idle"

    @both_sides
    @pytest_twisted.ensureDeferred
    async def test_a_slow_reader_is_not_idle_and_gets_all(self, ground: Ground, first: str) -> None:
        """Its peer has said all of it long before: nothing comes while it reads."""
        ground.start(idle=ground.place.idle)
        client, server = await ground.pair()
        reads, says = first_and_other(first, client, server)
        reads.holds(8 * KB)
        data = ground.random.randbytes(240 * KB)
        saying = together(said_whole(says, data))
        heard = bytearray()
        while len(heard) < len(data):
            await deferLater(reactor, 0.05)
            heard += await reads.hears(min(4 * KB, len(data) - len(heard)))
        await saying
        same(bytes(heard), data)
