"""The token server's configuration: what it means, and everything that is wrong with one."""

from ipaddress import ip_network

import pytest

from twisted_lb.config.settings import Startups
from twisted_lb.errors import ConfigurationError
from twisted_lb.gateway.tokensettings import Permitted, load
from twisted_lb.terms import Address

WHOLE = """
listen = "127.0.0.1:8443"
users = "users"

[issuer]
name = "mss.example.com"
key = "issuer.key"
audience = "front.example.com"

[tls]
certificate = "mss.pem"

[[destination]]
address = "ftp.example.com:21"
users = ["ann", "bob"]
roles = ["control", "data", "notification"]

[[destination]]
address = "[2001:db8::1]:23"
users = "*"
"""


def wrong(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(text, "t.toml")
    return [line.removeprefix("t.toml") for line in str(caught.value).splitlines()]


def test_a_whole_configuration() -> None:
    settings = load(WHOLE, "t.toml")
    assert settings.listen == (Address("127.0.0.1", 8443),)
    assert settings.issuer.audience == ("front.example.com",)
    assert settings.issuer.lifetime == 8 * 3600
    assert [place.address for place in settings.destinations] == [
        Address("ftp.example.com", 21),
        Address("2001:db8::1", 23),
    ]
    assert settings.destinations[1].roles == ("terminal",)


def test_who_may_connect_is_said_as_for_a_frontend() -> None:
    settings = load('allow = "10.0.0.0/8"\nstartups = "10:50:20"\n' + WHOLE, "t.toml")
    assert settings.allow == (ip_network("10.0.0.0/8"),)
    assert settings.startups == Startups(10, 50, 20)
    assert load('startups = "unlimited"\n' + WHOLE, "t.toml").startups is None
    usual = load(WHOLE, "t.toml")
    assert usual.startups is not None
    assert usual.startups.full < usual.maxconn, "one network fills it not alone"


def test_everything_that_is_missing_is_told_at_once() -> None:
    told = wrong("lisen = 1\n")
    assert not any(line.startswith(": listen: ") for line in told)  # it is misspelt
    assert ": issuer: is missing: the top needs it" in told
    assert ": users: is missing: the top needs it" in told
    assert any(line.startswith(":1: lisen: ") and "listen" in line for line in told)


def test_it_needs_somewhere_to_go() -> None:
    text = WHOLE[: WHOLE.index("[[destination]]")]
    assert wrong("destination = []\n" + text) == [
        ":1: destination: is empty: no user may go anywhere"
    ]


def test_passwords_do_not_pass_unencrypted() -> None:
    plain = WHOLE.replace('certificate = "mss.pem"', 'mode = "off"')
    assert load(plain, "t.toml").tls.mode == "off"
    for host in ("*", "10.0.0.1", "[::]"):
        (told,) = wrong(plain.replace("127.0.0.1:", f"{host}:"))
        assert "listen on loopback only" in told
    assert load(plain.replace("127.0.0.1", "[::1]"), "t.toml").listen[0].host == "::1"


def test_tls_needs_a_certificate() -> None:
    (told,) = wrong(WHOLE.replace('certificate = "mss.pem"', ""))
    assert ": tls.certificate: is missing: passwords pass" in told


@pytest.mark.parametrize("address", ["ftp.example.com", "h:0", "2001:db8::1:23", 21])
def test_a_destination_is_a_host_and_a_port(address: object) -> None:
    spelt = f'"{address}"' if isinstance(address, str) else str(address)
    (told,) = wrong(WHOLE.replace('"ftp.example.com:21"', spelt))
    assert "destination[#1].address: wants a host and port" in told


def test_a_place_is_for_its_users() -> None:
    place = Permitted(Address("FTP.example.com", 21), ("ann",))
    assert place.allows("ann", Address("ftp.EXAMPLE.com", 21))
    assert not place.allows("bob", Address("ftp.example.com", 21))
    assert not place.allows("ann", Address("ftp.example.com", 22))
    assert not place.allows("ann", Address("example.com", 21))
    assert Permitted(Address("h", 23), ("*",)).allows("anybody", Address("h", 23))
