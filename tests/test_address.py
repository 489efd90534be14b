"""One client, one value, whichever family its address comes dressed in."""

import ipaddress

import pytest

from twisted_lb.wire.address import ip, same, within


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::192.0.2.1", "::c000:201"),
    ],
)
def test_every_dress_of_an_address_is_the_same_address(host: str, expected: str) -> None:
    assert ip(host) == ipaddress.ip_address(expected)


def test_one_address_in_two_dresses_is_the_same_and_another_is_not() -> None:
    assert same("192.0.2.1", "::ffff:192.0.2.1") and same("fe80::1%eth0", "fe80::1")
    assert not same("192.0.2.1", "192.0.2.2")
    assert same("host.example.com", "host.example.com")


def test_a_host_name_is_no_address() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        ip("host.example.com")


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("11.0.0.1", False),
        ("2001:db8::7", True),
        ("2001:dead::7", False),
    ],
)
def test_an_address_is_in_a_network_of_its_family(host: str, inside: bool) -> None:
    networks = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32"))
    assert within(host, networks) is inside
    assert not within(host, ())
