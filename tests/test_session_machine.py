"""The rules of a session under every order of events that chance can think of.

The machine below stands for all connections, servers and checks at once. It obeys the table's
orders in any order, late or not at all, and keeps books of its own; after each step the books must
agree with the table, and with what is never to happen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from twisted_lb.config.settings import Group, RoleRule
from twisted_lb.errors import Ended
from twisted_lb.session import (
    Channel,
    Claim,
    Dial,
    Drop,
    Gone,
    Orders,
    Place,
    Queue,
    Session,
    Sessions,
    State,
    Stop,
)
from twisted_lb.session.deadlines import SLACK
from twisted_lb.terms import ENDINGS, Key, Server

CAPACITY = 5
GROUPS = (
    Group("mail", "pool", linger=5.0, max_channels=4),
    Group("brief", "pool", linger=0.0, max_channels=3),
    Group(
        "gateway",
        "pool",
        linger=3.0,
        grace=2.0,
        max_channels=5,
        roles={"control": RoleRule(principal=True), "data": RoleRule()},
    ),
)
KEYS = (Key("source", "1"), Key("source", "2"), Key("tls-session", "1"))
ROLES = ("control", "data")
WORDS = ("done", "client-left", "server-closed", "server-down", "too-slow", "idle", "wire-error")

anyone: st.SearchStrategy[Any] = st.integers(0, 1 << 16)
"""Which one of those that are there just now."""

User = tuple[Group, Key, list[str]]
users: st.SearchStrategy[User] = st.tuples(
    st.sampled_from(GROUPS),
    st.sampled_from(KEYS),
    st.lists(st.sampled_from(ROLES), min_size=1, max_size=3),
)
"""Somebody with one key, and the channels he opens at once."""


def pick(items: Any, which: int) -> Any:
    """One of these, whatever their number."""
    ordered = list(items)
    return ordered[which % len(ordered)]


class World(RuleBasedStateMachine):
    """Everything outside the table, and what it knows for certain."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions = Sessions(capacity=CAPACITY, secret=b"secret", owner="w")
        self.now = 0.0
        self.alive: dict[Channel, None] = {}
        """Channels that nobody has stopped and that have not left."""
        self.claims: dict[Session, Channel] = {}
        """Who was told to decide, and has neither succeeded nor given up."""
        self.dials: dict[Channel, Server] = {}
        """Attempts under way."""
        self.joined: dict[Channel, Server] = {}
        self.over: dict[Session, None] = {}
        self.keys: dict[tuple[str, Key], dict[Session, None]] = {}
        self.most = 0
        """How many sessions there were at most."""

    @initialize(
        limits=st.tuples(*[st.sampled_from([2, 3, None])] * 3),
        users=st.lists(users, min_size=1, max_size=4),
    )
    def a_busy_farm(self, limits: tuple[int | None, ...], users: list[User]) -> None:
        self.servers = [
            Server("pool", name, name, maxconn=limit)
            for name, limit in zip("abc", limits, strict=True)
        ]
        for user in users:
            self.a_user_comes_and_everybody_is_served(user)

    # -- obeying ------------------------------------------------------------------------------

    def obey(self, orders: Orders) -> None:
        for order in orders:
            if isinstance(order, Gone):
                self.gone(order)
                continue
            channel = order.channel
            assert channel in self.alive, "an order for a channel that left or was stopped"
            if isinstance(order, Claim):
                assert channel.session not in self.claims, "two decide at once"
                assert channel not in self.dials
                self.claims[channel.session] = channel
            elif isinstance(order, Dial):
                assert channel not in self.dials
                assert channel not in self.joined
                self.dials[channel] = order.server
            elif isinstance(order, Queue):
                assert channel.place is Place.QUEUED
            elif isinstance(order, Drop):
                del self.dials[channel]
            else:
                self.stopped(order)

    def stopped(self, stop: Stop) -> None:
        assert stop.word in ENDINGS
        self.forget(stop.channel)
        assert self.sessions.left(stop.channel, stop.word, self.now) == []

    def forget(self, channel: Channel) -> None:
        del self.alive[channel]
        self.dials.pop(channel, None)
        self.joined.pop(channel, None)
        if self.claims.get(channel.session) is channel:
            del self.claims[channel.session]

    def gone(self, gone: Gone) -> None:
        session = gone.session
        assert gone.word in ENDINGS
        assert session not in self.over, "gone twice"
        assert self.channels(session) == [], "gone before its channels were stopped"
        assert gone.server is session.server
        self.over[session] = None
        for holders in self.keys.values():
            holders.pop(session, None)

    def those(self, *states: State) -> list[Session]:
        return [session for session in self.sessions if session.state in states]

    def channels(self, session: Session) -> list[Channel]:
        return [channel for channel in self.alive if channel.session is session]

    # -- connections come ---------------------------------------------------------------------

    @rule(group=st.sampled_from(GROUPS), key=st.sampled_from(KEYS), role=st.sampled_from(ROLES))
    def a_connection_shows_a_key(self, group: Group, key: Key, role: str) -> None:
        before = list(self.sessions)
        lingering = [session for session in before if session.state is State.LINGERING]
        holders = list(self.keys.get((group.name, key), ()))
        word = self.expected_refusal(holders, role, full=len(before) == CAPACITY and not lingering)
        if key.kind == "tls-session" and not holders:
            word = "unkeyed"  # no server gave it to anybody
        channel = self.ask(lambda: self.sessions.open(group, key, role, self.now), word)
        if channel is None:
            assert list(self.sessions) == before
            return
        if holders:
            assert channel.session in holders
        else:
            assert channel.session not in before
            self.keys.setdefault((group.name, key), {})[channel.session] = None
        evicted = [session for session in before if session in self.over]
        assert len(evicted) <= 1
        assert all(session in lingering for session in evicted)

    @rule(user=users)
    def a_user_comes_and_everybody_is_served(self, user: User) -> None:
        group, key, roles = user
        for role in roles:
            self.a_connection_shows_a_key(group, key, role)
        self.everybody_is_served()

    @precondition(lambda self: bool(self.those(State.LINGERING, State.CLOSING)))
    @rule(which=anyone, roles=st.lists(st.sampled_from(ROLES), min_size=1, max_size=2))
    def somebody_comes_before_it_is_over(self, which: int, roles: list[str]) -> None:
        """While a session lingers, or during its grace."""
        session = pick(self.those(State.LINGERING, State.CLOSING), which)
        for role in roles:
            word = self.expected_refusal([session], role, full=False)
            self.ask(partial(self.sessions.join, session, role, self.now), word)

    def ask(
        self, verb: Callable[[], tuple[Channel, Orders]], refusal: str | None
    ) -> Channel | None:
        """Ask for a channel, and get it or this refusal."""
        if refusal is not None:
            with pytest.raises(Ended) as caught:
                verb()
            assert caught.value.word == refusal
            return None
        channel, orders = verb()
        self.alive[channel] = None
        self.obey(orders)
        return channel

    def expected_refusal(self, holders: list[Session], role: str, *, full: bool) -> str | None:
        if len(holders) > 1:
            certain = all(session.state is not State.PINNING for session in holders)
            if not certain or len({session.server for session in holders}) > 1:
                return "ambiguous"
        if not holders:
            return "table-full" if full else None
        session = holders[0]
        if session.state is State.CLOSING and role != "control":
            return session.word
        if len(self.channels(session)) == session.group.max_channels:
            return "key-full"
        return None

    @precondition(lambda self: bool(self.alive))
    @rule(which=anyone, role=st.sampled_from(ROLES))
    def a_session_announces_a_channel(self, which: int, role: str) -> None:
        session = pick(self.alive, which).session
        word = self.expected_refusal([session], role, full=False)
        self.ask(lambda: self.sessions.join(session, role, self.now), word)

    @precondition(lambda self: bool(self.over))
    @rule(which=anyone)
    def a_session_that_is_gone_announces_a_channel(self, which: int) -> None:
        session = pick(self.over, which)
        self.ask(lambda: self.sessions.join(session, "control", self.now), session.word)

    @precondition(lambda self: len(self.sessions) > 0)
    @rule(which=anyone, key=st.just(KEYS[-1]))
    def a_server_hands_out_a_key(self, which: int, key: Key) -> None:
        session = pick(self.sessions, which)
        self.sessions.learn(session, key)
        self.keys.setdefault((session.group.name, key), {})[session] = None

    # -- attempts -----------------------------------------------------------------------------

    @precondition(lambda self: bool(self.claims))
    @rule(which=anyone)
    def a_claimant_tries_the_next_candidate(self, which: int) -> None:
        claimant = pick(self.claims.values(), which)
        if claimant not in self.dials:
            self.try_next(claimant)

    def try_next(self, claimant: Channel) -> None:
        session = claimant.session
        for server in self.servers:
            room = server.maxconn is None or (
                server.connections + session.reserve <= server.maxconn
            )
            if server not in session.tried and room:
                self.sessions.trying(claimant, server)
                self.dials[claimant] = server
                return
        del self.claims[session]
        self.obey(self.sessions.exhausted(claimant, self.now))

    @rule()
    def everybody_is_served(self) -> None:
        """As far as there is room."""
        while self.dials or self.claims:
            for claimant in list(self.claims.values()):
                if claimant not in self.dials:
                    self.try_next(claimant)
            for channel in list(self.dials):
                self.answer(channel)

    @precondition(lambda self: bool(self.dials))
    @rule(which=anyone)
    def a_server_answers(self, which: int) -> None:
        self.answer(pick(self.dials, which))

    def answer(self, channel: Channel) -> None:
        orders = self.sessions.connected(channel, self.now)
        assert orders is not None
        self.joined[channel] = self.dials.pop(channel)
        if self.claims.get(channel.session) is channel:
            del self.claims[channel.session]
        self.obey(orders)

    @precondition(lambda self: bool(self.dials))
    @rule(which=anyone)
    def a_server_refuses(self, which: int) -> None:
        self.refuse(pick(self.dials, which))

    def refuse(self, channel: Channel) -> None:
        del self.dials[channel]
        self.obey(self.sessions.refused(channel, self.now))

    @precondition(lambda self: bool(self.alive))
    @rule(which=anyone)
    def an_attempt_that_no_longer_counts_comes_back(self, which: int) -> None:
        channel = pick(self.alive, which)
        if channel not in self.dials:
            place = channel.place
            assert self.sessions.connected(channel, self.now) is None
            assert self.sessions.refused(channel, self.now) == []
            assert channel.place is place

    # -- channels, sessions and servers go ----------------------------------------------------

    @precondition(lambda self: bool(self.alive))
    @rule(which=anyone, word=st.sampled_from(WORDS))
    def a_channel_leaves(self, which: int, word: str) -> None:
        self.leave(pick(self.alive, which), word)

    def leave(self, channel: Channel, word: str) -> None:
        self.forget(channel)
        self.obey(self.sessions.left(channel, word, self.now))
        assert self.sessions.left(channel, word, self.now) == []

    @precondition(lambda self: bool(self.alive))
    @rule(which=anyone, word=st.sampled_from(WORDS))
    def all_channels_of_a_session_leave(self, which: int, word: str) -> None:
        for channel in self.channels(pick(self.alive, which).session):
            if channel in self.alive:
                self.leave(channel, word)

    @precondition(lambda self: bool(self.principals()))
    @rule(which=anyone)
    def a_user_logs_out(self, which: int) -> None:
        self.leave(pick(self.principals(), which), "done")

    def principals(self) -> list[Channel]:
        return [c for c in self.joined if c.session.group.rule(c.role).principal]

    @precondition(lambda self: len(self.sessions) > 0)
    @rule(which=anyone, how=st.sampled_from(["kill", "drain", "down", "end", "deadline"]))
    def trouble(self, which: int, how: str) -> None:
        session = pick(self.sessions, which)
        if how != "kill":
            self.take_away(session.server or pick(self.servers, which), how)
            return
        self.obey(self.sessions.end(session, "killed", self.now))
        assert session in self.over
        assert self.sessions.end(session, "killed", self.now) == []

    def take_away(self, server: Server, how: str) -> None:
        held = [s for s in self.sessions if s.server is server and s.state is not State.PINNING]
        returning = [session for session in held if session.state is State.RETURNING]
        if how == "drain":
            self.obey(self.sessions.unavailable(server))
        elif how == "deadline":
            self.obey(self.sessions.evict(server, "drained", self.now))
        else:
            self.obey(self.sessions.down(server, end=how == "end", now=self.now))
        if how in ("drain", "down"):
            assert all(session.server is server for session in held)
            assert not self.over.keys() & held
        else:
            assert server.sessions == server.connections == 0
            assert self.over.keys() & held == set(held) - set(returning)

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        due = {s for s in self.sessions if s.due is not None and s.due <= self.now}
        before = set(self.sessions)
        self.obey(self.sessions.tick(self.now))
        assert before - set(self.sessions) == due

    # -- what holds after every step ----------------------------------------------------------

    @invariant()
    def no_session_is_split_or_moved(self) -> None:
        """Each joined channel is on the server it joined, and so is its session."""
        for channel, server in self.joined.items():
            assert channel.session.server is server
            assert channel.session.state in (State.PINNED, State.CLOSING)

    @invariant()
    def the_table_and_the_world_agree_on_every_channel(self) -> None:
        known = {c: c.place for session in self.sessions for c in session.channels}
        assert known.keys() == self.alive.keys()
        for channel, place in known.items():
            claiming = self.claims.get(channel.session) is channel
            assert (place is Place.JOINED) == (channel in self.joined)
            assert (place is Place.DIALLING) == (channel in self.dials)
            assert (place is Place.CLAIMING) == (claiming and channel not in self.dials)
            assert place is not Place.DIALLING or self.dials[channel] is channel.session.server

    @invariant()
    def one_channel_asks_and_the_others_wait(self) -> None:
        for session in self.sessions:
            places = Counter(channel.place for channel in session.channels)
            if session.state in (State.PINNING, State.RETURNING):
                assert places.total() - places[Place.WAITING] == 1
                assert session.first.place is not Place.WAITING
            else:
                assert not places[Place.WAITING]
                assert not places[Place.CLAIMING]
            if session.state is State.CLOSING:
                assert places.total() == places[Place.JOINED]

    @invariant()
    def only_sessions_without_channels_linger_and_they_have_a_pin(self) -> None:
        for session in self.sessions:
            lingers = session.state is State.LINGERING
            assert lingers == (not session.channels)
            assert (session.due is not None) == (lingers or session.state is State.CLOSING)
            assert session.due is None or session.due > self.now
            assert session.server is not None or session.state is State.PINNING

    @invariant()
    def servers_count_what_exists_and_stay_within_maxconn(self) -> None:
        placed = Counter([*self.dials.values(), *self.joined.values()])
        pinned = Counter(session.server for session in self.sessions)
        queued = Counter(
            channel.session.server for channel in self.alive if channel.place is Place.QUEUED
        )
        for server in getattr(self, "servers", ()):
            assert server.connections == placed[server]
            assert server.sessions == pinned[server]
            assert server.maxconn is None or server.connections <= server.maxconn
            assert server.full or not queued[server]
            assert set(self.sessions._places.sessions(server)) == {
                session for session in self.sessions if session.server is server
            }

    @invariant()
    def nothing_is_kept_of_what_is_over(self) -> None:
        places = self.sessions._places
        held = [key for key, holders in self.keys.items() if holders]
        assert len(self.sessions._keys) == len(held)
        assert places._sessions.keys() == {s.server for s in self.sessions if s.server}
        assert all(places._queued.values())
        assert len(self.sessions) <= CAPACITY
        self.most = max(self.most, len(self.sessions))
        assert len(self.sessions._deadlines) <= 2 * self.most + SLACK

    # -- and in the end -----------------------------------------------------------------------

    def teardown(self) -> None:
        """Every server refuses: nobody waits for ever, and nothing is left."""
        self.settle()
        while self.joined:
            self.leave(pick(self.joined, 0), "done")
            self.settle()
        assert not self.alive
        self.now += 100
        self.obey(self.sessions.tick(self.now))
        self.nothing_is_kept_of_what_is_over()
        assert len(self.sessions) == len(self.sessions._keys) == 0
        assert self.sessions.next_due() is None
        for server in getattr(self, "servers", ()):
            assert server.sessions == server.connections == 0

    def settle(self) -> None:
        """Let all attempts fail until nobody has one; who still waits queues behind others."""
        while self.dials or self.claims:
            for channel in list(self.dials):
                if channel in self.dials:
                    self.refuse(channel)
            for session in list(self.claims):
                if session in self.claims:
                    self.try_next(self.claims[session])
        for channel in self.alive:
            full = channel.session.server is not None and channel.session.server.full
            assert channel.place is Place.JOINED or full


TestEveryOrderOfEvents = World.TestCase
