"""What is remembered of sessions that ended."""

import pytest

from twisted_lb.gateway import past
from twisted_lb.gateway.past import KEPT, Past


def test_a_channel_of_a_session_that_ended_is_known_for_a_minute() -> None:
    gone = Past()
    gone.ended("s1", "secret", 100.0)
    assert gone.had("s1", "secret", 100.0)
    assert gone.had("s1", "secret", 99.9 + KEPT)
    assert not gone.had("s1", "secret", 100.0 + KEPT)


def test_only_who_knows_its_secret_belonged_to_it() -> None:
    gone = Past()
    gone.ended("s1", "secret", 0.0)
    assert not gone.had("s1", "guess", 0.0)
    assert not gone.had("s2", "secret", 0.0)


def test_of_one_id_the_last_session_is_known() -> None:
    gone = Past()
    for secret in ("first", "second"):
        gone.ended("s1", secret, 0.0)
    assert not gone.had("s1", "first", 0.0)
    assert gone.had("s1", "second", 0.0)


def test_nothing_is_kept_for_longer_nor_without_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "MOST", 2)
    gone = Past()
    for number in range(3):
        gone.ended(f"s{number}", "secret", 0.0)
    assert [gone.had(f"s{number}", "secret", 0.0) for number in range(3)] == [False, True, True]
    gone.ended("s3", "secret", KEPT)
    assert len(gone) == 1
