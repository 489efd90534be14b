"""Addresses as FTP writes them: strict with clients, by the digits with servers."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.errors import WireError
from twisted_lb.terms import Address
from twisted_lb.wire.ftpaddress import (
    UnknownFamily,
    family,
    format_229,
    format_eprt,
    format_port,
    parse_227,
    parse_229,
    parse_eprt,
    parse_epsv,
    parse_port,
    same_host,
    unmapped,
)

PORTS = st.integers(1, 65535)


@given(st.ip_addresses(v=4).map(str), PORTS)
def test_port_comes_back_as_it_was_written(host: str, port: int) -> None:
    address = Address(host, port)
    assert parse_port(format_port(address)) == address
    assert parse_227(b"227 Entering (" + format_port(address) + b").") == address


@pytest.mark.parametrize(
    "argument",
    [
        b"",
        b"1,2,3,4,5",
        b"1,2,3,4,5,6,7",
        b"256,0,0,1,1,1",
        b"127,0,0,1,256,1",
        b"127,0,0,1,1,1000",
        b"127,0,0,1,-1,0",
        b"127,0,0,1,1.1",
        b"X,0,0,1,1,1",
        b"127,0,0,1,0,0",
        b"127,0,0,1,4, 1",
        b" 127,0,0,1,4,1",
        b"127,0,0,1,4,1 ",
        b"127,0,0,01,4,1",
        b"127,0,0,1,010,1",
        b"127,0,0,1,4,\xb2",
    ],
)
def test_port_with_anything_but_six_numbers_is_malformed(argument: bytes) -> None:
    """T12, attack 5: octal tricks, spaces, numbers above 255."""
    with pytest.raises(WireError):
        parse_port(argument)


@pytest.mark.parametrize(
    "line",
    [
        b"227 Entering Passive Mode (10,0,0,1,4,1).",
        b"227 Entering Passive Mode 10,0,0,1,4,1",
        b"227 =10,0,0,1,4,1",
        b"227 Passive, at 10,0,0,1,4,1, now",
        b"227 Mode 2 (10,0,0,001,004,1)",
        b"227 10,0,0,1,4,1",
    ],
)
def test_227_is_read_by_its_digits(line: bytes) -> None:
    """T11, T25."""
    assert parse_227(line) == Address("10.0.0.1", 1025)


@pytest.mark.parametrize(
    "line",
    [
        b"227 Entering Passive Mode",
        b"227 (10,0,0,1,4)",
        b"227 (10,0,0,1,4,1,7)",
        b"227 (256,0,0,1,4,1)",
        b"227 (10,0,0,1,4,256)",
        b"227 (10,0,0,1,0,0)",
        b"227,10,0,0,1,4",
    ],
)
def test_227_without_six_good_numbers_is_malformed(line: bytes) -> None:
    """T11."""
    with pytest.raises(WireError):
        parse_227(line)


@given(PORTS, st.sampled_from("|!:,~a"))
def test_229_has_a_port_and_any_delimiter(port: int, delimiter: str) -> None:
    """T42."""
    assert parse_229(b"229 Entering Extended Passive Mode " + format_229(port)) == port
    assert parse_229(f"229 Ok ({delimiter * 3}{port}{delimiter})".encode()) == port


@pytest.mark.parametrize(
    "line",
    [b"229 Ok", b"229 (|||0|)", b"229 (|||65536|)", b"229 (|||x|)", b"229 |||1025|", b"229 (||1|)"],
)
def test_229_without_a_port_is_malformed(line: bytes) -> None:
    with pytest.raises(WireError):
        parse_229(line)


@given(st.ip_addresses().map(str), PORTS, st.sampled_from("|!~;@"))
def test_eprt_comes_back_as_it_was_written(host: str, port: int, delimiter: str) -> None:
    """T41: any printable delimiter."""
    address = Address(unmapped(host), port)
    text = format_eprt(address).decode().replace("|", delimiter)
    assert parse_eprt(text.encode(), family(host)) == address


def test_eprt_of_ipv4_in_ipv6s_clothes_is_ipv4() -> None:
    """T41, T43."""
    assert parse_eprt(b"|2|::ffff:192.0.2.9|5000|", 1) == Address("192.0.2.9", 5000)


def test_eprt_keeps_a_zone_and_format_eprt_drops_it() -> None:
    """T41: a zone names an interface of one machine."""
    scoped = Address("fe80::1%eth0", 5000)
    assert parse_eprt(b"|2|fe80::1%eth0|5000|", 2) == scoped
    assert format_eprt(scoped) == b"|2|fe80::1|5000|"


@pytest.mark.parametrize(
    "argument",
    [
        b"",
        b"||",
        b"||||",
        b"|1|192.0.2.9|5000",
        b"|1|192.0.2.9|5000|x",
        b"|1|192.0.2.9|5000||",
        b" 1 192.0.2.9 5000 ",
        b"\x7f1\x7f192.0.2.9\x7f5000\x7f",
        b"|x|192.0.2.9|5000|",
        b"|1|192.0.2.9|0|",
        b"|1|192.0.2.9|65536|",
        b"|1|192.0.2.9|-1|",
        b"|1|192.0.2.9|+5|",
        b"|1|192.0.2.9|000005000|",
        b"|1|192.0.2.256|5000|",
        b"|1|192.0.2.09|5000|",
        b"|1|1.2.3.4.5|5000|",
        b"|1|::1|5000|",
        b"|1|::ffff:192.0.2.9|5000|",
        b"|1|host.example|5000|",
    ],
)
def test_eprt_of_another_form_is_malformed(argument: bytes) -> None:
    """T41, attack 5."""
    with pytest.raises(WireError) as caught:
        parse_eprt(argument, 1)
    assert not isinstance(caught.value, UnknownFamily)


@pytest.mark.parametrize(
    ("argument", "ours"),
    [
        (b"|3|192.0.2.9|5000|", 1),
        (b"|2|::1|5000|", 1),
        (b"|2|192.0.2.9|5000|", 1),
        (b"|2|192.0.2.256|5000|", 1),
        (b"|1|192.0.2.9|5000|", 2),
    ],
)
def test_eprt_of_another_family_is_told_apart(argument: bytes, ours: int) -> None:
    """T41: 522."""
    with pytest.raises(UnknownFamily):
        parse_eprt(argument, ours)  # type: ignore[arg-type]


def test_epsv_takes_our_family_or_all() -> None:
    """T39, T40."""
    assert parse_epsv(b"", 1) == parse_epsv(b"1", 1) == parse_epsv(b"2", 2) == "one"
    assert parse_epsv(b"ALL", 1) == parse_epsv(b"all", 2) == "all"


@pytest.mark.parametrize("argument", [b"2", b"3", b"0"])
def test_epsv_of_another_family_is_told_apart(argument: bytes) -> None:
    with pytest.raises(UnknownFamily):
        parse_epsv(argument, 1)


def test_epsv_with_a_word_is_malformed() -> None:
    with pytest.raises(WireError, match="neither"):
        parse_epsv(b"SOME", 1)


def test_one_host_in_other_clothes_is_one_host() -> None:
    """T43."""
    assert same_host("::ffff:192.0.2.9", "192.0.2.9")
    assert same_host("fe80::1%eth0", "fe80::1")
    assert not same_host("192.0.2.9", "192.0.2.8")
    assert family("::ffff:192.0.2.9") == 1 and family("2001:db8::1") == 2
    assert unmapped("::ffff:192.0.2.9") == "192.0.2.9"
    assert unmapped("fe80::1%eth0") == "fe80::1%eth0"


@given(st.binary(max_size=30), st.sampled_from([1, 2]))
def test_no_bytes_make_a_reader_fail_otherwise(data: bytes, ours: int) -> None:
    """Attack 8: hostile arguments."""
    for read in (
        parse_port,
        parse_227,
        parse_229,
        lambda text: parse_eprt(text, ours),
        lambda text: parse_epsv(text, ours),
    ):
        with contextlib.suppress(WireError):
            read(data)


def test_what_is_written_is_ascii_without_line_ends() -> None:
    """Attack 8: a rewritten line has one line end, ours."""
    for host in (str(IPv4Address(0)), str(IPv4Address(2**32 - 1))):
        assert set(format_port(Address(host, 65535))) <= set(b"0123456789,")
    assert set(format_eprt(Address(str(IPv6Address(2**128 - 1)), 1))) <= set(b"|0123456789abcdef:")
