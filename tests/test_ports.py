"""Data ports: drawn at random and not again soon, one accept an announcement, strangers refused."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.fakes import Ears, Listening, Wire, World, tcp
from twisted_lb.ends import End
from twisted_lb.errors import Ended
from twisted_lb.ports import BACKLOG, TRIES, DataListener, Front, PortRange
from twisted_lb.terms import Address

CLIENT = "192.0.2.9"
OURS = "203.0.113.1"


class Announced:
    """One announced data channel for CLIENT."""

    def __init__(
        self,
        world: World | None = None,
        ports: PortRange | None = None,
        peer: str = CLIENT,
        host: str = OURS,
        front: Front | None = None,
        several: bool = False,
    ) -> None:
        self.world = world or World()
        self.ports = ports or PortRange((40_000, 40_009), Random(1).randrange, World.listenTCP)
        self.strangers: list[Address] = []
        self.result: list[object] = []
        self.listener = DataListener(self.ports, peer, self.strangers.append, front, several)
        self.listener.come.addCallbacks(
            self.result.append, lambda failure: self.result.append(failure.value)
        )
        self.at = self.listener.listen(self.world, host, 30.0)
        self.port: Listening = self.world.listeners[-1]


# -- which port ------------------------------------------------------------------------------------


def test_ports_are_drawn_evenly() -> None:
    """Attack 6: chi-square over 10,000 draws of 100 ports; 148.2 is the 0.1 % point of 99 degrees
    of freedom."""
    ports = PortRange((40_000, 40_099), Random(20_241_122).randrange)
    drawn: Counter[int] = Counter()
    for _ in range(10_000):
        port = ports.draw()
        drawn[port] += 1
        ports.give_back(port)
    assert set(drawn) == set(range(40_000, 40_100))
    assert sum((count - 100) ** 2 / 100 for count in drawn.values()) < 148.2


def test_the_next_port_does_not_follow_from_the_last() -> None:
    """Attack 6: of 10,000 pairs no distance from one port to the next stands out."""
    ports = PortRange((40_000, 40_099), Random(7).randrange)
    steps: Counter[int] = Counter()
    last = ports.draw()
    for _ in range(10_000):
        port = ports.draw()
        ports.give_back(last)
        steps[(port - last) % 100] += 1
        last = port
    assert max(steps.values()) < 200


def test_a_port_comes_again_only_after_half_the_range() -> None:
    """T51."""
    ports = PortRange((40_000, 40_099), Random(3).randrange)
    seen: dict[int, int] = {}
    for turn in range(2_000):
        port = ports.draw()
        assert turn - seen.get(port, -1_000) > 50
        seen[port] = turn
        ports.give_back(port)


def test_the_last_free_port_is_drawn_even_when_it_rests() -> None:
    ports = PortRange((40_000, 40_001), lambda count: 0)
    first = ports.draw()
    ports.give_back(first)
    assert {ports.draw(), ports.draw()} == {40_000, 40_001}
    assert ports.used == 2


def test_a_range_of_one_port_serves_one_at_a_time() -> None:
    ports = PortRange((40_000, 40_000), lambda count: 0)
    assert ports.draw() == 40_000
    with pytest.raises(Ended, match="full"):
        ports.draw()
    ports.give_back(40_000)
    assert ports.draw() == 40_000


def test_an_exhausted_range_is_full_and_serves_again_when_one_is_given_back() -> None:
    """T92."""
    ports = PortRange((40_000, 40_009), Random(1).randrange)
    drawn = [ports.draw() for _ in range(10)]
    assert len(set(drawn)) == 10
    for _ in range(3):
        with pytest.raises(Ended) as full:
            ports.draw()
        assert full.value.word == "full"
    assert ports.used == 10
    ports.give_back(drawn[4])
    assert ports.draw() == drawn[4]


def test_without_a_range_the_system_chooses() -> None:
    ports = PortRange(None, lambda count: 1 // 0)
    assert ports.draw() == 0
    assert ports.used == 1
    ports.give_back(0)
    assert ports.used == 0


# -- one listener ----------------------------------------------------------------------------------


def test_the_announced_peer_gets_in_and_the_port_is_free_again() -> None:
    announced = Announced()
    assert announced.at == Address(OURS, announced.port.port)
    assert announced.ports.used == 1
    wire = announced.port.comes(CLIENT)
    assert announced.result == [wire.end]
    assert not announced.port.open
    assert announced.ports.used == 0
    assert not announced.world.getDelayedCalls()


def test_a_stranger_is_refused_noted_and_uses_nothing_up() -> None:
    """T48, attack 6: who comes first is not who gets the data."""
    announced = Announced()
    for number in range(5):
        assert announced.port.comes("192.0.2.66", 6_000 + number) is None
    assert announced.strangers[0] == Address("192.0.2.66", 6_000)
    assert len(announced.strangers) == 5
    assert announced.result == []
    wire = announced.port.comes(CLIENT)
    assert announced.result == [wire.end]


def test_a_second_comer_from_the_right_host_is_refused() -> None:
    announced = Announced()
    announced.port.comes(CLIENT)
    assert announced.port.comes(CLIENT, 50_001) is None
    assert announced.strangers == [Address(CLIENT, 50_001)]


def test_an_accept_that_crosses_the_deadline_is_reset() -> None:
    """The connection was being built when the listener gave up."""
    announced = Announced()
    protocol = announced.port.factory.buildProtocol(tcp(CLIENT, 50_000))
    announced.listener.come.cancel()
    assert Wire(protocol=protocol, peer=CLIENT).endings == ["abort"]
    assert [type(each) for each in announced.result] == [CancelledError]


@pytest.mark.parametrize(
    ("expected", "came"),
    [
        ("2001:DB8::0009", "2001:db8::9"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
        ("192.0.2.9", "::ffff:192.0.2.9"),
    ],
)
def test_a_peer_is_the_same_however_its_address_is_written(expected: str, came: str) -> None:
    """T91: a PROXY header may write it as it likes."""
    announced = Announced(peer=expected, host="2001:db8::1")
    assert announced.port.comes(came) is not None


def test_who_does_not_come_in_time_does_not_come() -> None:
    announced = Announced()
    announced.world.advance(29.9)
    assert announced.port.open
    announced.world.advance(0.2)
    [ended] = announced.result
    assert isinstance(ended, Ended)
    assert ended.word == "too-slow"
    assert not announced.port.open
    assert announced.ports.used == 0
    assert announced.port.comes(CLIENT) is None


def test_a_cancelled_wait_closes_the_listener_and_gives_the_port_back() -> None:
    announced = Announced()
    announced.listener.come.cancel()
    assert not announced.port.open
    assert announced.ports.used == 0
    assert not announced.world.getDelayedCalls()


def test_closing_twice_gives_the_port_back_once() -> None:
    announced = Announced()
    announced.listener.close()
    announced.listener.close()
    assert announced.ports.used == 0


def test_ports_that_others_have_taken_are_passed_by() -> None:
    world = World()
    world.taken = set(range(40_000, 40_010)) - {40_007}
    announced = Announced(world)
    assert announced.at.port == 40_007
    assert announced.ports.used == 1


def test_when_every_try_meets_a_taken_port_the_range_counts_as_full() -> None:
    """T92: at once, and nothing is left listening or drawn."""
    world, ports = World(), PortRange((40_000, 40_099), Random(1).randrange, World.listenTCP)
    world.taken = set(range(40_000, 40_100))
    with pytest.raises(Ended, match=f"full: {TRIES} data ports at {OURS}"):
        Announced(world, ports)
    assert ports.used == 0
    assert not world.listeners and not world.getDelayedCalls()


def test_the_listener_is_at_the_address_that_the_control_connection_reached() -> None:
    """A balancer with several addresses: another address would be another firewall's business."""
    announced = Announced(host="203.0.113.77")
    assert announced.port.host == "203.0.113.77"


def test_what_the_peer_sends_before_the_other_leg_stands_is_held_up_to_a_cap() -> None:
    announced, ears = Announced(), Ears()
    wire = announced.port.comes(CLIENT)
    wire.says(b"x" * 65_536)
    assert wire.transport.producerState == "paused"
    [end] = announced.result
    assert isinstance(end, End)
    end.give(ears)
    assert ears.log == [b"x" * 65_536]


# -- how long it waits -----------------------------------------------------------------------------


def test_a_listener_gives_up_at_its_deadline() -> None:
    announced = Announced()
    announced.world.advance(29.9)
    assert announced.port.open
    announced.world.advance(0.1)
    assert not announced.port.open
    assert [str(why) for why in announced.result] == [
        "too-slow: the announced data connection did not come"
    ]


def test_a_deadline_that_is_stopped_and_started_again_counts_from_then() -> None:
    announced = Announced()
    announced.world.advance(20.0)
    announced.listener.wait(None)
    announced.world.advance(10_000.0)
    assert announced.port.open
    announced.listener.wait(5.0)
    announced.world.advance(5.0)
    assert not announced.port.open


def test_a_listener_that_is_closed_waits_for_nobody() -> None:
    announced = Announced()
    announced.port.comes(CLIENT)
    announced.listener.wait(5.0)
    assert not announced.world.getDelayedCalls()


# -- brought by a proxy ----------------------------------------------------------------------------

PROXY = "198.51.100.80"


class Behind(Announced):
    """The same behind a proxy, which says whose a connection is when the test lets it."""

    def __init__(self, bare: str = "") -> None:
        self.asked: dict[End, Deferred[Address]] = {}
        super().__init__(front=Front(PROXY.__eq__, self._introduced, bare))

    def _introduced(self, end: End) -> Deferred[Address]:
        self.asked[end] = Deferred()
        return self.asked[end]

    def brings(self, client: str, wire: Wire) -> None:
        """The proxy says whose this is."""
        self.asked[wire.end].callback(Address(client, 4711))


def test_a_proxy_brings_the_clients_connection() -> None:
    """T91."""
    announced = Behind()
    wire = announced.port.comes(PROXY)
    assert announced.port.open
    assert announced.result == []
    announced.brings(CLIENT, wire)
    assert announced.result == [wire.end]
    assert wire.end.peer == Address(CLIENT, 4711)
    assert not announced.port.open


def test_somebody_elses_connection_is_refused_and_uses_nothing_up() -> None:
    """T48, T91: behind the same proxy is not behind the same control connection."""
    announced = Behind()
    other, right = announced.port.comes(PROXY), announced.port.comes(PROXY, 50_001)
    announced.brings("192.0.2.66", other)
    assert other.endings == ["abort"]
    assert announced.strangers == [Address("192.0.2.66", 4711)]
    announced.brings(CLIENT, right)
    assert announced.result == [right.end]


def test_when_the_right_one_has_come_nobody_else_is_asked_any_more() -> None:
    announced = Behind()
    slow, right = announced.port.comes(PROXY), announced.port.comes(CLIENT)
    assert announced.result == [right.end]
    assert slow.endings == ["abort"]
    assert right.endings == []
    assert announced.port.comes(PROXY, 50_001) is None


def test_who_is_not_introduced_is_reset_and_the_next_is_heard() -> None:
    announced = Behind()
    wire = announced.port.comes(PROXY)
    announced.asked[wire.end].errback(Ended("too-slow"))
    assert wire.endings == ["abort"]
    assert announced.result == []
    assert announced.port.open
    assert announced.strangers == []


def test_only_so_many_are_asked_at_once() -> None:
    """Attack 6: a flood through the proxy keeps neither descriptors nor the client out for long."""
    announced = Behind()
    wires = [announced.port.comes(PROXY, 50_000 + number) for number in range(BACKLOG)]
    assert announced.port.comes(PROXY, 60_000) is None
    announced.asked[wires[0].end].errback(Ended("too-slow"))
    right = announced.port.comes(PROXY, 60_001)
    announced.brings(CLIENT, right)
    assert announced.result == [right.end]
    assert {ending for wire in wires for ending in wire.endings} == {"abort"}


def test_without_a_word_only_the_clients_own_proxy_may_bring_it_where_that_is_allowed() -> None:
    """T91."""
    announced = Behind(bare="198.51.100.81")
    assert announced.port.comes("198.51.100.82") is None
    wire = announced.port.comes("198.51.100.81")
    assert announced.result == [wire.end]


def test_at_the_deadline_those_who_were_not_introduced_yet_are_reset() -> None:
    announced = Behind()
    wire = announced.port.comes(PROXY)
    announced.world.advance(30.0)
    assert wire.endings == ["abort"]
    assert not announced.port.open


# -- several, of whom one is the one ---------------------------------------------------------------


def test_who_comes_later_waits_until_the_first_is_known_for_a_stranger() -> None:
    """Attack 6: they are from one address."""
    announced = Announced(several=True)
    assert announced.port.single
    first = announced.port.comes(CLIENT)
    assert first is not None
    assert announced.result == [first.end]
    assert announced.port.open and not announced.port.accepts
    later: list[End] = []
    announced.listener.again().addCallback(later.append)
    assert announced.port.accepts
    second = announced.port.comes(CLIENT)
    assert second is not None
    assert later == [second.end]
    announced.listener.close()
    assert not announced.port.open
    assert not announced.world.getDelayedCalls()


def test_nobody_else_comes_in_time() -> None:
    announced = Announced(several=True)
    announced.port.comes(CLIENT)
    late: list[object] = []
    announced.listener.again().addErrback(lambda failure: late.append(failure.value.word))
    announced.world.advance(30.0)
    assert late == ["too-slow"]
    assert announced.world.listeners == []


def test_the_deadline_may_pass_while_somebody_is_asked_who_he_is() -> None:
    announced = Announced(several=True)
    announced.port.comes(CLIENT)
    announced.world.advance(30.0)
    assert announced.world.listeners == []
    late: list[object] = []
    announced.listener.again().addErrback(lambda failure: late.append(failure.value.word))
    assert late == ["too-slow"]


def test_who_is_waited_for_again_may_be_given_up() -> None:
    announced = Announced(several=True)
    announced.port.comes(CLIENT)
    again = announced.listener.again()
    again.addErrback(lambda failure: failure.trap(CancelledError))
    again.cancel()
    assert announced.world.listeners == []
