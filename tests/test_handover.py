"""The lines of a takeover, and how long each side waits for the other's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from twisted_lb.errors import WireError
from twisted_lb.handover import Broken, Lines
from twisted_lb.terms import Address
from twisted_lb.wire.handover import line, said, where_heard, where_told

PLACES = st.builds(Address, st.text(), st.integers(0, 65_535)) | st.text()


@given(PLACES | st.tuples(PLACES, st.text(), st.integers(0)))
def test_where_a_socket_listens_is_heard_as_it_was_told(where: object) -> None:
    told = said(line(at=where_told(where)))["at"]  # type: ignore[arg-type]
    assert where_heard(told) == where


@pytest.mark.parametrize("told", [None, {}, {"host": "a"}, {"host": "a", "port": "1"}, [1]])
def test_what_says_no_place_is_refused(told: object) -> None:
    with pytest.raises(WireError):
        where_heard(told)


@pytest.mark.parametrize("text", [b"", b"x", b"[]", b"\xff", b"1"])
def test_what_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(WireError):
        said(text)


class Talking:
    """A process, and the one that it waits for."""

    def __init__(self) -> None:
        self.clock, self.transport = Clock(), StringTransport()
        self.lines = Lines(self.clock)
        self.lines.makeConnection(self.transport)

    def waits(self, word: str, seconds: float = 5.0) -> list[object]:
        """What comes of it."""
        came: list[object] = []
        Deferred.fromCoroutine(self.lines.hears(word, seconds)).addBoth(came.append)
        return came

    def fails(self, came: list[object]) -> str:
        [failure] = came
        failure.trap(Broken)  # type: ignore[attr-defined]
        return str(failure.value)  # type: ignore[attr-defined]


def test_a_line_is_heard_however_it_comes() -> None:
    talking = Talking()
    came = talking.waits("ready")
    for byte in line(ready=True):
        assert came == []
        talking.lines.dataReceived(bytes([byte]))
    assert came == [{"ready": True}]
    talking.lines.dataReceived(line(serving=True) + line(left=True))
    assert talking.waits("serving") + talking.waits("left") == [{"serving": True}, {"left": True}]


def test_nobody_is_waited_for_longer_than_its_deadline() -> None:
    talking = Talking()
    came = talking.waits("ready", 5.0)
    talking.clock.advance(4.9)
    assert came == []
    talking.clock.advance(0.2)
    assert talking.fails(came) == "says nothing for 5 s"
    assert not talking.clock.getDelayedCalls()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (line(error="no"), "no"),
        (line(a=1, b=2), "says a, b where ready is awaited"),
        (b"{\n", "a line that is not JSON"),
    ],
)
def test_another_line_ends_it(text: bytes, why: str) -> None:
    talking = Talking()
    came = talking.waits("ready")
    talking.lines.dataReceived(text)
    assert talking.fails(came) == why


def test_who_is_gone_is_not_waited_for() -> None:
    talking = Talking()
    came = talking.waits("ready")
    talking.lines.connectionLost()
    assert talking.fails(came) == talking.fails(talking.waits("ready")) == "is gone"
