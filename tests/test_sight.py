"""What an operator sees of a channel that nobody understands, and what is kept: no payload."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hellos import (
    alpn,
    client_context,
    extension,
    first_flight,
    hello,
    message,
    record,
    server_names,
    ssl2_hello,
    vector,
)
from twisted_lb.facts import ChannelObserved, ConnectionEnded
from twisted_lb.opening import Refuse, Verdict
from twisted_lb.sight import APART, DIGITS, SOURCES_MOST, Overheard, Sight, Sources
from twisted_lb.terms import MORE, Address, Route, TlsFacts
from twisted_lb.wire.serverflight import tls_session_key

CLIENT = Address("192.0.2.7", 50_000)
TOLD = ConnectionEnded("c1", "control", CLIENT, "done", 9.0, from_client=7, from_server=8)
NAMED = hello(server_names(b"front.example"))
ID, TICKET = b"i" * 32, b"t" * 100


def a_sight(now: float = 100.0) -> Sight:
    return Sources().arrives(CLIENT.host, 3000, now)


def seen(*said: bytes, **told: Any) -> ChannelObserved:
    """What was seen of a client that said this."""
    sight = a_sight()
    for data in said:
        sight.client_says(data, 100.5)
    return sight.ended(attrs.evolve(TOLD, **told), 109.0)


def server_hello(session_id: bytes) -> bytes:
    body = b"\x03\x03" + bytes(32) + vector(1, session_id) + b"\xc0\x2f\x00"
    return record(b"\x02" + vector(3, body))


class TestOrder:
    def test_channels_of_a_source_are_counted_over_all_ports(self) -> None:
        sources = Sources()
        first = sources.arrives(CLIENT.host, 3000, 100.0)
        second = sources.arrives(CLIENT.host, 3001, 100.25)
        told = [sight.ended(TOLD, 109.0) for sight in (first, second)]
        assert [(fact.order, fact.port, fact.after, fact.beside) for fact in told] == [
            (1, 3000, 0.0, 0),
            (2, 3001, 0.25, 1),
        ]

    def test_another_source_is_counted_by_itself(self) -> None:
        sources = Sources()
        sources.arrives(CLIENT.host, 3000, 100.0)
        assert sources.arrives("192.0.2.8", 3000, 101.0).ended(TOLD, 102.0).order == 1

    @pytest.mark.parametrize(("later", "order"), [(APART, 2), (APART + 0.1, 1)])
    def test_after_a_while_without_any_it_begins_anew(self, later: float, order: int) -> None:
        sources = Sources()
        sources.arrives(CLIENT.host, 3000, 0.0).ended(TOLD, 1000.0)
        assert sources.arrives(CLIENT.host, 3000, 1000.0 + later).ended(TOLD, 2000.0).order == order

    def test_a_channel_that_is_open_for_days_is_still_the_first(self) -> None:
        sources = Sources()
        sources.arrives(CLIENT.host, 3000, 0.0)
        assert sources.arrives(CLIENT.host, 3001, 1e6).ended(TOLD, 1e6).order == 2

    def test_no_more_sources_are_remembered_than_there_is_room_for(self) -> None:
        """Who comes from many addresses costs a table of fixed size."""
        sources = Sources()
        open = [sources.arrives(str(number), 1, 0.0) for number in range(SOURCES_MOST + 1)]
        assert len(sources._runs) == SOURCES_MOST
        assert sources.arrives("0", 1, 1.0).ended(TOLD, 1.0).order == 1
        assert open[0].ended(TOLD, 2.0).order == 1


class TestDirection:
    def test_nobody_spoke(self) -> None:
        fact = seen()
        assert (fact.first, fact.first_after) == ("", None)

    def test_the_client_spoke_first(self) -> None:
        fact = seen(b"hello")
        assert (fact.first, fact.first_after) == ("client", 0.5)

    def test_the_server_spoke_first(self) -> None:
        sight = a_sight()
        assert sight.server_says(b"220 hi\r\n", 101.0)
        assert not sight.client_says(b"USER joe\r\n", 102.0)
        assert not sight.server_says(b"331\r\n", 103.0)
        fact = sight.ended(TOLD, 104.0)
        assert (fact.first, fact.first_after, fact.versions) == ("server", 1.0, "")


class TestHello:
    def test_what_a_hello_of_tls_1_2_shows(self) -> None:
        extensions = (server_names(b"front.example"), alpn(b"a b", b"\xff"), extension(35, TICKET))
        fact = seen(record(message(*extensions, session_id=ID)))
        assert (fact.versions, fact.sni, fact.alpn) == ("1.2", "front.example", "a b \\xff")
        assert fact.session_id == tls_session_key(ID)[:DIGITS]
        assert fact.ticket == tls_session_key(TICKET)[:DIGITS]
        assert fact.psk == ""

    def test_what_a_hello_of_tls_1_3_shows(self) -> None:
        identities = b"".join(vector(2, one) + bytes(4) for one in (b"one", b"two"))
        psk = extension(41, vector(2, identities) + vector(2, vector(1, bytes(32))))
        fact = seen(hello(extension(43, vector(1, b"\x0a\x0a\x03\x04\x03\x03\x7f\x17")), psk))
        assert fact.versions == "1.3 1.2 0x7f17"
        assert fact.psk.split() == [tls_session_key(one)[:DIGITS] for one in (b"one", b"two")]

    def test_a_real_client(self) -> None:
        fact = seen(first_flight(client_context(), "front.example"))
        assert (fact.versions, fact.sni, fact.ticket) == ("1.3 1.2", "front.example", "")
        assert len(fact.session_id) == DIGITS

    def test_an_old_java_client(self) -> None:
        assert seen(ssl2_hello()).versions == "1.0"

    @pytest.mark.parametrize(
        "said", [b"GET / HTTP/1.1\r\n", hello(server_names(b"a", b"b"))], ids=["no TLS", "broken"]
    )
    def test_what_is_no_hello_shows_nothing(self, said: bytes) -> None:
        assert seen(said, b"more").versions == ""

    def test_a_client_can_not_make_a_line_as_long_as_it_likes(self) -> None:
        assert len(seen(hello(alpn(*[b"x" * 200] * 9))).alpn) == 255

    @given(st.sets(st.integers(1, len(NAMED) - 1)))
    def test_however_it_is_cut(self, cuts: set[int]) -> None:
        edges = [0, *sorted(cuts), len(NAMED)]
        pieces = [NAMED[start:end] for start, end in pairwise(edges)]
        assert seen(*pieces).sni == "front.example"

    def test_what_was_held_comes_once_more_from_the_relay(self) -> None:
        sight = a_sight()
        sight.client_says(NAMED[:20], 101.0)
        sight.relayed()
        assert not sight.client_says(NAMED, 102.0)
        sight.relayed()
        fact = sight.ended(TOLD, 103.0)
        assert (fact.sni, fact.first_after) == ("front.example", 1.0)


class TestGiven:
    def test_what_the_server_gives_is_found_in_later_hellos(self) -> None:
        sight = a_sight()
        sight.client_says(record(message()), 101.0)
        assert sight.server_says(server_hello(ID), 102.0)
        given = sight.ended(TOLD, 103.0).given
        assert given == seen(record(message(session_id=ID))).session_id

    def test_nothing_is_told_twice(self) -> None:
        """A session that is resumed is given by the id and once more by what follows."""
        sight = a_sight()
        sight.client_says(record(message(extension(35, TICKET))), 101.0)
        changed, data = record(b"\x01", kind=20), record(b"data", kind=23)
        assert not sight.server_says(server_hello(b"") + changed + data, 102.0)
        assert sight.ended(TOLD, 103.0).given == tls_session_key(TICKET)[:DIGITS]


def test_how_it_ended_is_told_as_in_the_access_log() -> None:
    fact = seen(ending="unkeyed")
    assert (fact.connection, fact.frontend, fact.client) == ("c1", "control", CLIENT)
    assert (fact.ending, fact.seconds, fact.from_client, fact.from_server) == ("unkeyed", 9.0, 7, 8)


@given(st.binary(min_size=64))
def test_no_payload_is_told(payload: bytes) -> None:
    assert seen(b"\x00" + payload) == seen(b"\x00" * 65)


class Dialogues:
    """A dialogue that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def take(self, data: bytes) -> Verdict:
        self.told.append(data)
        return MORE

    def secured(self, tls: TlsFacts) -> None:
        self.told.append(tls)

    def silence(self) -> Route | Refuse:
        return Refuse("too-slow")


def test_a_dialogue_goes_on_as_if_nobody_listened() -> None:
    dialogue, sight, tls = Dialogues(), a_sight(), TlsFacts("TLSv1.3", "", "")
    overheard = Overheard(dialogue, sight, lambda: 103.0)
    assert overheard.take(b"") is overheard.take(b"x") is MORE
    overheard.secured(tls)
    assert overheard.silence() == Refuse("too-slow")
    assert dialogue.told == [b"", b"x", tls]
    fact = sight.ended(TOLD, 104.0)
    assert (fact.first, fact.first_after) == ("client", 3.0)
