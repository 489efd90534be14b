"""Legs near a control connection: only its own host comes, and only from our own address we go."""

from __future__ import annotations

from random import Random

import attrs
import pytest
from twisted.internet.defer import Deferred

from tests.circles import Heard, Round
from tests.fakes import Wire, World
from twisted_lb.ends import End
from twisted_lb.errors import Ended
from twisted_lb.meet import Meeting
from twisted_lb.ports import PortRange
from twisted_lb.protocols.actions import Side
from twisted_lb.terms import Address
from twisted_lb.ways import Awaited, Nearby

HOST, OURS = "198.51.100.1", "198.51.100.254"


class Place:
    """A control connection, and the way to its host."""

    def __init__(self) -> None:
        self.world = World()
        self.strangers: list[Address] = []
        ports = PortRange((40_000, 40_000), Random(1).randrange, World.listenTCP)
        control = Wire(peer=HOST, host=OURS).end
        self.way = Nearby(self.world, control, ports, self.strangers.append)


def test_the_host_of_the_control_connection_may_come() -> None:
    place, came = Place(), list[End]()
    address, leg = place.way.listen(30.0)
    leg.come.addCallback(came.append)
    assert address == Address(OURS, 40_000)
    assert place.world.listeners[0].comes(HOST)
    assert [end.peer.host for end in came] == [HOST]


def test_nobody_else_may() -> None:
    """T46: a data connection of another host is refused, and told."""
    place, came = Place(), list[End]()
    _, leg = place.way.listen(30.0)
    leg.come.addCallback(came.append)
    assert place.world.listeners[0].comes("203.0.113.66") is None
    assert [stranger.host for stranger in place.strangers] == ["203.0.113.66"]
    assert came == []
    leg.come.addErrback(lambda _: None)
    leg.come.cancel()
    assert place.world.listeners == []


def test_a_range_in_use_is_full() -> None:
    place = Place()
    _, leg = place.way.listen(30.0)
    with pytest.raises(Ended) as why:
        place.way.listen(30.0)
    assert why.value.word == "full"
    leg.come.addErrback(lambda _: None)
    leg.come.cancel()


def test_we_dial_from_the_address_that_the_control_connection_has() -> None:
    """Servers check that, too: the data connection comes from who gave the command."""
    place, came = Place(), list[End]()
    place.way.dial(Address(HOST, 1025), 5.0).addCallback(came.append)
    [dialled] = place.world.dialled
    assert (dialled.host, dialled.port, dialled.source) == (HOST, 1025, OURS)
    assert dialled.timeout == 5.0
    dialled.answers()
    assert [end.peer.host for end in came] == [HOST]


class Counted:
    """A way that its legs are handed to, and that is told of their end."""

    def __init__(self) -> None:
        self.coming: list[Deferred[End]] = []
        self.parting: list[tuple[object, ...]] = []

    def listen(self, seconds: float, several: bool = False) -> tuple[Address, Awaited]:
        raise AssertionError("nobody listens here")

    def dial(self, address: Address, seconds: float) -> Deferred[End]:
        self.coming.append(Deferred())
        return self.coming[-1]

    def parted(self, leg: End, word: str, from_client: int, from_server: int) -> None:
        self.parting.append((leg, word, from_client, from_server))


def meeting() -> tuple[Meeting, Counted, Wire, Wire]:
    """Two legs that have come by ways of their own."""
    round, way = Round(), Counted()
    circle = attrs.evolve(round.circle, ways=dict.fromkeys(Side, way))
    met = Meeting(1, circle, Heard())
    met.join()
    legs = [Wire(), Wire()]
    for side, wire in zip(Side, legs, strict=True):
        met.dial(side, Address("127.0.0.1", 1024))
        way.coming[-1].callback(wire.end)
    return met, way, legs[0], legs[1]


def test_a_way_is_told_when_its_legs_are_over_and_what_they_moved() -> None:
    _, way, client, server = meeting()
    client.says(b"up")
    server.says(b"down!")
    for wire in (client, server):
        wire.goes()
    assert way.parting == [(client.end, "done", 2, 5), (server.end, "done", 2, 5)]


def test_a_way_is_told_of_a_leg_that_was_never_joined() -> None:
    round, way = Round(), Counted()
    met = Meeting(1, attrs.evolve(round.circle, ways=dict.fromkeys(Side, way)), Heard())
    met.dial(Side.CLIENT, Address("127.0.0.1", 1024))
    wire = Wire()
    way.coming[0].callback(wire.end)
    met.release()
    assert wire.endings == ["abort"]
    assert way.parting == [(wire.end, "client-left", 0, 0)]


@pytest.mark.parametrize(("host", "source"), [("192.0.2.9", OURS), ("2001:db8::9", "")])
def test_we_come_from_where_the_client_reached_us_as_far_as_it_has_that_family(
    host: str, source: str
) -> None:
    """T91: a client in IPv6 behind a proxy that reaches us in IPv4."""
    place = Place()
    place.way.dial(Address(host, 50_000), 5.0).addErrback(lambda _: None)
    [dialled] = place.world.dialled
    assert (dialled.host, dialled.source) == (host, source)
