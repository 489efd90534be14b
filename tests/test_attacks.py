"""Attacks that need no socket: forged keys (21), hostile names in the log (18), and what a byte of
an attacker costs us (25)."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.fakes import Wire
from tests.hellos import hello, record, server_names
from twisted_lb.accept import proxy_header
from twisted_lb.claims import Claims, Seat
from twisted_lb.config.settings import (
    Frontend,
    FrontendTls,
    Group,
    SniRoute,
)
from twisted_lb.connection import talk
from twisted_lb.errors import Ended
from twisted_lb.facts import ConnectionEnded, SessionEnded
from twisted_lb.observe import Lines, Output, Sink
from twisted_lb.opening import Refuse, Shown, dialogue
from twisted_lb.session import Sessions, State
from twisted_lb.terms import Address, Key, Server
from twisted_lb.wire.proxyheader import encode_v2

CLIENT, OURS = Address("192.0.2.7", 50_000), Address("192.0.2.1", 443)
GROUP = Group("g", "pool", linger=3600.0)


# -- 21: affinity poisoning, table exhaustion ------------------------------------------------------


def sits(claims: Claims, key: str) -> Seat:
    try:
        claims.claim(GROUP, Key("source", key), "any").send(None)
    except StopIteration as seated:  # as a coroutine ends that need not wait
        seat: Seat = seated.value
        return seat
    raise AssertionError("it had to wait")


def forged(count: int, capacity: int) -> None:
    """Half the table lives; forged keys come and go and come."""
    clock, server = Clock(), Server("pool", "a", "198.51.100.1")
    ended: list[str] = []

    def note(fact: Any) -> None:
        assert isinstance(fact, SessionEnded)
        ended.append(fact.ending)

    sessions = Sessions(capacity=capacity, secret=b"s", owner="t")
    claims = Claims(sessions, clock, note)

    def pinned(key: str) -> Seat:
        seat = sits(claims, key)
        claims.trying(seat, server)
        assert claims.connected(seat)
        return seat

    living = [pinned(f"living-{number}") for number in range(capacity // 2)]
    for number in range(count):
        claims.left(pinned(f"forged-{number}"), "client-left")
        assert len(sessions) <= capacity
    assert all(seat.session.state is State.PINNED for seat in living)
    assert all(sits(claims, f"living-{n}").session is s.session for n, s in enumerate(living))
    assert set(ended) == {"done"}
    assert len(ended) == count - (capacity - len(living))
    assert len(clock.getDelayedCalls()) == 1
    claims.stop()


def test_forged_keys_push_out_each_other_and_nobody_who_is_in() -> None:
    """100,000 keys into a table of 2,000."""
    forged(100_000, 2_000)


@pytest.mark.soak
def test_ten_million_forged_keys_push_out_each_other_and_nobody_who_is_in() -> None:
    """Attack 21 at its full size: some eight minutes."""
    forged(10_000_000, 100_000)


def test_a_table_of_living_sessions_refuses_and_keeps_them() -> None:
    claims = Claims(Sessions(capacity=10, secret=b"s", owner="t"), Clock(), lambda fact: None)
    living = [sits(claims, str(number)) for number in range(10)]
    for number in range(1_000):
        with pytest.raises(Ended, match="table-full"):
            sits(claims, f"forged-{number}")
    assert {seat.session for seat in living} == set(claims.sessions)


# -- 18: log injection -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        b'a"}\r\n{"fact":"connection-ended',
        b"\x1b[2J\x1b]0;owned\x07.example",
        "\u202egnp.exe".encode(),
        b"\xff\xfe\x00.example",
    ],
    ids=["crlf", "escape", "right-to-left", "bytes"],
)
def test_a_hostile_name_is_one_valid_line_that_no_terminal_obeys(name: bytes) -> None:
    frontend = Frontend("in", tls=FrontendTls("pass"), routes=(SniRoute("g", ("a.example",)),))
    verdict = dialogue(frontend, {"g": GROUP}, Shown("c1", CLIENT, OURS), {}).take(
        hello(server_names(name))
    )
    assert isinstance(verdict, Refuse)
    written: list[bytes] = []

    def put(data: bytes) -> int:
        written.append(data)
        return len(data)

    log = Lines(Output(lambda: Sink(put, lambda: None)), lambda: 0.0)
    log(ConnectionEnded("c1", "in", CLIENT, verdict.word, 0.1, detail=verdict.detail))
    [line] = b"".join(written).splitlines()
    assert json.loads(line)["ending"] == verdict.word
    assert line.isascii() and line.decode().isprintable()


# -- 25: asymmetric cost ---------------------------------------------------------------------------


def calls(do: Callable[[], object]) -> int:
    """How many calls of functions it takes."""
    count = 0

    def saw(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(saw)
    try:
        do()
    finally:
        sys.setprofile(None)
    return count


def memory(do: Callable[[], object]) -> int:
    """The most bytes that it holds at one time."""
    tracemalloc.start()
    try:
        do()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def headers(data: bytes, size: int) -> Callable[[], object]:
    """A PROXY header, in pieces of this size."""

    def read() -> None:
        wire = Wire()
        Deferred.fromCoroutine(proxy_header(wire.end)).addErrback(lambda failure: None)
        for at in range(0, len(data), size):
            wire.says(data[at : at + size])

    return read


def openings(data: bytes, size: int) -> Callable[[], object]:
    """A ClientHello, in pieces of this size."""
    frontend = Frontend("in", tls=FrontendTls("pass"), routes=(SniRoute("g", ("a.example",)),))

    def read() -> None:
        wire = Wire()
        found = dialogue(frontend, {"g": GROUP}, Shown("c1", CLIENT, OURS), {})
        opened = talk(wire.end, found, found.take(b""), None)  # type: ignore[arg-type]  # no TLS here
        Deferred.fromCoroutine(opened).addErrback(lambda failure: None)
        for at in range(0, len(data), size):
            wire.says(data[at : at + size])

    return read


def many_tlvs(total: int) -> bytes:
    """A header of so many bytes, most of it empty TLVs."""
    return encode_v2(CLIENT, OURS, [(0x04, b"")] * ((total - 28) // 3), crc=False)


def many_records(total: int) -> bytes:
    """A ClientHello that comes in records of one byte each."""
    whole = record(b"\x01" + (total * 4).to_bytes(3) + bytes(total))[5:]
    return b"".join(record(whole[at : at + 1]) for at in range(total // 6))


ATTACKS = {
    "proxy-header": (headers, many_tlvs, 4_000),
    "hello-records": (openings, many_records, 12_000),
    "hello": (openings, lambda total: record(b"\x01\x00\x3f\xff" + bytes(total)), 12_000),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("size", [1, 1_400], ids=["byte-by-byte", "segments"])
def test_the_work_grows_with_the_bytes_and_no_faster(attack: str, size: int) -> None:
    """Counted in calls, which no other load on the machine can change: twice the bytes, twice the
    work, and never more than a hundred calls for a byte."""
    read, make, total = ATTACKS[attack]
    small, large = make(total // 2), make(total)
    few, many = calls(read(small, size)), calls(read(large, size))
    assert many <= 2.5 * few + 200
    assert many <= 100 * len(large)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_memory_for_a_byte_is_bounded(attack: str) -> None:
    """Envoy's rule: never a hundred times what the attacker sends."""
    read, make, total = ATTACKS[attack]
    whole = make(total)
    headers(whole, 1_400)()  # what is made once and kept is nobody's cost
    read(whole, 1_400)()
    assert memory(read(whole, 1_400)) < 100 * len(whole)
