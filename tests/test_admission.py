"""A flood from one network is dropped early, in a curve; who comes from elsewhere is not."""

from __future__ import annotations

from random import Random

import pytest

from twisted_lb.admission import Admission, network, refused_percent
from twisted_lb.config.settings import Startups
from twisted_lb.terms import Address

CURVE = Startups(10, 30, 100)


def peer(host: str) -> Address:
    return Address(host, 50_000)


@pytest.mark.parametrize(
    ("count", "percent"),
    [
        (0, 0),
        (9, 0),
        (10, 30),
        (55, 65),
        (99, pytest.approx(99.2, abs=0.1)),
        (100, 100),
        (500, 100),
    ],
)
def test_the_part_that_is_refused_rises_in_a_straight_line(count: int, percent: float) -> None:
    assert refused_percent(CURVE, count) == percent


def test_a_curve_without_a_slope_is_a_wall() -> None:
    wall = Startups(10, 30, 10)
    assert (refused_percent(wall, 9), refused_percent(wall, 10)) == (0, 100)


def test_a_flood_of_one_network_is_kept_below_full_and_others_come_in() -> None:
    """Attack 12, on the rules alone: 20,000 connections of one /24 that never say a word."""
    admission = Admission(CURVE, Random(12).randrange)
    let_in = 0
    for number in range(20_000):
        attacker = peer(f"198.51.100.{number % 256}")
        if admission.admits(attacker):
            admission.begun(attacker)
            let_in += 1
    assert 60 < let_in <= 100
    assert all(admission.admits(peer(f"192.0.2.{number}")) for number in range(256))
    assert len(admission) == 1


def test_some_of_the_attacked_network_still_get_in() -> None:
    """Chance decides: at the start of the curve two of three come in."""
    admission = Admission(CURVE, Random(1).randrange)
    for _ in range(10):
        admission.begun(peer("192.0.2.1"))
    admitted = sum(admission.admits(peer("192.0.2.200")) for _ in range(1_000))
    assert 640 < admitted < 760


def test_who_is_joined_or_gone_makes_room_and_nothing_is_remembered() -> None:
    admission = Admission(Startups(1, 100, 1), lambda count: 99)
    admission.begun(peer("192.0.2.1"))
    assert not admission.admits(peer("192.0.2.2"))
    admission.begun(peer("192.0.2.2"))
    admission.settled(peer("192.0.2.1"))
    assert not admission.admits(peer("192.0.2.3"))
    admission.settled(peer("192.0.2.2"))
    assert admission.admits(peer("192.0.2.3"))
    assert len(admission) == 0


def test_without_a_limit_nothing_is_counted_and_no_chance_is_asked() -> None:
    admission = Admission(None, lambda count: 1 // 0)
    admission.begun(peer("192.0.2.1"))
    assert admission.admits(peer("192.0.2.1"))
    assert len(admission) == 0
    admission.settled(peer("192.0.2.1"))


@pytest.mark.parametrize(
    ("host", "of"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_network_is_what_one_attacker_has_many_addresses_of(host: str, of: str) -> None:
    assert network(peer(host)) == of
