"""The PROXY header, both versions and both directions (T1, attack 16)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.protocols.haproxy._v1parser import V1Parser
from twisted.protocols.haproxy._v2parser import V2Parser

from twisted_lb.errors import WireError
from twisted_lb.terms import Address
from twisted_lb.wire.address import ip
from twisted_lb.wire.crc32c import crc32c
from twisted_lb.wire.proxyheader import (
    ALPN,
    AUTHORITY,
    CRC32C,
    MAX_LENGTH,
    NOOP,
    SESSION,
    SIGNATURE,
    SSL,
    UNIQUE_ID,
    Header,
    encode_local,
    encode_v1,
    encode_v2,
    parse,
    session_tlv,
)

from .splits import settled, verdict

CLIENT, FRONT = Address("192.0.2.1", 56324), Address("198.51.100.2", 443)
CLIENT6, FRONT6 = Address("2001:db8::1", 1), Address("2001:db8::2", 65535)
ENDS4 = bytes((192, 0, 2, 1, 198, 51, 100, 2)) + (56324).to_bytes(2) + (443).to_bytes(2)


def v2(command: int = 0x21, family: int = 0x11, block: bytes = ENDS4) -> bytes:
    """A version 2 header written down without our encoder."""
    return SIGNATURE + bytes((command, family)) + len(block).to_bytes(2) + block


def tlv(kind: int, value: bytes) -> bytes:
    return bytes((kind,)) + len(value).to_bytes(2) + value


class TestReading:
    """What a proxy in front of us may send."""

    @pytest.mark.parametrize(
        ("data", "header"),
        [
            (
                b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
                Header(1, False, CLIENT, FRONT),
            ),
            (b"PROXY UNKNOWN\r\n", Header(1, False)),
            (v2(), Header(2, False, CLIENT, FRONT)),
            (
                v2(
                    family=0x21,
                    block=bytes(10) + b"\xff\xff" + ENDS4[:4] + bytes(15) + b"\1\0\7\0\x09",
                ),
                Header(2, False, Address("192.0.2.1", 7), Address("::1", 9)),
            ),
            (v2(family=0x00, block=b""), Header(2, False)),
            (v2(family=0x31, block=b"/run/a".ljust(216, b"\0")), Header(2, False)),
            (v2(command=0x20, family=0x00, block=b""), Header(2, True)),
        ],
        ids=["v1", "v1-unknown", "v2-tcp4", "v2-tcp6", "v2-unspec", "v2-unix", "v2-local"],
    )
    def test_a_header_is_read_at_its_last_byte(self, data: bytes, header: Header) -> None:
        """However it is cut; a second header behind it is payload."""
        assert settled(parse, data + data) == (len(data), (header, len(data)))

    def test_local_ignores_everything_but_the_length(self) -> None:
        data = v2(command=0x20, family=0xEE, block=b"\x03\xff\xff")
        assert settled(parse, data + b"x") == (len(data), (Header(2, True), len(data)))

    def test_values_are_kept_in_order_without_padding_and_checksum(self) -> None:
        block = tlv(NOOP, b"pad") + tlv(0xE5, b"") + tlv(AUTHORITY, b"a.example") + tlv(NOOP, b"")
        header, _ = parse(v2(block=ENDS4 + block))
        assert header.tlvs == ((0xE5, b""), (AUTHORITY, b"a.example"))
        assert header.authority == "a.example"
        assert header.unique_id == b""

    def test_values_come_without_addresses_too(self) -> None:
        header, _ = parse(v2(family=0x31, block=bytes(216) + tlv(UNIQUE_ID, b"u" * 128)))
        assert header.unique_id == b"u" * 128
        assert header.authority == ""

    def test_a_name_that_is_not_utf8_is_escaped(self) -> None:
        header, _ = parse(v2(family=0, block=tlv(AUTHORITY, b"\xffx")))
        assert header.authority == "\\xffx"

    @pytest.mark.parametrize(
        ("data", "at"),
        [
            (b"\r\n\r\n\x00\r\nQUIX", 11),
            (b"\r\rn", 2),
            (v2(command=0x11), 13),
            (v2(command=0x22), 13),
            (v2(family=0x12), 14),
            (v2(family=0x32, block=bytes(216)), 14),
            (v2(family=0x41), 14),
            (SIGNATURE + b"\x21\x11\xff\xff" + b"x" * 40, 16),
            (v2(block=bytes(MAX_LENGTH + 1)), 16),
            (v2(block=ENDS4[:-1]), 16),
            (v2(family=0x21), 16),
            (v2(block=ENDS4 + b"\x01"), 29),
            (v2(block=ENDS4 + b"\x01\x00"), 30),
            (v2(block=ENDS4 + b"\x01\x00\x01"), 31),
            (v2(block=ENDS4 + b"\x01\x01\x00abc"), 34),
            (v2(block=ENDS4 + tlv(CRC32C, b"\0\0\0")), 34),
            (v2(block=ENDS4 + tlv(CRC32C, b"\0\0\0\0")), 35),
            (v2(block=ENDS4 + tlv(UNIQUE_ID, b"u" * 129)), 160),
        ],
    )
    def test_a_wrong_header_is_refused_at_the_first_byte_that_shows_it(
        self, data: bytes, at: int
    ) -> None:
        """Signature, command, family and length as they come; the rest when it is whole."""
        assert settled(parse, data + b"payload") == (at, WireError)

    def test_the_longest_header_is_read(self) -> None:
        data = v2(block=ENDS4 + tlv(SESSION, bytes(MAX_LENGTH - len(ENDS4) - 3)))
        assert parse(data)[1] == 16 + MAX_LENGTH

    def test_any_flipped_bit_under_a_checksum_is_refused(self) -> None:
        """In an address, a port, a value, or the checksum itself."""
        whole = encode_v2(CLIENT, FRONT, [(ALPN, b"telnet")], crc=True)
        for at in (*range(16, 28), *range(31, 37), *range(40, 44)):
            for bit in range(8):
                flipped = bytearray(whole)
                flipped[at] ^= 1 << bit
                assert verdict(parse, bytes(flipped)) is WireError

    def test_two_checksums_are_refused(self) -> None:
        """Each costs a pass over the header: a peer cannot ask for hundreds (attack 25)."""
        once = encode_v2(CLIENT, FRONT, crc=True)
        assert settled(parse, once) == (len(once), (Header(2, False, CLIENT, FRONT), len(once)))
        zeroed = v2(block=ENDS4 + tlv(CRC32C, bytes(4)) * 2)
        first_is_right = zeroed[:31] + crc32c(zeroed).to_bytes(4) + zeroed[35:]
        with pytest.raises(WireError, match="two checksums"):
            parse(first_is_right)

    @given(st.data())
    def test_a_mutated_header_has_one_verdict_for_every_split(self, data: st.DataObject) -> None:
        whole = v2(block=ENDS4 + tlv(ALPN, b"h2") + tlv(UNIQUE_ID, b"x"))
        at, cut = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, 3))
        settled(parse, whole[:at] + data.draw(st.binary(max_size=4)) + whole[at + cut :])


addresses = st.builds(Address, st.ip_addresses().map(str), st.integers(0, 65535))


def unmapped(address: Address) -> Address:
    """What a reader makes of an address that may be IPv4 in IPv6's clothes."""
    header, _ = parse(encode_v1(address, address))
    return header.source


class TestWriting:
    """What we send to a server that wants PROXY."""

    def test_version_1_is_a_line(self) -> None:
        assert encode_v1(CLIENT, FRONT) == b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"
        assert encode_v1(CLIENT6, FRONT6) == b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"

    def test_version_2_is_a_block(self) -> None:
        assert encode_v2(CLIENT, FRONT) == v2()

    def test_addresses_that_are_not_known_are_not_invented(self) -> None:
        assert encode_v1(None, FRONT) == encode_v1(CLIENT, None) == b"PROXY UNKNOWN\r\n"
        assert encode_v2(None, FRONT) == encode_v2(CLIENT, None) == v2(family=0, block=b"")

    def test_a_client_of_a_dual_stack_listener_is_an_ipv4_client(self) -> None:
        mapped = Address("::ffff:192.0.2.1", 56324)
        assert encode_v1(mapped, FRONT) == encode_v1(CLIENT, FRONT)
        assert encode_v2(mapped, FRONT) == encode_v2(CLIENT, FRONT)

    def test_two_families_are_written_as_one(self) -> None:
        for ours in (encode_v1(CLIENT, FRONT6), encode_v2(CLIENT, FRONT6)):
            assert parse(ours) == (Header(ours[0] == 80 or 2, False, CLIENT, FRONT6), len(ours))
        assert b"TCP6" in encode_v1(CLIENT6, FRONT)

    def test_a_zone_stays_at_home(self) -> None:
        assert encode_v1(Address("fe80::1%eth0", 1), FRONT6).startswith(b"PROXY TCP6 fe80::1 ")

    def test_a_check_says_that_it_speaks_for_itself(self) -> None:
        assert encode_local(2) == v2(command=0x20, family=0, block=b"")
        assert encode_local(1) == b"PROXY UNKNOWN\r\n"
        assert encode_local(1, CLIENT, FRONT) == encode_v1(CLIENT, FRONT)

    def test_the_session_and_role_are_a_value_of_ours(self) -> None:
        assert session_tlv("data", "n1-4f") == (SESSION, b"role=data;session=n1-4f")

    def test_what_does_not_fit_is_our_own_mistake(self) -> None:
        with pytest.raises(ValueError, match="unique id"):
            encode_v2(CLIENT, FRONT, [(UNIQUE_ID, b"u" * 129)])
        with pytest.raises(ValueError, match="more than 4096"):
            encode_v2(CLIENT, FRONT, [(SSL, bytes(MAX_LENGTH))])
        with pytest.raises(ValueError, match="does not appear"):
            encode_v1(Address("host.example.com", 1), FRONT)

    @given(
        addresses,
        addresses,
        st.lists(st.tuples(st.integers(6, 255).filter(lambda kind: kind != SSL), st.binary())),
        st.booleans(),
    )
    def test_what_is_written_is_read_back(
        self, source: Address, destination: Address, tlvs: list[tuple[int, bytes]], crc: bool
    ) -> None:
        ends = unmapped(source), unmapped(destination)
        line, block = encode_v1(source, destination), encode_v2(source, destination, tlvs, crc)
        assert parse(line) == (Header(1, False, *ends), len(line))
        assert parse(block) == (Header(2, False, *ends, tuple(tlvs)), len(block))

    @pytest.mark.parametrize(("source", "destination"), [(CLIENT, FRONT), (CLIENT6, FRONT6)])
    def test_a_reader_that_is_not_ours_understands_it(
        self, source: Address, destination: Address
    ) -> None:
        """Twisted's, which reads a header that comes in one piece."""
        for info in (
            V1Parser.parse(encode_v1(source, destination)[:-2]),
            V2Parser.parse(encode_v2(source, destination, [(ALPN, b"ftp")], crc=True)),
        ):
            assert info.source is not None
            assert info.destination is not None
            assert (ip(info.source.host), info.source.port) == (ip(source.host), source.port)
            assert ip(info.destination.host) == ip(destination.host)
            assert info.destination.port == destination.port
