"""Actions in order, lines together."""

from __future__ import annotations

from twisted_lb.protocols.actions import Finish, Release, Send, Side
from twisted_lb.protocols.ftp.outbox import Outbox


def test_lines_for_one_end_leave_together_and_in_order() -> None:
    out = Outbox()
    out.line(Side.CLIENT, b"211-a")
    out.line(Side.CLIENT, b"211 b")
    out.line(Side.SERVER, b"NOOP")
    out.do(Release(1))
    out.line(Side.SERVER, b"QUIT")
    out.do(Finish("done"))
    assert out.empty() == [
        Send(Side.CLIENT, b"211-a\r\n211 b\r\n"),
        Send(Side.SERVER, b"NOOP\r\n"),
        Release(1),
        Send(Side.SERVER, b"QUIT\r\n"),
        Finish("done"),
    ]
    assert out.empty() == []


def test_the_next_event_begins_afresh() -> None:
    out = Outbox()
    out.line(Side.SERVER, b"NOOP")
    assert out.empty() == [Send(Side.SERVER, b"NOOP\r\n")]
    out.line(Side.SERVER, b"NOOP")
    assert out.empty() == [Send(Side.SERVER, b"NOOP\r\n")]
