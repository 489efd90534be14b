"""What the demo's clients tell of what they saw."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.protocols.ftp import CommandFailed, ConnectionLost, FTPError
from twisted.python.failure import Failure

from twisted_lb.demo.hosts import GREETING
from twisted_lb.demo.visits import Terminal, Visit, last_words

REFUSED = CommandFailed(["150 Opening", "421 Go away"])


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (REFUSED, "421 Go away"),
        (ConnectionLost("lost", Failure(REFUSED)), "421 Go away"),
        (ConnectionLost("lost", Failure(ValueError("odd"))), "odd"),
        (FTPError("something"), "something"),
    ],
)
def test_a_broken_session_tells_what_the_server_said_last(why: FTPError, words: str) -> None:
    assert last_words(why) == words


def test_a_visit_is_whole_when_all_came_back_and_it_came_to_its_end() -> None:
    assert Visit(1, "FTP passive").whole
    assert not Visit(1, "FTP passive", damaged=1).whole
    assert not Visit(1, "FTP passive", broken="lost").whole


def terminal(*heard: bytes) -> tuple[Visit, bytes]:
    """What a terminal saw that heard these lines, and what it said."""
    client, transport = Terminal(4), StringTransport()
    client.makeConnection(transport)
    greeted = Deferred.fromCoroutine(client.greeted())
    for line in heard:
        client.dataReceived(line + b"\r\n")
    greeted.addCallback(lambda _: Deferred.fromCoroutine(client.talks()))
    client.connectionLost(Failure(ConnectionDone()))
    assert greeted.called
    assert not greeted.paused
    return client.visit, transport.value()


def test_a_terminal_says_something_and_takes_leave() -> None:
    visit, said = terminal(GREETING, b"you said hello from terminal 4")
    assert (visit.whole, visit.channels["terminal"]) == (True, 1)
    assert said == b"hello from terminal 4\r\nbye\r\n"


@pytest.mark.parametrize("heard", [(), (b"you said something else",), (b"you said ",) * 2])
def test_a_terminal_whose_host_answers_wrong_or_leaves_is_damaged(heard: tuple[bytes]) -> None:
    assert terminal(GREETING, *heard)[0].damaged == 1


@pytest.mark.parametrize(
    ("heard", "why"), [((b"lb-tunnel: no",), "lb-tunnel: no"), ((), "its host left")]
)
def test_a_terminal_that_does_not_reach_its_host_tells_why(heard: tuple[bytes], why: str) -> None:
    visit, said = terminal(*heard)
    assert (visit.broken, said) == (why, b"")
