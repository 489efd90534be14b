"""What the parts of a conversation share."""

from __future__ import annotations

from tests.ftptalk import circumstances
from twisted_lb.protocols.actions import Send, Side
from twisted_lb.protocols.ftp.state import State, text


def test_an_answer_of_ours_is_one_line_and_remembered() -> None:
    state = State(circumstances())
    state.answer(b"502 no.")
    assert state.out.empty() == [Send(Side.CLIENT, b"502 no.\r\n")]
    assert state.last == 502


def test_a_transfer_takes_its_turn() -> None:
    state = State(circumstances())
    transfer = state.transfer(b"RETR", b"a", 1.0)
    assert state.turns.transfer is transfer
    assert (transfer.command, transfer.path, transfer.begun) == ("RETR", "a", 1.0)


def test_text_is_always_text() -> None:
    assert text(b"caf\xc3\xa9 \xe9") == "café \\xe9"
