"""Records in any cut become one message, and garbage is known as early as it shows."""

import ssl
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.errors import WireError
from twisted_lb.terms import MORE, More
from twisted_lb.wire.tlsrecord import (
    HELLO_MAX,
    NO_APPLICATION_PROTOCOL,
    UNRECOGNIZED_NAME,
    HelloCollector,
    Message,
    NotTls,
    alert,
    first_record,
)

from .hellos import (
    client_context,
    first_flight,
    hello,
    message,
    padded,
    record,
    records,
    server_names,
    ssl2_hello,
)
from .splits import settled, verdict

WHOLE = message(server_names(b"a.example"))


def collect(data: bytes) -> More | Message:
    return HelloCollector().take(data)


def test_a_hello_in_one_record_is_whole_at_its_last_byte() -> None:
    data = record(WHOLE)
    assert settled(collect, data + data) == (len(data), Message(WHOLE[4:]))


def test_what_follows_in_the_same_record_is_not_looked_at() -> None:
    data = record(WHOLE + b"\x0b more of the handshake")
    assert settled(collect, data) == (5 + len(WHOLE), Message(WHOLE[4:]))


@pytest.mark.parametrize("cuts", [(1,), (3,), (4,), (2, 50), (1, 2, 3), range(1, len(WHOLE))])
def test_a_hello_in_several_records_is_one_hello(cuts: range | tuple[int, ...]) -> None:
    """Cut inside its own header too; every byte in a record of its own (attack 15)."""
    data = records(WHOLE, cuts)
    assert settled(collect, data) == (len(data), Message(WHOLE[4:]))


@given(st.sets(st.integers(1, len(WHOLE) - 1)), st.lists(st.integers(0, 2000)))
def test_neither_records_nor_segments_change_the_message(
    cuts: set[int], segments: list[int]
) -> None:
    data, collector = records(WHOLE, cuts), HelloCollector()
    edges = [0, *sorted(min(each, len(data)) for each in segments), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]
    answers = [answer for piece in pieces if (answer := collector.take(piece)) is not MORE]
    assert answers == [Message(WHOLE[4:])]


def test_a_hello_may_fill_a_whole_record() -> None:
    data = record(padded(HELLO_MAX - 5))
    assert len(data) == HELLO_MAX
    assert collect(data) == Message(data[9:])
    assert collect(data[:-1]) is MORE


def test_a_longer_hello_is_refused_when_it_tells_its_length() -> None:
    data = record(padded(HELLO_MAX - 4)[:100])
    assert verdict(collect, data[:8]) is MORE
    assert verdict(collect, data[:9]) is WireError


def test_several_records_may_not_take_more_than_one_could() -> None:
    """The headers count: a client of one-byte records reaches the end of our patience first."""
    fits, beyond = padded(HELLO_MAX - 10), padded(HELLO_MAX - 9)
    assert collect(records(fits, [9000])) == Message(fits[4:])
    assert verdict(collect, records(beyond, [9000])[: HELLO_MAX - 1]) is MORE
    assert verdict(collect, records(beyond, [9000])[:HELLO_MAX]) is WireError
    assert verdict(collect, records(beyond, [9000])) is WireError
    assert verdict(collect, records(fits, range(1, 9000))) is WireError


@pytest.mark.parametrize(
    ("data", "at"),
    [
        (b"GET / HTTP/1.1", 1),
        (b"SSH-2.0-x", 1),
        (b"USER a\r\n", 1),
        (b"\x00", 1),
        (b"\x15\x03\x01\x00\x02\x02\x28", 1),
        (b"\x16\x02", 2),
        (b"\x16\xfe\xff", 2),
        # Telnet: IAC DO, IAC WILL.
        (b"\xff\xfd\x18", 2),
        (b"\xff\xfb\x18", 2),
        (b"\x80\x08", 2),
        (b"\x80\x20\x02", 3),
        (b"\x80\x20\x01\x04", 4),
    ],
)
def test_what_is_no_tls_is_known_by_its_first_bytes(data: bytes, at: int) -> None:
    assert settled(collect, data) == (at, WireError)
    with pytest.raises(NotTls):
        collect(data)


@pytest.mark.parametrize(
    ("data", "at"),
    [
        (record(b"\x02\x00\x00\x00"), 6),
        (record(b""), 5),
        (b"\x16\x03\x01\x40\x01", 5),
        (record(WHOLE[:10]) + record(b"\x02\x28", kind=21), 16),
        (record(WHOLE[:10]) + b"\x16\x04", 17),
        (record(WHOLE[:10]) + record(b""), 20),
    ],
    ids=["no-hello", "empty", "record-too-long", "alert-inside", "version-inside", "empty-inside"],
)
def test_tls_that_is_no_hello_is_refused_and_can_be_told_so(data: bytes, at: int) -> None:
    """WireError but not NotTls: the peer speaks TLS and understands an alert."""
    assert settled(collect, data) == (at, WireError)
    with pytest.raises(WireError) as caught:
        collect(data)
    assert not isinstance(caught.value, NotTls)


@pytest.mark.parametrize("version", [b"\x00\x02", b"\x03\x00", b"\x03\x01"])
def test_the_hello_of_old_java_is_a_message_in_a_frame(version: bytes) -> None:
    data = ssl2_hello(version)
    assert settled(collect, data + b"x") == (len(data), Message(data[3:], ssl2=True))


@given(st.data())
def test_a_mutated_hello_has_one_verdict_for_every_split(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([record(WHOLE), records(WHOLE, [1, 60]), ssl2_hello()]))
    at, cut = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, 5))
    settled(collect, whole[:at] + data.draw(st.binary(max_size=5)) + whole[at + cut :])


@pytest.mark.parametrize("highest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("description", "reason"),
    [
        (UNRECOGNIZED_NAME, "(?i)unrecognized.name"),
        (NO_APPLICATION_PROTOCOL, "(?i)no.application.protocol"),
    ],
)
def test_a_real_client_understands_our_alert(
    highest: ssl.TLSVersion, description: int, reason: str
) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(highest).wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    incoming.write(alert(description))
    with pytest.raises(ssl.SSLError, match=reason):
        client.do_handshake()


def test_a_real_hello_is_collected() -> None:
    data = first_flight(client_context(), "a.example")
    assert collect(data) == Message(data[9:])
    assert collect(hello()) == Message(message()[4:])


class TestRecords:
    RECORD = b"\x17\x03\x03\x00\x03abc"

    def test_a_record_is_taken_when_it_is_whole(self) -> None:
        for end in range(len(self.RECORD)):
            assert first_record(self.RECORD[:end]) is MORE
        assert first_record(self.RECORD + b"USER") == self.RECORD

    def test_what_is_no_record_is_told_by_its_first_byte(self) -> None:
        assert first_record(b"USER joe") == b""

    def test_a_record_that_is_too_long_is_refused_before_it_came(self) -> None:
        with pytest.raises(WireError, match="too long"):
            first_record(b"\x17\x03\x03\x48\x01")
