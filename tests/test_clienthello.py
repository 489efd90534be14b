"""What a client's hello shows: names, protocols, sessions (attacks 15 and 25, T27, T39)."""

import datetime
import ssl
import sys
import tracemalloc
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.errors import WireError
from twisted_lb.terms import MORE
from twisted_lb.wire.clienthello import ClientHello, HelloReader, read_hello
from twisted_lb.wire.tlsrecord import HELLO_MAX, NotTls

from .hellos import (
    alpn,
    client_context,
    extension,
    first_flight,
    hello,
    message,
    padded,
    record,
    records,
    server_names,
    ssl2_hello,
    vector,
)
from .splits import settled, verdict

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def shown(*extensions: bytes) -> ClientHello:
    """What a hello with these extensions shows, at its last byte and at no other."""
    data = hello(*extensions)
    fell, value = settled(read_hello, data)
    assert fell == len(data)
    assert isinstance(value, ClientHello)
    return value


def refused(data: bytes) -> bool:
    """Refused, however it is cut, as broken TLS."""
    with pytest.raises(WireError) as caught:
        read_hello(data)
    return settled(read_hello, data)[1] is WireError and not isinstance(caught.value, NotTls)


class TestServerName:
    """RFC 6066 section 3."""

    @pytest.mark.parametrize(
        ("raw", "name"),
        [
            (b"a.example", "a.example"),
            (b"A.Example", "a.example"),
            (b"a.example.", "a.example"),
            (b"localhost", "localhost"),
            (b"a_b.xn--bcher-kva.example", "a_b.xn--bcher-kva.example"),
            (b".".join([b"a" * 63] * 4)[:255], ".".join(["a" * 63] * 4)[:255]),
        ],
    )
    def test_a_name_is_shown_in_one_form(self, raw: bytes, name: str) -> None:
        assert shown(server_names(raw)).server_name == name

    @pytest.mark.parametrize("raw", [b"192.0.2.1", b"2001:db8::1", b"[2001:DB8::1]", b"192.0.2.1."])
    def test_an_address_is_no_name(self, raw: bytes) -> None:
        assert shown(server_names(raw)).server_name is None

    @pytest.mark.parametrize(
        "raw",
        [
            b"a.exam\x00ple",
            b"b\xc3\xbccher.example",
            b"a.example\r\n",
            b"a b",
            b"*.example",
            b".example",
            b"a..example",
            b"a.example..",
            b".",
            b"a" * 64 + b".example",
            b".".join([b"a" * 50] * 6),
        ],
    )
    def test_what_is_no_host_name_is_refused(self, raw: bytes) -> None:
        assert refused(hello(server_names(raw)))

    def test_two_names_are_refused(self) -> None:
        """The server could go by the one that we did not."""
        assert refused(hello(server_names(b"a.example", b"b.example")))
        assert refused(hello(server_names(b"a.example"), server_names(b"a.example")))

    def test_another_kind_of_name_is_skipped(self) -> None:
        assert shown(server_names(b"\xff\x00", b"x", kind=7)).server_name is None

    def test_with_encrypted_client_hello_it_is_the_outer_name(self) -> None:
        """The inner one is for the server that holds the key."""
        ech = extension(0xFE0D, b"\x00" + bytes(200))
        assert shown(ech, server_names(b"public.example")).server_name == "public.example"

    @pytest.mark.parametrize(
        "content",
        [b"", b"\x00\x00", b"\x00\x05\x00\x00\x09ab", b"\x00\x03\x00\x00\x00", b"\x00\x01\x00"],
    )
    def test_junk_lengths_are_refused(self, content: bytes) -> None:
        assert refused(hello(extension(0, content)))

    def test_bytes_behind_the_names_are_refused(self) -> None:
        assert refused(hello(extension(0, server_names(b"a")[4:] + b"x")))


class TestOtherExtensions:
    """What keys and routes are made of."""

    def test_nothing_shown_is_nothing(self) -> None:
        assert shown() == ClientHello(legacy_version=0x0303)

    def test_a_hello_before_extensions_existed(self) -> None:
        data = record(message(session_id=b"s" * 32, tail=b""))
        assert read_hello(data) == ClientHello(0x0303, session_id=b"s" * 32)

    def test_protocol_names_keep_their_order(self) -> None:
        assert shown(alpn(b"\x0a\x0a", b"x-gw", b"ftp")).alpn == (b"\x0a\x0a", b"x-gw", b"ftp")

    def test_a_ticket_is_shown_whole_and_its_absence_too(self) -> None:
        assert shown().ticket is None
        assert shown(extension(35, b"")).ticket == b""
        assert shown(extension(35, b"t" * 300)).ticket == b"t" * 300

    def test_identities_are_shown_without_their_ages(self) -> None:
        offered = vector(2, b"one") + b"age1" + vector(2, b"second") + b"age2"
        content = vector(2, offered) + vector(2, vector(1, bytes(32)))
        assert shown(extension(41, content)).psk_identities == (b"one", b"second")

    def test_grease_is_not_a_version(self) -> None:
        """RFC 8701; 0x0A1A only looks like it."""
        offered = b"\x0a\x0a\xfa\xfa\x0a\x1a\x03\x04\x03\x03"
        assert shown(extension(43, vector(1, offered))).versions == (0x0A1A, 0x0304, 0x0303)

    def test_grease_extensions_are_skipped(self) -> None:
        """RFC 8701: an empty one first, one with a byte last."""
        greased = shown(extension(0x2A2A, b""), alpn(b"ftp"), extension(0xEAEA, b"\x00"))
        assert greased == shown(alpn(b"ftp"))

    @pytest.mark.parametrize(
        "broken",
        [
            extension(16, b""),
            extension(16, b"\x00\x00"),
            extension(16, vector(2, b"\x00\x01a")),
            extension(16, vector(2, b"\x03ft")),
            extension(16, vector(2, b"\x03ftp") + b"x"),
            extension(41, vector(2, b"\x00\x00age1")),
            extension(41, vector(2, vector(2, b"one") + b"ag")),
            extension(41, vector(2, vector(2, b"longer") + b"age")),
            extension(43, b"\x00"),
            extension(43, b"\x03\x03\x04\x03"),
            extension(43, b"\x02\x03\x04\x03"),
            extension(16, vector(2, b"\x01a")) + extension(16, vector(2, b"\x01b")),
            extension(0x4242, b"") * 2,
            b"\x00",
            b"\x12\x34\x00\x05abc",
        ],
    )
    def test_broken_extensions_are_refused(self, broken: bytes) -> None:
        assert refused(hello(broken))


class TestWholeHello:
    """The fixed part, and old Java."""

    @pytest.mark.parametrize(
        "data",
        [
            record(message(session_id=b"s" * 33)),
            record(message(ciphers=b"")),
            record(message(ciphers=b"\x13\x01\x13")),
            record(message(compressions=b"")),
            record(message(tail=b"\x00")),
            record(message(tail=b"\x00\x00\x00")),
            record(message(tail=b"\x00\x05\x00")),
            record(b"\x01\x00\x00\x03\x03\x03\x00"),
            record(b"\x01\x00\x00\x00"),
        ],
    )
    def test_broken_hellos_are_refused(self, data: bytes) -> None:
        assert refused(data)

    def test_old_java_shows_no_name(self) -> None:
        """Java 6 and earlier (T39)."""
        data = ssl2_hello(session_id=b"s" * 16)
        found = ClientHello(legacy_version=0x0301, session_id=b"s" * 16)
        assert settled(read_hello, data + b"x") == (len(data), found)

    @pytest.mark.parametrize(
        "data",
        [
            ssl2_hello(ciphers=b"\x00\x2f"),
            ssl2_hello(ciphers=b""),
            ssl2_hello(session_id=b"s" * 33),
            ssl2_hello(challenge=b"c" * 15),
            ssl2_hello(challenge=b"c" * 33),
            ssl2_hello(junk=b"x"),
            ssl2_hello()[:9] + b"\x00\x10" + b"c" * 38,
        ],
    )
    def test_broken_old_hellos_are_refused(self, data: bytes) -> None:
        assert refused(data)

    def test_a_hello_with_post_quantum_keys_is_read_in_every_cut(self) -> None:
        """About 1.8 KB: more than a segment, which is where the field fails (attack 15)."""
        share = extension(51, vector(2, b"\x11\xec" + vector(2, bytes(1216))))
        whole = padded(1800, share, server_names(b"a.example"))
        for data in (record(whole), records(whole, [1, 600]), records(whole, range(1, 1800, 7))):
            reader = HelloReader()
            answers = [reader.take(data[at : at + 1]) for at in range(len(data))]
            assert set(answers[:-1]) == {MORE}
            assert answers[-1] == read_hello(data)
            assert answers[-1].server_name == "a.example"
        for cut in range(1, len(data), 50):
            reader = HelloReader()
            assert (reader.take(data[:cut]), reader.take(data[cut:])) == (MORE, answers[-1])

    def test_the_largest_hello_is_read(self) -> None:
        found = read_hello(record(padded(HELLO_MAX - 5, server_names(b"a.example"))))
        assert isinstance(found, ClientHello)
        assert found.server_name == "a.example"

    @given(st.data())
    def test_a_mutated_hello_has_one_verdict_for_every_split(self, data: st.DataObject) -> None:
        """And never another exception than WireError."""
        identities = vector(2, vector(2, b"psk") + b"age1") + vector(2, vector(1, bytes(32)))
        whole = hello(server_names(b"a.example"), alpn(b"ftp"), extension(41, identities))
        at, cut = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, 3))
        mutated = whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + cut :]
        fell, found = settled(read_hello, mutated)
        reader = HelloReader()
        for position in range(min(fell, len(mutated))):
            each = verdict(reader.take, mutated[position : position + 1])
            assert each == (found if position + 1 == fell else MORE)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A throw-away key and certificate, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(secret + made.public_bytes(pem))
    return file


def session_after_handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> ssl.SSLSession:
    """A whole handshake in memory; what the client may resume afterwards."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname="a.example")
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for end in (ours, theirs, ours, theirs):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    with pytest.raises(ssl.SSLWantReadError):
        ours.read()  # takes in the tickets of TLS 1.3, which come after the handshake
    assert ours.session is not None
    return ours.session


class TestRealClient:
    """Hellos that OpenSSL makes."""

    def test_with_and_without_name_and_protocols(self) -> None:
        context = client_context()
        bare = read_hello(first_flight(context))
        context.set_alpn_protocols(["ftp", "x-gw"])
        full = read_hello(first_flight(context, "A.Example"))
        assert isinstance(bare, ClientHello)
        assert isinstance(full, ClientHello)
        assert (bare.server_name, bare.alpn) == (None, ())
        assert (full.server_name, full.alpn) == ("a.example", (b"ftp", b"x-gw"))
        assert full.versions[0] == 0x0304

    def test_every_split_of_a_real_hello(self) -> None:
        data = first_flight(client_context(), "a.example")
        fell, found = settled(read_hello, data)
        assert (fell, found.server_name) == (len(data), "a.example")

    def resumption(self, certificate: Path, version: ssl.TLSVersion, options: int) -> ClientHello:
        """The hello of a client that comes back to a server."""
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate)
        server.options |= options
        client = client_context(version)
        session = session_after_handshake(client, server)
        found = read_hello(first_flight(client, "a.example", session))
        assert isinstance(found, ClientHello)
        return found

    def test_resumption_by_id(self, certificate: Path) -> None:
        found = self.resumption(certificate, TLS12, ssl.OP_NO_TICKET)
        assert len(found.session_id) == 32
        assert found.ticket == b""
        assert found.versions == ()

    def test_resumption_by_ticket(self, certificate: Path) -> None:
        found = self.resumption(certificate, TLS12, 0)
        assert found.ticket is not None
        assert len(found.ticket) > 100
        assert found.psk_identities == ()

    def test_resumption_in_tls_1_3(self, certificate: Path) -> None:
        """The session id is only there for old middleboxes, and random each time (T27)."""
        found = self.resumption(certificate, TLS13, 0)
        assert len(found.psk_identities) == 1
        assert len(found.psk_identities[0]) > 100


class TestCost:
    """What a byte of an attacker costs us (attack 25)."""

    def calls(self, data: bytes, step: int) -> int:
        """How many functions are called to read `data` in pieces of `step` bytes."""
        count = 0

        def profile(*_: object) -> None:
            nonlocal count
            count += 1

        reader = HelloReader()
        sys.setprofile(profile)
        try:
            for at in range(0, len(data), step):
                answer = reader.take(data[at : at + step])
        finally:
            sys.setprofile(None)
        assert answer is not MORE
        return count

    @pytest.mark.parametrize(
        "wire",
        [
            lambda size: record(padded(size, server_names(b"a.example"))),
            lambda size: records(padded(size // 6, server_names(b"a.example")), range(size // 6)),
        ],
        ids=["one-record", "one-byte-records"],
    )
    def test_byte_by_byte_costs_the_same_for_every_byte(self, wire) -> None:
        """Twice the bytes, twice the work, however they are cut."""
        small, large = wire(8_000), wire(16_000)
        bound = 2.1 * self.calls(small, 1)
        assert self.calls(large, 1) <= bound
        assert self.calls(large, 1) <= 30 * len(large)

    @pytest.mark.parametrize(
        "extensions",
        [
            [extension(kind, b"") for kind in range(100, 4100)],
            [alpn(*[b"ab"] * 5_400)],
            [server_names(*[b"x"] * 4_000, kind=9)],
            [extension(41, vector(2, (vector(2, b"p") + b"age1") * 2_300))],
        ],
        ids=["extensions", "protocols", "names", "identities"],
    )
    def test_no_hello_takes_many_times_its_size(self, extensions: list[bytes]) -> None:
        data = hello(*extensions)
        assert 15_000 < len(data) <= HELLO_MAX
        assert self.calls(data, len(data)) <= 10 * len(data)
        tracemalloc.start()
        try:
            read_hello(data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak <= 40 * len(data)
