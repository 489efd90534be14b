"""Who is logged in, seen from the middle."""

from __future__ import annotations

from twisted_lb.protocols.ftp.login import Login


def login(*answers: tuple[bytes, str, int]) -> Login:
    state = Login()
    for verb, user, code in answers:
        state.answered(verb, user, code)
    return state


def test_user_and_password() -> None:
    state = login((b"USER", "joe", 331))
    assert (state.user, state.done) == ("joe", False)
    state.answered(b"PASS", "", 230)
    assert (state.user, state.done) == ("joe", True)


def test_a_server_that_wants_no_password_or_an_account() -> None:
    """T22."""
    assert login((b"USER", "anon", 230)).done
    state = login((b"USER", "joe", 331), (b"PASS", "", 332))
    assert not state.done
    state.answered(b"ACCT", "", 202)
    assert state.done


def test_a_wrong_password_is_no_login() -> None:
    assert not login((b"USER", "joe", 331), (b"PASS", "", 530)).done


def test_a_second_user_must_log_in_again() -> None:
    """T9."""
    state = login((b"USER", "joe", 230), (b"USER", "ann", 331))
    assert (state.user, state.done) == ("ann", False)
    assert login((b"USER", "joe", 230), (b"USER", "ann", 503)).done


def test_rein_ends_the_login() -> None:
    """T8."""
    state = login((b"USER", "joe", 230), (b"REIN", "", 220))
    assert (state.user, state.done) == ("", False)
    assert login((b"USER", "joe", 230), (b"REIN", "", 502)).done


def test_unknown_commands_count_until_the_login() -> None:
    """Attack 4."""
    state = login((b"FISH", "", 500), (b"CAKE", "", 502), (b"CWD", "", 530), (b"", "", 500))
    state.misunderstood()
    assert state.unknown == 3
    state.answered(b"USER", "joe", 230)
    state.misunderstood()
    state.answered(b"FISH", "", 500)
    assert state.unknown == 3


def test_refused_commands_count_until_one_is_understood() -> None:
    """Attack 25."""
    state = login((b"USER", "joe", 230), (b"FISH", "", 500), (b"CAKE", "", 502))
    state.misunderstood()
    assert state.refused == 3
    state.answered(b"CWD", "", 550)
    assert state.refused == 0
