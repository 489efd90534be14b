"""What a conversation is told of its two ends."""

from __future__ import annotations

from ipaddress import ip_network

import attrs
import pytest

from tests.ftptalk import circumstances
from twisted_lb.config.settings import FtpRules
from twisted_lb.protocols.ftp.circumstances import Circumstances, advertised
from twisted_lb.terms import Address

ADVERTISE = {"default": "203.0.113.7", "10.0.0.0/8": "10.0.0.5", "10.1.0.0/16": "10.1.0.5"}


@pytest.mark.parametrize(
    ("client", "named"),
    [
        ("192.0.2.9", "203.0.113.7"),
        ("10.9.0.1", "10.0.0.5"),
        ("10.1.0.1", "10.1.0.5"),
        ("::ffff:10.1.0.1", "10.1.0.5"),
        ("2001:db8::1", "203.0.113.7"),
    ],
)
def test_the_smallest_network_decides_what_is_advertised(client: str, named: str) -> None:
    assert advertised(FtpRules(advertise=ADVERTISE), client, "192.0.2.1") == named


def test_without_an_entry_the_address_reached_is_advertised() -> None:
    """T42."""
    assert advertised(FtpRules(), "192.0.2.9", "192.0.2.1") == "192.0.2.1"
    assert circumstances().advertised == "192.0.2.1"


def test_ipv4_in_ipv6s_clothes_is_ipv4() -> None:
    """T43."""
    about = Circumstances(
        client=Address("::ffff:192.0.2.9", 1),
        client_local=Address("::ffff:192.0.2.1", 21),
        server=Address("2001:db8::1", 21),
        server_local=Address("2001:db8::2", 2),
        rules=FtpRules(),
    )
    assert about.client.host == "192.0.2.9"
    assert (about.client_family, about.server_family) == (1, 2)
    assert about.advertised == "192.0.2.1"


def test_peers_of_fxp_are_allowed_by_network_and_never_ourselves() -> None:
    """T46, attack 5: own addresses, loopback, 0.0.0.0."""
    about = circumstances(allowed_peers=(ip_network("0.0.0.0/0"), ip_network("2001:db8::/32")))
    assert about.permits("192.0.2.77")
    assert about.permits("2001:db8::7")
    assert not about.permits("2001:dead::7")
    for host in ("127.0.0.1", "0.0.0.0", "192.0.2.1", "198.51.100.254", "::1", "::"):
        assert not about.permits(host)
    assert not circumstances().permits("192.0.2.77")
    behind = attrs.evolve(about, ours=("192.0.2.77",))
    assert not behind.permits("192.0.2.77")
