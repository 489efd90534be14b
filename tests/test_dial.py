"""Dialling ends in an End, in a refusal with its reason, or in nothing at all when cancelled."""

from __future__ import annotations

import errno

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import (
    ConnectBindError,
    ConnectError,
    DNSLookupError,
    TCPTimedOutError,
    TimeoutError,
)

from tests.fakes import World
from twisted_lb.dial import Refused, dial, shortage
from twisted_lb.ends import End
from twisted_lb.errors import Ended
from twisted_lb.terms import Address

SERVER = Address("198.51.100.1", 21)


def outcome(answered: Deferred[End]) -> list[object]:
    """Filled when the dial is over: an End, or the error."""
    results: list[object] = []
    answered.addCallbacks(results.append, lambda failure: results.append(failure.value))
    return results


def test_an_answer_is_an_end_of_who_was_dialled() -> None:
    world = World()
    result = outcome(dial(world, SERVER, 5.0))
    [dialled] = world.dialled
    assert (dialled.host, dialled.port, dialled.timeout) == ("198.51.100.1", 21, 5.0)
    wire = dialled.answers()
    assert result == [wire.end]
    assert wire.end.peer.host == "198.51.100.1"


def test_the_connection_comes_from_the_address_that_was_asked_for() -> None:
    """A server that checks PORT's peer sees the control connection's address."""
    world = World()
    dial(world, SERVER, 5.0, source="198.51.100.254")
    dial(world, SERVER, 5.0)
    assert [each.source for each in world.dialled] == ["198.51.100.254", ""]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConnectError(string="nobody there"), "An error occurred while connecting: nobody there."),
        (TimeoutError(), "no answer in time"),
        (TCPTimedOutError(110, "timed out"), "TCP connection timed out: 110: timed out."),
        (DNSLookupError("no such name"), "DNS lookup failed: no such name."),
        (
            ConnectBindError(errno.EADDRNOTAVAIL, "no such address of ours"),
            "Couldn't bind: 99: no such address of ours.",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_refusal_says_why(error: Exception, why: str) -> None:
    world = World()
    result = outcome(dial(world, SERVER, 5.0))
    world.dialled[0].refuses(error)
    [refused] = result
    assert isinstance(refused, Refused)
    assert str(refused) == why
    assert refused.said == b""


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_a_shortage_of_our_own_is_not_the_server_s_refusal(code: int) -> None:
    """Attack 14: running out of descriptors must not eject servers that were never asked."""
    world = World()
    result = outcome(dial(world, SERVER, 5.0))
    world.dialled[0].refuses(ConnectBindError(code, "none left"))
    [ended] = result
    assert isinstance(ended, Ended)
    assert ended.word == "full"


def test_a_cancelled_dial_is_given_up_and_says_nothing_later() -> None:
    world = World()
    answered = dial(world, SERVER, 5.0)
    result = outcome(answered)
    answered.cancel()
    assert world.dialled[0].given_up
    assert [type(each) for each in result] == [CancelledError]
    world.dialled[0].refuses()
    assert len(result) == 1


def test_an_answer_that_crosses_the_cancellation_is_reset() -> None:
    world = World()
    answered = dial(world, SERVER, 5.0)
    outcome(answered)
    answered.cancel()
    wire = world.dialled[0].answers()
    assert wire.endings == ["abort"]
    assert not world.dialled[0].given_up


def test_the_descriptor_of_a_cancelled_dial_outlives_the_turn() -> None:
    """An event may be left for its number: who opens the same one now would be given it."""
    world = World()
    answered = dial(world, SERVER, 5.0)
    outcome(answered)
    connector = world.dialled[0]
    answered.cancel()
    assert not connector._given_up
    world.advance(0)
    assert connector._given_up


def test_what_a_server_says_before_it_is_joined_is_held_up_to_a_cap() -> None:
    """Attack 22."""
    world = World()
    dial(world, SERVER, 5.0)
    wire = world.dialled[0].answers()
    wire.says(b"x" * 65_535)
    assert wire.transport.producerState == "producing"
    wire.says(b"x")
    assert wire.transport.producerState == "paused"


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (ConnectBindError(errno.EMFILE, "none left"), True),
        (ConnectError(errno.EADDRNOTAVAIL, "no port left"), True),
        (ConnectBindError(errno.EADDRNOTAVAIL, "no such address of ours"), False),
        (ConnectError(errno.ECONNREFUSED, "refused"), False),
        (ValueError(), False),
    ],
)
def test_what_was_lacking_here_is_told_from_what_the_other_side_said(
    error: Exception, short: bool
) -> None:
    assert shortage(error) is short
