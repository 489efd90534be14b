"""Legs near a control connection: only its own host comes, and only from our own address we go."""

from __future__ import annotations

from random import Random

import pytest

from tests.fakes import Wire, World
from twisted_lb.ends import End
from twisted_lb.errors import Ended
from twisted_lb.ports import PortRange
from twisted_lb.terms import Address
from twisted_lb.ways import Nearby

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
