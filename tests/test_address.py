"""One client, one value, whichever family its address comes dressed in."""

import ipaddress

import pytest

from twisted_lb.wire.address import ip


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


def test_a_host_name_is_no_address() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        ip("host.example.com")
