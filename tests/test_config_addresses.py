"""Ports, hosts, networks and listening addresses as operators write them."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.config.addresses import (
    ADVERTISE,
    ALPN,
    HOST,
    LISTEN,
    NETWORK,
    SERVER_PORT,
    SNI,
    is_address,
    port_range,
)
from twisted_lb.config.values import Refused, Value
from twisted_lb.terms import Address


def refusal(kind: Value, raw: object) -> str:
    with pytest.raises(Refused) as caught:
        kind.read(raw)
    return caught.value.why


def test_a_range_has_both_its_ends() -> None:
    assert port_range().read("40000-40999") == (40000, 40999)
    assert port_range().read("1 - 1") == (1, 1)
    assert port_range().show((40000, 40999)) == "40000-40999"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (40000, ""),
        ("40000", ""),
        ("5-4", '"5-4" ends before it begins'),
        ("80-90", '"80-90" is not within 1024-65535'),
        ("60000-70000", '"60000-70000" is not within 1024-65535'),
    ],
)
def test_a_range_that_is_none_is_refused(raw: object, why: str) -> None:
    assert refusal(port_range(1024), raw) == why


@pytest.mark.parametrize("raw", ["same", 3000, "3000-3099"])
def test_a_server_s_port_is_the_same_or_fixed_or_a_range(raw: object) -> None:
    assert SERVER_PORT.show(SERVER_PORT.read(raw)) == raw


@pytest.mark.parametrize(
    ("raw", "host"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("ftp_1.example.com", "ftp_1.example.com"),
        ("localhost", "localhost"),
        ("example.com.", "example.com."),
    ],
)
def test_a_host_is_a_name_or_an_address(raw: str, host: str) -> None:
    assert HOST.read(raw) == host


@pytest.mark.parametrize("raw", ["10.0.0.1:21", "[2001:db8::1]:21", "[::1]", "ftp.example.com:21"])
def test_a_server_with_a_port_is_told_where_ports_stand(raw: str) -> None:
    assert "a server is a host, and its port is the role's" in refusal(HOST, raw)


@pytest.mark.parametrize("raw", [7, "", "a b", "10.0.0", "10.0.0.256", "-a", "a..b", "x" * 64])
def test_other_hosts_are_refused(raw: object) -> None:
    assert refusal(HOST, raw) == ""


def test_an_address_is_no_name() -> None:
    assert is_address("::1")
    assert not is_address("localhost")


@pytest.mark.parametrize(
    ("raw", "network"),
    [("10.0.0.0/8", "10.0.0.0/8"), ("10.0.0.1", "10.0.0.1/32"), ("2001:db8::/32", "2001:db8::/32")],
)
def test_a_network_may_be_a_single_address(raw: str, network: str) -> None:
    assert NETWORK.read(raw) == ipaddress.ip_network(network)
    assert NETWORK.show(NETWORK.read(raw)) == network


def test_a_network_with_too_many_bits_is_corrected() -> None:
    assert refusal(NETWORK, "10.0.0.1/8") == (
        '"10.0.0.1/8" has bits beyond its prefix: did you mean "10.0.0.0/8"?'
    )


@pytest.mark.parametrize("raw", ["example.com", 10, "10.0.0.0/33"])
def test_what_is_no_network_is_refused(raw: object) -> None:
    assert refusal(NETWORK, raw) == ""


def test_an_advertised_address_may_depend_on_the_client_s_network() -> None:
    written = {"default": "203.0.113.7", "10.0.0.0/8": "10.0.0.5"}
    assert ADVERTISE.read(written) == written
    assert ADVERTISE.read("203.0.113.7") == {"default": "203.0.113.7"}


@pytest.mark.parametrize("raw", ["2001:db8::1", "ftp.example.com", 7])
def test_a_227_reply_can_only_name_an_ipv4_address(raw: object) -> None:
    with pytest.raises(Refused) as caught:
        ADVERTISE.read({"default": raw})
    assert caught.value.items[0][0] == ("default",)


def test_one_network_is_advertised_to_once() -> None:
    raw = {"10.0.0.1": "10.0.0.5", "10.0.0.1/32": "10.0.0.6"}
    assert refusal(ADVERTISE, raw) == "two keys mean the same"


@pytest.mark.parametrize(
    ("raw", "addresses"),
    [
        ("*:21", [("*", 21)]),
        ("10.0.0.1:0", [("10.0.0.1", 0)]),
        ("[2001:DB8::1]:3000", [("2001:db8::1", 3000)]),
        ("*:31000-31002", [("*", 31000), ("*", 31001), ("*", 31002)]),
        (["*:21", "[::]:990"], [("*", 21), ("::", 990)]),
    ],
)
def test_a_listening_address_has_a_host_and_one_port_or_more(
    raw: object, addresses: list[tuple[str, int]]
) -> None:
    assert LISTEN.read(raw) == tuple(Address(*address) for address in addresses)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (21, ""),
        ("21", ""),
        ("::1:21", '"::1:21" lacks the brackets of IPv6: "[::1]:21"'),
        (":21", ""),
        ("*", ""),
        ("localhost:21", '"localhost" is a name: listen on an address, or on "*" for all of them'),
        ("[10.0.0.1]:21", "only an IPv6 address stands in brackets"),
        ("*:70000", '"*:70000": ports go from 1 to 65535, and 0 alone is any free one'),
        ("*:5-4", '"*:5-4" ends before it begins'),
        ("*:0-4", '"*:0-4": ports go from 1 to 65535, and 0 alone is any free one'),
    ],
)
def test_what_cannot_be_listened_on_is_refused(raw: object, why: str) -> None:
    assert refusal(LISTEN, raw) == why


HOSTS = st.sampled_from(["*", "10.0.0.1", "2001:db8::1"])


@given(st.lists(st.builds(Address, HOSTS, st.integers(0, 4)), max_size=6).map(tuple))
def test_listening_addresses_are_written_so_that_they_read_the_same(addresses: Any) -> None:
    assert LISTEN.read(LISTEN.show(addresses)) == addresses


def test_consecutive_ports_are_written_as_a_range() -> None:
    addresses = LISTEN.read(["*:31000-31099", "*:21"])
    assert LISTEN.show(addresses) == ["*:31000-31099", "*:21"]


@pytest.mark.parametrize(
    ("raw", "name"),
    [("WWW.Example.com.", "www.example.com"), ("*.Example.com", "*.example.com")],
)
def test_a_name_to_route_by_is_as_clients_show_it(raw: str, name: str) -> None:
    assert SNI.read(raw) == name


@pytest.mark.parametrize("raw", ["*", "*.*.example.com", "www.*.com", "a b", 7, "bücher.example"])
def test_only_a_whole_first_label_may_be_a_wildcard(raw: object) -> None:
    assert refusal(SNI, raw) == ""


def test_a_protocol_name_is_taken_as_it_is() -> None:
    assert ALPN.read("http/1.1") == "http/1.1"
    assert refusal(ALPN, "") == ""
