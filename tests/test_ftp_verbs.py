"""FTP's commands by what they mean in the middle."""

from __future__ import annotations

import pytest

from twisted_lb.protocols.ftp import verbs


def test_no_verb_has_two_meanings() -> None:
    groups = [verbs.TRANSFERS, verbs.ANNOUNCEMENTS, verbs.OVERTAKING, verbs.LOGIN, verbs.WEB]
    every = [verb for group in (*groups, verbs.REFUSED) for verb in group]
    assert len(every) == len(set(every))


@pytest.mark.parametrize("verb", [b"AUTH", b"LPRT", b"LPSV", b"SPSV", b"ESTA", b"ESTP", b"CPSV"])
def test_what_could_carry_an_address_or_hide_one_is_refused(verb: bytes) -> None:
    """T45."""
    assert verbs.REFUSED[verb].startswith(b"502 ")


def test_a_verb_is_letters_and_digits() -> None:
    assert verbs.known(b"XSHA256")
    for odd in (b"", b"P\x08RT", b"PORT\xff", "é".encode()):
        assert not verbs.known(odd)


@pytest.mark.parametrize(
    ("code", "verb", "is_transfers"),
    [
        (226, b"ABOR", True),  # the race: 226 for the transfer, then 225 or 226 for ABOR
        (225, b"ABOR", False),
        (211, b"STAT", False),
        (200, b"NOOP", False),
        (221, b"QUIT", False),
        (550, b"STAT", True),  # servers answer in order
        (530, b"NOOP", True),
    ],
)
def test_before_the_1xx_everything_is_the_transfers_but_the_others_own(
    code: int, verb: bytes, is_transfers: bool
) -> None:
    """T15, T16."""
    assert verbs.ends_transfer(code, verb, started=False) is is_transfers


@pytest.mark.parametrize(
    ("code", "verb", "is_transfers"),
    [
        (226, b"ABOR", True),
        (426, b"ABOR", True),
        (225, b"ABOR", False),
        (500, b"ABOR", False),
        (250, b"NOOP", True),
        (250, b"CWD", False),
        (550, b"DELE", False),
        (550, b"NOOP", True),
        (451, b"DELE", True),
        (227, b"PASV", False),
        (530, b"PASV", False),
        (425, b"NOOP", True),
    ],
)
def test_after_the_1xx_the_code_and_the_other_command_tell(
    code: int, verb: bytes, is_transfers: bool
) -> None:
    """T16, T30."""
    assert verbs.ends_transfer(code, verb, started=True) is is_transfers
