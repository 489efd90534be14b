"""A hint points to the server of a client's last session, for a while and never for too many."""

from twisted_lb.hints import Hints
from twisted_lb.terms import Server

A, B = Server("pool", "a", "192.0.2.1"), Server("pool", "b", "192.0.2.2")


def test_a_client_is_pointed_to_its_last_server_until_the_hint_is_too_old() -> None:
    hints = Hints(lifetime=60.0)
    assert hints.find("joe", 0.0) is None
    hints.remember("joe", A, 0.0)
    assert hints.find("joe", 59.9) is A
    assert hints.find("joe", 60.0) is None


def test_a_session_elsewhere_moves_the_hint_and_renews_it() -> None:
    """T86: who was sent elsewhere stays there."""
    hints = Hints(lifetime=60.0)
    hints.remember("joe", A, 0.0)
    hints.remember("joe", B, 50.0)
    assert hints.find("joe", 100.0) is B
    assert len(hints) == 1


def test_the_table_is_capped_and_forgets_the_oldest_first() -> None:
    """Attack 21: forged clients push out each other, and cost no more than the cap."""
    hints = Hints(lifetime=60.0, capacity=3)
    for number in range(3):
        hints.remember(str(number), A, 0.0)
    hints.remember("0", A, 1.0)
    hints.remember("3", A, 2.0)
    assert len(hints) == 3
    assert [name for name in "0123" if hints.find(name, 3.0)] == ["0", "2", "3"]
