"""What the demo's clients tell of what they saw."""

from __future__ import annotations

import pytest
from twisted.protocols.ftp import CommandFailed, ConnectionLost, FTPError
from twisted.python.failure import Failure

from twisted_lb.demo.visits import Visit, last_words

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
