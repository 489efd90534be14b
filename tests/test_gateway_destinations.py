"""No host is dialled that the operator has not listed, whatever a token says."""

from __future__ import annotations

import pytest

from twisted_lb.gateway.destinations import find
from twisted_lb.gateway.settings import Destination
from twisted_lb.terms import Address

ANY = (1, 65_535)


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("mainframe.example", "mainframe.example"),
        ("Mainframe.Example.", "mainframe.example"),
        ("mainframe.example", "MAINFRAME.EXAMPLE."),
        ("*.example", "mainframe.example"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.0.0.0/8", "::ffff:10.1.2.3"),
        ("2001:db8::/32", "2001:db8::7"),
    ],
)
def test_a_listed_host_may_be_dialled(entry: str, host: str) -> None:
    listed = Destination(entry, ANY)
    assert find([listed], Address(host, 23)) is listed


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("mainframe.example", "mainframe.example.evil.example"),
        ("mainframe.example", "10.0.0.1"),
        ("*.example", "example"),
        ("*.example", ".example"),
        ("*.example", "a.b.example"),
        ("10.0.0.0/8", "11.0.0.1"),
        ("10.0.0.0/8", "2001:db8::1"),
        ("10.0.0.0/8", "ten.example"),
        ("2001:db8::/32", "10.0.0.1"),
    ],
)
def test_another_host_may_not(entry: str, host: str) -> None:
    assert find([Destination(entry, ANY)], Address(host, 23)) is None


def test_ports_are_listed_too() -> None:
    listed = Destination("a.example", (21, 23))
    ports = [port for port in range(20, 26) if find([listed], Address("a.example", port))]
    assert ports == [21, 22, 23]


def test_the_first_entry_that_fits_says_how_it_is_dialled() -> None:
    secure, plain = Destination("a.example", (992, 992), tls="on"), Destination("*.example", ANY)
    assert find([secure, plain], Address("a.example", 992)) is secure
    assert find([secure, plain], Address("a.example", 23)) is plain
    assert find([], Address("a.example", 23)) is None
