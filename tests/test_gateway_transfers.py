"""Transfer numbers: even ones of the proxy, odd ones of the tunnel, none twice in a short while."""

from __future__ import annotations

import pytest

from twisted_lb.errors import Ended
from twisted_lb.gateway.transfers import LAST, PROXYS, TUNNELS, Numbers, place
from twisted_lb.terms import Address


@pytest.mark.parametrize("first", [PROXYS, TUNNELS])
def test_the_two_sides_never_draw_the_same_number(first: int) -> None:
    numbers = Numbers(first)
    drawn = [numbers.draw(()) for _ in range(100)]
    assert {number % 2 for number in drawn} == {first % 2}
    assert len(set(drawn)) == 100


@pytest.mark.parametrize("first", [PROXYS, TUNNELS])
def test_a_number_comes_again_when_all_others_were_used(first: int) -> None:
    numbers = Numbers(first)
    every = [numbers.draw(()) for _ in range(32_256)]
    assert len(set(every)) == 32_256
    assert (min(every), max(every)) == (first, LAST - (1 - first % 2))
    assert numbers.draw(()) == first


def test_a_number_in_use_is_passed_over() -> None:
    assert Numbers(PROXYS).draw({1024, 1026}) == 1028


def test_when_all_are_in_use_there_is_none() -> None:
    with pytest.raises(Ended) as why:
        Numbers(TUNNELS).draw(range(LAST + 1))
    assert why.value.word == "full"


def test_an_ftp_machine_takes_a_number_for_a_port_that_is_allowed() -> None:
    """T46: the address is the same on both sides, so that nobody's own is told."""
    assert place(1024) == Address("127.0.0.1", 1024)
