"""Whose turn it is, and whose reply."""

from __future__ import annotations

import pytest

from twisted_lb.protocols.ftp.data import DataChannel, Leg, Stand, Transfer
from twisted_lb.protocols.ftp.turns import WAITING_MOST, Exchange, Turns


def turns(*waiting: bytes, transfer: bool = False, started: bool = False) -> Turns:
    """The greeting is over; these commands wait, and perhaps a transfer."""
    made = Turns()
    greeting = made.whose(220)
    assert isinstance(greeting, Exchange)
    made.answered(greeting)
    if transfer:
        made.transfer = Transfer("joe", "RETR", "a", 0.0, started)
    for verb in waiting:
        made.sent(Exchange(verb))
    return made


def owner(made: Turns, code: int) -> str:
    found = made.whose(code)
    if isinstance(found, Exchange):
        return found.verb.decode()
    return "nobody" if found is None else "transfer"


def test_the_greeting_comes_first() -> None:
    made = Turns()
    assert not made.quiet
    assert not made.may_go(b"USER")
    assert owner(made, 220) == ""


def test_one_command_at_a_time() -> None:
    """T20."""
    assert turns().quiet
    assert turns().may_go(b"PWD")
    assert not turns(b"PWD").may_go(b"NOOP")


def test_a_transfer_lets_some_by_and_later_all_but_transfers() -> None:
    """T15, T30."""
    before, after = turns(transfer=True), turns(transfer=True, started=True)
    assert before.may_go(b"ABOR") and not before.may_go(b"PWD")
    assert after.may_go(b"PWD") and not after.may_go(b"RETR")
    assert not turns(b"PWD", transfer=True, started=True).may_go(b"ABOR")
    crowd = turns(*[b"NOOP"] * (WAITING_MOST - 1), transfer=True)
    assert crowd.may_go(b"STAT")
    crowd.sent(Exchange(b"NOOP"))
    assert not crowd.may_go(b"STAT")


@pytest.mark.parametrize("verb", [b"PASV", b"EPSV", b"PORT", b"EPRT"])
def test_the_end_of_a_transfer_is_no_answer_to_an_announcement(verb: bytes) -> None:
    """T18: a server that says one 226 too many is passed on, and its 227 awaited."""
    assert [owner(turns(verb), code) for code in (225, 226, 426)] == ["nobody"] * 3
    assert [owner(turns(verb), code) for code in (200, 227, 425, 500)] == [verb.decode()] * 4
    assert owner(turns(verb, transfer=True, started=True), 226) == "transfer"
    assert owner(turns(b"ABOR"), 226) == "ABOR"


def test_with_one_waiting_there_is_no_doubt() -> None:
    assert owner(turns(b"PWD"), 227) == "PWD"
    assert owner(turns(transfer=True), 421) == "transfer"
    assert owner(turns(), 421) == "nobody"


@pytest.mark.parametrize(
    ("code", "whose"),
    [(150, "transfer"), (226, "transfer"), (550, "transfer"), (211, "STAT"), (450, "transfer")],
)
def test_with_two_waiting_the_code_tells(code: int, whose: str) -> None:
    """T15, T16."""
    assert owner(turns(b"STAT", transfer=True), code) == whose


def test_an_announcement_that_has_not_asked_is_not_answered() -> None:
    """T18."""
    made = turns()
    made.sent(Exchange(b"PASV", asked=False))
    assert owner(made, 421) == "nobody"
    made.transfer = Transfer("joe", "RETR", "a", 0.0, started=True)
    assert owner(made, 421) == "transfer"


@pytest.mark.parametrize(
    ("channel", "whose"),
    [
        (None, "PORT"),
        (DataChannel(1), "transfer"),
        (DataChannel(1, Leg(stand=Stand.STANDS), Leg(stand=Stand.STANDS), used=True), "PORT"),
    ],
)
def test_425_is_for_whom_has_no_connection(channel: DataChannel | None, whose: str) -> None:
    """T26: a transfer without a channel waits for the PORT; a joined one needs none."""
    made = turns(b"PORT", transfer=True, started=True)
    assert made.transfer is not None
    made.transfer.channel = channel
    assert owner(made, 425) == whose


def test_an_abor_after_the_transfers_end_may_have_been_answered() -> None:
    """T16."""
    made = turns(b"ABOR", transfer=True, started=True)
    made.transferred()
    assert made.may_go(b"PWD")
    assert owner(made, 226) == "ABOR"
    made.sent(Exchange(b"PWD"))
    assert owner(made, 502) == "ABOR"
    assert owner(made, 226) == "ABOR"
    assert owner(made, 257) == "PWD"
    assert not made.may_go(b"NOOP")


def test_whatever_comes_when_only_an_abor_waits_is_its_own() -> None:
    made = turns(b"ABOR", transfer=True, started=True)
    made.transferred()
    assert owner(made, 299) == "ABOR"


def test_an_abor_that_was_not_answered_does_not_spoil_the_next_transfer() -> None:
    """T16: 226 before the next transfer's 150 is ABOR's, its 150 tells that no answer comes."""
    made = turns(b"ABOR", transfer=True, started=True)
    made.transferred()
    made.transfer = Transfer("joe", "RETR", "b", 0.0)
    assert not made.may_go(b"PWD")
    assert made.may_go(b"ABOR")
    assert owner(made, 226) == "ABOR"
    assert owner(made, 550) == "transfer"
    assert owner(made, 226) == "transfer"


def test_other_commands_wait_for_their_answer_after_the_transfers_end() -> None:
    made = turns(b"NOOP", transfer=True, started=True)
    made.transferred()
    assert not made.may_go(b"PWD")
    made.sent(Exchange(b"PWD"))
    assert owner(made, 200) == "NOOP"


def test_a_password_is_not_shown() -> None:
    """T94."""
    assert "joe" not in repr(Exchange(b"USER", b"joe"))
