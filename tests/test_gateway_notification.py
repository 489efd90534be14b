"""The proxy's side of a notification channel: lines, PING, and clients that are gone."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from tests.fakes import Wire
from twisted_lb.gateway.notices import HostConnected
from twisted_lb.gateway.notification import FLUSH, Notification


class Channel:
    """A channel that asks every 30 s."""

    def __init__(self) -> None:
        self.clock, self.wire = Clock(), Wire()
        self.cancelled: list[int] = []
        self.ended: list[str] = []
        self.channel = Notification(
            self.wire.end, self.clock, 30.0, self.cancelled.append, self.ended.append
        )
        self.channel.start()

    def goes(self) -> list[str]:
        self.wire.goes(clean=False)
        assert not self.clock.getDelayedCalls()
        return self.ended


def test_a_notice_is_a_line() -> None:
    channel = Channel()
    channel.channel.tell(HostConnected(1025))
    assert channel.wire.heard == b"TRANSFER 1025 host-connected\r\n"
    assert channel.goes() == ["client-left"]
    channel.channel.tell(HostConnected(1027))


def test_a_client_that_answers_lives() -> None:
    channel = Channel()
    for _ in range(5):
        channel.clock.advance(30.0)
        channel.wire.says(b"PONG\r\n")
    assert channel.wire.heard == b"PING\r\n" * 5
    assert channel.wire.endings == []
    channel.goes()


def test_a_client_that_does_not_answer_is_gone() -> None:
    channel = Channel()
    channel.clock.advance(30.0)
    channel.clock.advance(30.0)
    assert channel.wire.endings == ["abort"]
    assert channel.goes() == ["too-slow"]


def test_a_client_gives_transfers_up() -> None:
    channel = Channel()
    channel.wire.says(b"CANCEL 1024\r\nCAN")
    channel.wire.says(b"CEL 1026\r\n")
    assert channel.cancelled == [1024, 1026]
    channel.goes()


@pytest.mark.parametrize("said", [b"HELLO\r\n", b"x" * 200, b"\xff\r\n"])
def test_what_is_no_line_of_ours_ends_it(said: bytes) -> None:
    channel = Channel()
    channel.wire.says(said)
    assert channel.wire.endings == ["abort"]
    assert channel.goes() == ["wire-error"]


def test_a_client_that_closes_is_closed() -> None:
    channel = Channel()
    channel.wire.shuts()
    assert channel.wire.endings == ["close"]
    assert channel.goes() == ["client-left"]


def test_the_end_of_the_session_is_told() -> None:
    channel = Channel()
    channel.channel.close("drained")
    assert channel.wire.heard == b"SESSION closing drained\r\n"
    assert channel.wire.endings == ["close"]
    channel.clock.advance(FLUSH)
    assert channel.wire.endings == ["close", "abort"]
    assert channel.goes() == ["drained"]


def test_a_client_that_does_not_read_is_gone() -> None:
    """Notices are few and short: whose buffer is full has not read hundreds of them."""
    channel = Channel()
    producer = channel.wire.transport.producer
    producer.resumeProducing()
    producer.stopProducing()
    assert channel.wire.endings == []
    producer.pauseProducing()
    assert channel.goes() == ["too-slow"]
