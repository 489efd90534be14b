"""The SSL value of a PROXY header: what TLS showed of a client."""

from contextlib import suppress

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.errors import WireError
from twisted_lb.terms import MORE, Address
from twisted_lb.wire.proxyheader import SSL, Header, encode_v2, parse, ssl_tlv
from twisted_lb.wire.proxyssl import CERTIFICATE_MAX, ClientSsl, read, write

JOE = ClientSsl("TLSv1.3", "TLS_AES_256_GCM_SHA384", b"\x30der", "joe", True, True)
BYTES = (
    b"\x07\0\0\0\0\x21\0\x07TLSv1.3\x22\0\x03joe\x23\0\x16TLS_AES_256_GCM_SHA384\x28\0\x04\x30der"
)


class TestWrite:
    def test_a_client_with_a_certificate_that_was_verified(self) -> None:
        assert write(JOE) == BYTES

    def test_nobody_vouches_for_a_certificate_of_ones_own(self) -> None:
        """`verify` is not 0, and the certificate is there all the same."""
        own = ClientSsl("TLSv1.2", certificate=b"der", shown=True)
        assert write(own) == b"\x07\0\0\0\x01\x21\0\x07TLSv1.2\x28\0\x03der"

    def test_a_certificate_that_was_shown_when_the_session_began(self) -> None:
        told = evolve(JOE, resumed=True)
        assert write(told) == b"\x05" + BYTES[1:]
        assert read(write(told)) == told

    def test_a_client_without_a_certificate(self) -> None:
        assert write(ClientSsl("TLSv1.2")) == b"\x01\0\0\0\x01\x21\0\x07TLSv1.2"

    def test_a_certificate_too_long_for_a_header_is_left_out(self) -> None:
        """A client chooses its certificate; it must not be able to break the header."""
        fits = ClientSsl(certificate=bytes(CERTIFICATE_MAX), shown=True)
        assert read(write(fits)) == fits
        long = ClientSsl(certificate=bytes(CERTIFICATE_MAX + 1), shown=True)
        assert read(write(long)) == ClientSsl(shown=True)


class TestRead:
    def test_what_was_written(self) -> None:
        assert read(BYTES) == JOE

    def test_a_client_that_came_in_clear(self) -> None:
        assert read(b"\0\0\0\0\x01" + BYTES[5:]) is None

    def test_verified_means_nothing_without_a_certificate(self) -> None:
        assert read(b"\x01\0\0\0\0") == ClientSsl()

    def test_what_is_not_known_is_skipped(self) -> None:
        assert read(b"\x01\0\0\0\x01\x7f\0\x02??\x21\0\x01v") == ClientSsl("v")

    @pytest.mark.parametrize("length", [0, 4, 6, 7, 14, 18, len(BYTES) - 1])
    def test_a_value_cut_short_is_refused(self, length: int) -> None:
        with pytest.raises(WireError):
            read(BYTES[:length])

    @given(st.binary(max_size=60))
    def test_no_bytes_bring_anything_but_a_verdict(self, value: bytes) -> None:
        with suppress(WireError):
            read(value)

    @given(st.text(), st.text(), st.binary(min_size=1, max_size=60), st.booleans())
    def test_what_is_written_is_read(
        self, version: str, name: str, certificate: bytes, verified: bool
    ) -> None:
        told = ClientSsl(version, "", certificate, name, True, verified)
        assert read(write(told)) == told


def test_a_certificate_that_was_not_shown_is_nobodys() -> None:
    """Whoever wrote it: a token may be bound to it."""
    found = parse(encode_v2(*TestHeader.ENDS, [(SSL, b"\x01" + BYTES[1:])], crc=True))
    assert found is not MORE
    assert found[0].client_certificate == b""


class TestHeader:
    """Within the whole header."""

    ENDS = Address("192.0.2.7", 50000), Address("198.51.100.1", 3000)

    def header(self, *tlvs: tuple[int, bytes]) -> Header:
        found = parse(encode_v2(*self.ENDS, tlvs, crc=True))
        assert isinstance(found, tuple)
        return found[0]

    def test_the_client_certificate_is_at_hand(self) -> None:
        header = self.header(ssl_tlv(JOE))
        assert header.ssl == JOE
        assert header.client_certificate == b"\x30der"

    def test_without_tls_there_is_none(self) -> None:
        assert self.header().ssl is None
        assert self.header().client_certificate == b""

    def test_a_broken_value_breaks_the_header(self) -> None:
        with pytest.raises(WireError, match="SSL value cut short"):
            parse(encode_v2(*self.ENDS, [(SSL, b"\x01\0")]))
