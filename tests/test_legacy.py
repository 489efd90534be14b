"""What one process knows is what the next one goes on with: pins, and what operators said."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred

from tests.fakes import World
from tests.loopback.site import backend
from twisted_lb import legacy
from twisted_lb.claims import Seat
from twisted_lb.config.settings import Frontend, Group, Limits, RoleRule, Settings
from twisted_lb.errors import WireError
from twisted_lb.service import Balancer, balancer
from twisted_lb.session import Dial, State
from twisted_lb.terms import Address, Key

ALICE, BOB = Key("source", "192.0.2.1"), Key("source", "192.0.2.2")


def settings(linger: float = 60.0, **rules: Any) -> Settings:
    group = Group("site", "pool", linger=linger, roles={"any": RoleRule(server_port=3000)})
    return Settings(
        (Frontend("in", (Address("127.0.0.1", 3000),), group="site"),),
        {"site": group},
        {"pool": backend("pool", "10.0.0.1", "10.0.0.2", **rules)},
        Limits(drain=100.0),
    )


class Process:
    """A balancer that a test leads, and the time in it."""

    def __init__(self, **rules: Any) -> None:
        self.world = World()
        self.balancer: Balancer = balancer(settings(**rules), self.world)  # type: ignore[arg-type]

    def comes(self, key: Key) -> Seat:
        group = self.balancer.settings.groups["site"]
        came: list[Seat] = []
        claim = self.balancer.claims.claim(group, key, "any")
        Deferred.fromCoroutine(claim).addCallback(came.append)
        return came[0]

    def pinned(self, key: Key, server: str) -> Seat:
        """A channel that has reached this server."""
        seat = self.comes(key)
        self.balancer.claims.trying(seat, self.balancer.server("pool", server))
        assert self.balancer.claims.connected(seat)
        return seat

    def succeeded(self, **rules: Any) -> Process:
        """The process after this one; what they say goes over a wire."""
        new = Process(**rules)
        new.world.advance(5_000)  # whatever its clock says
        lines = legacy.told(self.balancer, self.world.seconds())
        legacy.heard(new.balancer, [json.loads(json.dumps(line)) for line in lines])
        return new

    def dials(self, key: Key) -> str:
        """The server that a new channel is sent to at once; nothing when it is to choose."""
        orders: list[Any] = []
        self.comes(key).order().addCallback(orders.append)
        return orders[0].server.name if isinstance(orders[0], Dial) else ""

    def ends(self) -> None:
        self.balancer.claims.stop()


def test_a_later_channel_goes_to_its_sessions_server() -> None:
    old = Process()
    old.pinned(ALICE, "b")
    old.comes(BOB)  # nobody has decided yet where to
    new = old.succeeded()
    [session] = new.balancer.claims.sessions
    assert (session.id, session.server) == (
        next(iter(old.balancer.claims.sessions)).id,
        new.balancer.server("pool", "b"),
    )
    assert (new.dials(ALICE), new.dials(BOB)) == ("b", "")
    assert new.balancer.server("pool", "b").sessions == 1


def test_a_session_that_lingers_lingers_on() -> None:
    old = Process()
    old.balancer.claims.left(old.pinned(ALICE, "a"), "done")
    old.world.advance(20)
    new = old.succeeded()
    new.world.advance(39.9)
    assert len(new.balancer.claims.sessions) == 1
    new.world.advance(0.2)
    assert len(new.balancer.claims.sessions) == 0


@pytest.mark.parametrize("linger", [0.0, 60.0])
def test_a_pin_is_kept_while_the_process_before_may_have_channels_of_it(linger: float) -> None:
    """Even when the last channel leaves that we have of it."""
    old = Process(linger=linger)
    old.pinned(ALICE, "b")
    new = old.succeeded(linger=linger)
    seat = new.comes(ALICE)
    assert new.balancer.claims.connected(seat)
    new.balancer.claims.left(seat, "done")
    [session] = new.balancer.claims.sessions
    assert session.state is State.LINGERING
    third = new.succeeded(linger=linger)
    for each in (new, third):
        each.world.advance(99.9 + linger)
        assert len(each.balancer.claims.sessions) == 1
        each.world.advance(0.2)
        assert len(each.balancer.claims.sessions) == 0


def test_who_cannot_have_a_later_channel_is_not_told_of() -> None:
    old = Process()
    old.pinned(Key("connection", "1"), "a")
    assert [line for line in legacy.told(old.balancer, 0.0) if "pins" in line] == []
    old.ends()


def test_many_pins_are_many_lines() -> None:
    old = Process()
    for number in range(legacy.TOGETHER + 1):
        old.pinned(Key("source", f"192.0.2.{number}"), "a")
    lines = [line["pins"] for line in legacy.told(old.balancer, 0.0) if "pins" in line]
    assert [len(line) for line in lines] == [legacy.TOGETHER, 1]


def test_what_operators_said_counts_unless_the_text_says_something_new() -> None:
    old = Process()
    one, two = old.balancer.servers
    old.balancer.set_admin(one, "drain")
    old.balancer.set_weight(two, 7)
    same = old.succeeded()
    assert [(each.admin, each.weight) for each in same.balancer.servers] == [
        ("drain", 100),
        ("ready", 7),
    ]
    rules = tuple(
        attrs.evolve(rule, state="maintenance", weight=50)
        for rule in settings().backends["pool"].servers
    )
    changed = old.succeeded(servers=rules)
    changed.balancer.startService()
    assert [(each.admin, each.weight) for each in changed.balancer.servers] == [
        ("maintenance", 50)
    ] * 2


def test_what_is_not_configured_any_more_is_left_out() -> None:
    old = Process()
    old.pinned(ALICE, "b")
    [first, _] = settings().backends["pool"].servers
    new = old.succeeded(servers=(first,))
    assert len(new.balancer.claims.sessions) == 0


def test_a_full_table_takes_no_more() -> None:
    old = Process()
    old.pinned(ALICE, "b")
    new = Process()
    new.balancer.claims.sessions.capacity = 0
    legacy.heard(new.balancer, legacy.told(old.balancer, 0.0))
    assert len(new.balancer.claims.sessions) == 0


@pytest.mark.parametrize(
    "line",
    [{"pins": [[1]]}, {"pins": 1}, {"secret": 1}, {"secret": "x"}, {"servers": [[1, 2]]}],
)
def test_what_cannot_be_read_is_an_error(line: dict[str, Any]) -> None:
    with pytest.raises(WireError, match="what it knows cannot be read"):
        legacy.heard(Process().balancer, [line])
