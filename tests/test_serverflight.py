"""What a TLS server gives its client to resume with, as it goes by."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hellos import extension, record, vector
from twisted_lb.wire.serverflight import SEEN_MOST, ServerFlight, tls_session_key

OFFERED = b"o" * 32
GIVEN = b"g" * 32
TICKET = b"the server's key name and more" * 5


def server_hello(session_id: bytes = GIVEN, *extensions: bytes) -> bytes:
    body = b"\x03\x03" + bytes(32) + vector(1, session_id) + b"\xc0\x2f\x00"
    return b"\x02" + vector(3, body + vector(2, b"".join(extensions)))


def ticket(value: bytes = TICKET) -> bytes:
    return b"\x04" + vector(3, bytes(4) + vector(2, value))


CERTIFICATE = b"\x0b" + vector(3, bytes(3000))
CHANGE = record(b"\x01", kind=20)
FLIGHT = record(server_hello()) + record(CERTIFICATE + ticket()) + CHANGE + record(b"x" * 40)


def learned(*parts: bytes, offered: bytes = OFFERED) -> list[str]:
    flight = ServerFlight(offered)
    return [key for part in parts for key in flight.take(part)]


def test_an_id_and_a_ticket_are_learned() -> None:
    assert learned(FLIGHT) == [tls_session_key(GIVEN), tls_session_key(TICKET)]


@given(st.lists(st.integers(0, len(FLIGHT)), max_size=8))
def test_however_it_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(FLIGHT)]
    assert learned(*(FLIGHT[a:b] for a, b in pairwise(edges))) == learned(FLIGHT)


RESUMED = record(server_hello(OFFERED)) + CHANGE + record(b"\x00" * 40)
DATA = record(b"hello", kind=23)


def test_what_a_client_showed_is_its_own_when_the_server_resumed_by_it_and_spoke() -> None:
    """After a restart of ours the client still has a ticket, and the server gives no new one."""
    flight = ServerFlight(OFFERED, "shown")
    assert flight.take(RESUMED) == []
    assert not flight.done
    assert flight.take(DATA) == ["shown"]
    assert flight.done


def test_what_a_client_showed_says_nothing_before_the_server_has_heard_its_proof() -> None:
    """Somebody else's ticket can be shown by anybody who saw it go by."""
    flight = ServerFlight(OFFERED, "shown")
    assert flight.take(RESUMED + record(b"\x02\x28", kind=21)) == []
    assert flight.done


def test_what_a_client_showed_says_nothing_when_the_server_did_not_take_it() -> None:
    flight = ServerFlight(OFFERED, "shown")
    assert "shown" not in flight.take(FLIGHT + DATA)
    assert flight.done


@pytest.mark.parametrize("message", [b"\x0c\x00\x00\x02ab", b"\x0e\x00\x00\x00"])
def test_a_suite_without_a_certificate_resumes_nothing_either(message: bytes) -> None:
    """ADH and PSK: a full handshake shows nothing but its parameters, or the end of its hello."""
    flight = ServerFlight(OFFERED, "shown")
    full = record(server_hello(OFFERED)) + record(message) + CHANGE + record(b"\x00" * 40)
    assert "shown" not in flight.take(full + DATA)


def test_the_whole_ticket_counts() -> None:
    """Fact 27: its first bytes are the server's key name, equal for all."""
    assert learned(record(ticket(TICKET + b"1"))) != learned(record(ticket(TICKET + b"2")))


def test_an_id_that_the_client_chose_itself_is_not_learned() -> None:
    """A server that resumes by a ticket echoes it; it might be somebody else's."""
    assert learned(record(server_hello(OFFERED))) == []


def test_without_an_id_there_is_none() -> None:
    assert learned(record(server_hello(b""))) == []
    assert learned(record(ticket(b""))) == []


def test_under_tls_1_3_nothing_is_learned() -> None:
    """Fact 27: the id is the client's, tickets come encrypted."""
    hello = server_hello(GIVEN, extension(51, b"share"), extension(43, b"\x03\x04"))
    flight = ServerFlight(OFFERED)
    assert flight.take(record(hello) + record(ticket())) == []
    assert flight.done


@pytest.mark.parametrize(
    "ending", [CHANGE, record(b"\x02\x28", kind=21), record(b"data", kind=23), b"220 no TLS at all"]
)
def test_what_is_no_handshake_ends_the_looking(ending: bytes) -> None:
    flight = ServerFlight(OFFERED)
    flight.take(ending)
    assert flight.take(FLIGHT) == []
    assert flight.done


def test_a_server_that_never_comes_to_the_point_is_not_looked_at_for_ever() -> None:
    """Attack 25."""
    flight = ServerFlight(OFFERED)
    for _ in range(SEEN_MOST // 16_000 + 1):
        assert not flight.done
        flight.take(record(CERTIFICATE[:4] + bytes(15_000)))
    assert flight.done


def test_a_hello_that_is_too_short_ends_the_looking() -> None:
    flight = ServerFlight(OFFERED)
    assert flight.take(record(b"\x02" + vector(3, b"\x03\x03short"))) == []
    assert flight.done
