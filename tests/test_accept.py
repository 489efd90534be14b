"""Who may come in is let in, everybody else is turned away with a word; a PROXY header is read at
every split."""

from __future__ import annotations

import ipaddress
import resource
import socket
import sys
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.fakes import Ears, Wire, tcp
from twisted_lb.accept import Door, Entrance, descriptors, proxy_header
from twisted_lb.config.settings import Frontend, ProxyIn, Startups
from twisted_lb.ends import End
from twisted_lb.errors import Ended
from twisted_lb.terms import Address, Ending
from twisted_lb.wire.proxyheader import SIGNATURE, Header, encode_v1, encode_v2

CLIENT = Address("192.0.2.7", 50_000)
REACHED = Address("203.0.113.1", 21)
ANY_NUMBER = sys.maxsize


def networks(*texts: str) -> tuple[Any, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


class Gate:
    """An entrance, and who came through or was turned away."""

    def __init__(self, highest: int = ANY_NUMBER, hold: int = 65_536, **rules: Any) -> None:
        self.inside: list[End] = []
        self.refused: list[tuple[str, Ending]] = []
        frontend = Frontend("in", **rules)
        self.door = Door(frontend, lambda count: 0, highest)
        self.entrance = Entrance(
            self.door,
            hold,
            self.inside.append,
            lambda peer, word: self.refused.append((peer.host, word)),
        )

    def comes(self, host: str = CLIENT.host) -> Wire | None:
        protocol = self.entrance.buildProtocol(tcp(host, 50_000))
        return protocol and Wire(protocol=protocol, peer=host)


# -- who may come in -------------------------------------------------------------------------------


def test_without_rules_everybody_comes_in() -> None:
    gate = Gate()
    wire = gate.comes("198.51.100.1")
    gate.comes("2001:db8::1")
    assert gate.inside[0] is wire.end
    assert len(gate.inside) == 2
    assert gate.refused == []


def test_only_those_who_are_allowed_and_not_denied_come_in() -> None:
    gate = Gate(allow=networks("10.0.0.0/8", "2001:db8::/32"), deny=networks("10.66.0.0/16"))
    for host in ("10.1.1.1", "2001:db8::5", "::ffff:10.2.2.2", "10.66.0.1", "192.0.2.1", "fe80::1"):
        gate.comes(host)
    assert [end.peer.host for end in gate.inside] == ["10.1.1.1", "2001:db8::5", "10.2.2.2"]
    assert gate.refused == [
        ("10.66.0.1", "refused-source"),
        ("192.0.2.1", "refused-source"),
        ("fe80::1", "refused-source"),
    ]


def test_where_a_proxy_header_is_required_only_the_trusted_may_connect() -> None:
    """Attack 16: a header from anybody else is spoofing, and is not even read."""
    gate = Gate(proxy=ProxyIn("required", networks("10.0.0.1/32")))
    assert gate.comes("10.0.0.2") is None
    assert gate.refused == [("10.0.0.2", "refused-source")]
    assert gate.comes("10.0.0.1") is not None


def test_maxconn_counts_those_who_are_in() -> None:
    gate = Gate(maxconn=2)
    gate.comes()
    gate.comes()
    assert gate.comes() is None
    assert gate.refused == [(CLIENT.host, "full")]
    gate.door.left()
    assert gate.comes() is not None
    assert gate.door.connected == 2


def test_a_unix_socket_is_asked_for_no_address_but_counts() -> None:
    gate = Gate(allow=networks("10.0.0.0/8"), maxconn=1)
    assert gate.door.refuses(Address("", 0)) is None
    gate.door.entered(object(), Address("", 0))
    assert gate.door.refuses(Address("", 0)) == "full"


def test_a_flood_of_one_network_is_turned_away_and_other_networks_are_not() -> None:
    """Attack 12."""
    gate = Gate(startups=Startups(2, 100, 2))
    for number in (1, 2, 3):
        gate.comes(f"192.0.2.{number}")
    assert gate.refused == [("192.0.2.3", "full")]
    assert gate.comes("198.51.100.1") is not None
    gate.door.settled(gate.inside[0])
    assert gate.comes("192.0.2.3") is not None


def test_behind_a_proxy_of_ours_those_count_whom_it_names() -> None:
    """Attack 12: everybody has the proxy's address, and it is never dropped for the others."""
    proxy = ProxyIn("required", networks("10.0.0.1/32"))
    gate = Gate(startups=Startups(2, 100, 2), proxy=proxy)
    for _ in range(6):
        assert gate.comes("10.0.0.1") is not None
    named = [Address(f"192.0.2.{number}", 1) for number in (1, 2, 3)]
    for end, client in zip(gate.inside, named, strict=False):
        if client is not named[2]:
            gate.door.introduced(end, client)
    with pytest.raises(Ended, match="full"):
        gate.door.introduced(gate.inside[2], named[2])
    gate.door.settled(gate.inside[2])  # who was not admitted was not counted
    gate.door.introduced(gate.inside[3], Address("198.51.100.1", 1))
    gate.door.settled(gate.inside[0])
    gate.door.introduced(gate.inside[4], named[2])


def test_behind_a_proxy_of_ours_the_lists_are_for_those_whom_it_names() -> None:
    proxy = ProxyIn("required", networks("10.0.0.1/32"))
    lists = {"allow": networks("192.0.2.0/24"), "deny": networks("192.0.2.66/32")}
    gate = Gate(proxy=proxy, **lists)
    assert gate.comes("10.0.0.1") is not None
    gate.door.introduced(gate.inside[0], Address("192.0.2.7", 1))
    for host in ("192.0.2.66", "198.51.100.1"):
        with pytest.raises(Ended, match="refused-source"):
            gate.door.introduced(gate.inside[0], Address(host, 1))


def test_a_talkative_client_is_held_up_to_the_cap() -> None:
    gate = Gate(hold=10)
    wire = gate.comes()
    wire.says(b"0123456789")
    assert wire.transport.producerState == "paused"


# -- descriptors -----------------------------------------------------------------------------------


def test_a_client_who_would_take_one_of_the_last_descriptors_is_turned_away() -> None:
    """Attack 14: those are for the servers of the clients who are in."""
    ours, theirs = socket.socketpair()
    for highest, word in ((ours.fileno() - 1, "full"), (ours.fileno(), None)):
        gate = Gate(highest)
        protocol = gate.entrance.buildProtocol(tcp(CLIENT.host, 50_000))
        wire = Wire()
        wire.transport.getHandle = lambda: ours  # type: ignore[method-assign]
        protocol.makeConnection(wire.transport)
        assert gate.refused == ([(CLIENT.host, word)] if word else [])
        assert wire.endings == (["abort"] if word else [])
        assert gate.door.connected == len(gate.inside) == (0 if word else 1)
    ours.close()
    theirs.close()


def test_one_descriptor_of_ten_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, highest in ((256, 231), (20_000, 18_000), (resource.RLIM_INFINITY, sys.maxsize)):
        monkeypatch.setattr(resource, "getrlimit", lambda kind, limit=limit: (limit, limit))
        assert descriptors() == highest


# -- the PROXY header ------------------------------------------------------------------------------


class Reading:
    """Somebody reads the PROXY header of an End."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.result: list[Any] = []
        reading = Deferred.fromCoroutine(proxy_header(self.wire.end))
        reading.addCallbacks(self.result.append, lambda failure: self.result.append(failure.value))

    def rest(self) -> bytes:
        ears = Ears()
        self.wire.end.give(ears)
        return b"".join(part for part in ears.log if isinstance(part, bytes))


HEADERS = {
    "v1": encode_v1(CLIENT, REACHED),
    "v2": encode_v2(CLIENT, REACHED, [(0x04, b"\0" * 40)], crc=True),
}


@pytest.mark.parametrize("version", HEADERS)
def test_a_header_is_read_at_every_split_and_what_follows_is_payload(version: str) -> None:
    """Attack 16: better than a reset for who sends it in two segments."""
    header = HEADERS[version]
    whole = header + HEADERS["v1"] + b"payload"
    for cut in range(len(whole) + 1):
        reading = Reading()
        for part in (whole[:cut], whole[cut:]):
            if part:
                reading.wire.says(part)
        [found] = reading.result
        assert isinstance(found, Header)
        assert (found.source, found.destination) == (CLIENT, REACHED)
        assert reading.rest() == HEADERS["v1"] + b"payload"


@pytest.mark.parametrize("version", HEADERS)
def test_a_header_is_read_byte_by_byte(version: str) -> None:
    reading = Reading()
    for byte in HEADERS[version]:
        assert reading.result == []
        reading.wire.says(bytes([byte]))
    assert len(reading.result) == 1
    assert reading.rest() == b""


@pytest.mark.parametrize(
    "spoof",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 999.0.0.1 1.1.1.1 1 1\r\n",
        b"\x16\x03\x01",
        SIGNATURE + b"\x21\x11\xff\xff",
        SIGNATURE + b"\x21\x21\x00\x0c" + b"\x00" * 12,
        HEADERS["v2"][:-1] + b"\xff",
        b"PROXY " + b"x" * 200,
    ],
    ids=["http", "octet", "tls", "length-65535", "family-and-length", "crc32c", "long-line"],
)
def test_anything_but_a_header_is_a_wire_error(spoof: bytes) -> None:
    """Attack 16."""
    reading = Reading()
    reading.wire.says(spoof)
    [error] = reading.result
    assert isinstance(error, Ended)
    assert error.word == "wire-error"


@pytest.mark.parametrize("event", ["shuts", "goes"])
def test_a_client_that_leaves_in_the_middle_of_its_header_has_left(event: str) -> None:
    reading = Reading()
    reading.wire.says(HEADERS["v1"][:9])
    getattr(reading.wire, event)()
    [error] = reading.result
    assert isinstance(error, Ended)
    assert error.word == "client-left"
