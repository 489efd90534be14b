"""Whose session a connection is: keys, who shares one, who is refused, what a full table does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sessiontable import GATEWAY, OPAQUE, Desk, farm, refusal
from twisted_lb.config.settings import Group, RoleRule
from twisted_lb.errors import Ended
from twisted_lb.session import Claim
from twisted_lb.session.keys import KEYS, KeyTable
from twisted_lb.session.values import Session
from twisted_lb.terms import Key

RESUMED = Group(
    "resumed",
    "pool",
    key=("tls-session",),
    roles={"control": RoleRule(opens=True), "data": RoleRule()},
)


class TestOneKeyIsOneSession:
    def test_connections_that_show_the_same_key_are_together(self) -> None:
        desk = Desk()
        assert desk.come("alice").session is desk.come("alice").session

    def test_connections_that_show_different_keys_are_not(self) -> None:
        desk = Desk()
        assert desk.come("alice").session is not desk.come("bob").session

    def test_the_same_value_of_another_kind_is_another_key(self) -> None:
        desk = Desk()
        source, name = desk.come("10.0.0.1", kind="source"), desk.come("10.0.0.1", kind="sni")
        assert source.session is not name.session

    def test_the_same_key_in_another_group_is_another_session(self) -> None:
        desk = Desk()
        assert desk.come("alice").session is not desk.come("alice", group=GATEWAY).session

    def test_a_reload_finds_the_living_session_and_leaves_it_its_settings(self) -> None:
        """The newest generation's group has the same name; the session keeps the older one's."""
        desk, newest = Desk(), Group("mail", "pool", linger=1.0, max_channels=1)
        living = desk.come("alice").session
        assert desk.come("alice", group=newest).session is living
        assert living.group is OPAQUE
        assert desk.come("bob", group=newest).session.group is newest

    def test_a_key_is_free_when_its_session_is_over(self) -> None:
        desk = Desk()
        over = desk.come("alice").session
        desk.end(over)
        assert desk.come("alice").session is not over

    def test_without_a_key_nobody_is_sent_to_just_any_server(self) -> None:
        desk = Desk()
        assert refusal(lambda: desk.sessions.open(OPAQUE, None, "any", desk.now)) == "unkeyed"
        assert len(desk.sessions) == 0

    def test_ids_name_the_table_and_are_never_given_twice(self) -> None:
        desk = Desk()
        ids = [desk.come(str(number)).session.id for number in range(20)]
        assert len(set(ids)) == 20
        assert all(each.startswith("w1-") for each in ids)

    def test_a_session_is_found_by_its_id_while_it_lives(self) -> None:
        desk = Desk()
        session = desk.come().session
        assert desk.sessions.get(session.id) is session
        assert list(desk.sessions) == [session]
        desk.end(session)
        assert desk.sessions.get(session.id) is None
        assert list(desk.sessions) == []


class TestASharedKey:
    """A coarse key puts all who show it together: correct, and not balanced."""

    def test_beyond_max_channels_it_refuses_and_never_splits(self) -> None:
        desk, (a, _) = Desk(Group("mail", "pool", max_channels=2)), farm()
        first = desk.joined(a)
        desk.late()
        assert refusal(lambda: desk.come("alice")) == "key-full"
        assert len(desk.sessions) == 1
        assert len(first.session.channels) == 2

    def test_a_channel_that_leaves_makes_room_for_another(self) -> None:
        desk, (a, _) = Desk(Group("mail", "pool", max_channels=2)), farm()
        desk.joined(a)
        desk.left(desk.late())
        assert desk.come("alice").session.server is a

    def test_channels_are_numbered_over_the_whole_life_of_the_session(self) -> None:
        desk, (a, _) = Desk(), farm()
        desk.joined(a)
        for number in (2, 3, 4):
            channel = desk.late()
            assert channel.number == channel.session.total == number
            desk.left(channel)


class TestALearnedKey:
    """A TLS session id or ticket that the server gave away comes back on another connection."""

    def test_names_the_session_that_learned_it(self) -> None:
        desk, (a, _) = Desk(), farm()
        session = desk.joined(a).session
        desk.sessions.learn(session, Key("tls-session", "id1"))
        desk.sessions.learn(session, Key("tls-session", "id1"))
        assert desk.come("id1", kind="tls-session").session is session

    def test_is_free_when_the_session_is_over(self) -> None:
        desk, (a, _) = Desk(), farm()
        session = desk.joined(a).session
        desk.sessions.learn(session, Key("tls-session", "id1"))
        desk.end(session)
        assert refusal(lambda: desk.come("id1", kind="tls-session")) == "unkeyed"

    def test_stays_with_the_other_session_that_learned_it(self) -> None:
        desk, (a, b) = Desk(), farm()
        alice, bob = desk.joined(a, "alice").session, desk.joined(b, "bob").session
        for session in (alice, bob):
            desk.sessions.learn(session, Key("tls-session", "id1"))
        desk.end(alice)
        assert desk.come("id1", kind="tls-session").session is bob

    def test_learned_too_late_means_nothing(self) -> None:
        desk, (a, _) = Desk(), farm()
        session = desk.joined(a).session
        desk.end(session)
        desk.sessions.learn(session, Key("tls-session", "id1"))
        assert refusal(lambda: desk.come("id1", kind="tls-session")) == "unkeyed"

    def test_that_nobody_learned_creates_nothing(self) -> None:
        """Under TLS 1.3 every client shows an id, and each is another: it names nobody."""
        desk = Desk(RESUMED)
        assert refusal(lambda: desk.come("id1", "data", "tls-session")) == "unkeyed"
        first = desk.come("id1", "control", "tls-session").session
        second = desk.come("id1", "control", "tls-session").session
        assert first is not second
        assert not first.digests

    def test_is_not_shown_by_who_opens_a_session(self) -> None:
        desk = Desk(RESUMED)
        channel, orders = desk.sessions.open(RESUMED, None, "control", desk.now)
        assert orders == [Claim(channel)]
        with pytest.raises(Ended, match="unkeyed"):
            desk.sessions.open(RESUMED, None, "data", desk.now)
        desk.sessions.learn(channel.session, Key("tls-session", "id1"))
        assert desk.come("id1", "data", "tls-session").session is channel.session

    def test_of_sessions_on_two_servers_is_refused_as_ambiguous(self) -> None:
        desk, (a, b) = Desk(), farm()
        for key, server in (("alice", a), ("bob", b)):
            desk.sessions.learn(desk.joined(server, key).session, Key("tls-session", "id1"))
        assert refusal(lambda: desk.come("id1", kind="tls-session")) == "ambiguous"

    def test_of_sessions_on_one_server_leads_there(self) -> None:
        desk, (a, _) = Desk(), farm()
        for key in ("alice", "bob"):
            desk.sessions.learn(desk.joined(a, key).session, Key("tls-session", "id1"))
        assert desk.come("id1", kind="tls-session").session.server is a
        assert desk.heard() == ["dial 3 a"]

    def test_of_a_session_that_has_no_server_yet_is_ambiguous_too(self) -> None:
        """The one being decided may end up anywhere; that it tries `a` just now proves nothing."""
        desk, (a, _) = Desk(), farm()
        pinned, deciding = desk.joined(a, "alice"), desk.come("bob")
        for channel in (pinned, deciding):
            desk.sessions.learn(channel.session, Key("tls-session", "id1"))
        assert refusal(lambda: desk.come("id1", kind="tls-session")) == "ambiguous"
        desk.trying(deciding, a)
        assert refusal(lambda: desk.come("id1", kind="tls-session")) == "ambiguous"

    def test_of_two_sessions_that_have_no_server_yet_is_ambiguous_too(self) -> None:
        desk = Desk()
        for key in ("alice", "bob"):
            desk.sessions.learn(desk.come(key).session, Key("tls-session", "id1"))
        assert refusal(lambda: desk.come("id1", kind="tls-session")) == "ambiguous"

    def test_two_sessions_that_return_to_different_servers_are_ambiguous(self) -> None:
        desk, (a, b) = Desk(), farm()
        for key, server in (("alice", a), ("bob", b)):
            desk.sessions.learn(desk.lingering(server, key), Key("tls-session", "id1"))
            desk.come(key)
        assert refusal(lambda: desk.come("id1", kind="tls-session")) == "ambiguous"


class TestTooManyLearnedKeys:
    """A server may hand out a new ticket on every connection, for days."""

    def hold(self, *values: str) -> tuple[KeyTable, set[str]]:
        table, session = KeyTable(b"secret"), Session("1", OPAQUE, 0.0)
        for value in values:
            table.hold(session, Key("tls-session", value))
        known = {v for v in values if table.find(OPAQUE, Key("tls-session", v))}
        assert len(table) == len(known) <= KEYS
        return table, known

    def test_the_one_learned_first_is_forgotten_and_the_opening_one_never(self) -> None:
        _, known = self.hold("opening", *(f"ticket{n}" for n in range(1, KEYS + 3)))
        assert known == {"opening", *(f"ticket{n}" for n in range(4, KEYS + 3))}

    def test_one_that_is_seen_again_counts_as_learned_anew(self) -> None:
        tickets = [f"ticket{n}" for n in range(1, KEYS)]
        _, known = self.hold("opening", *tickets, "ticket1", "opening", "another")
        assert known == {"opening", *tickets, "another"} - {"ticket2"}


class TestStoredKeys:
    def test_cannot_be_aimed_at_by_who_does_not_know_the_secret(self) -> None:
        """Attack 21: where a key is stored depends on the secret, so no flood fills one slot."""
        key, places = Key("source", "192.0.2.1"), []
        for secret in (b"one", b"two"):
            session = Session("1", OPAQUE, 0.0)
            KeyTable(secret).hold(session, key)
            places.append(session.digests)
        assert places[0] != places[1]

    @given(st.text(st.characters(), max_size=20))
    def test_may_be_any_text_and_are_stored_as_digests_of_one_size(self, value: str) -> None:
        session, table = Session("1", OPAQUE, 0.0), KeyTable(b"secret")
        table.hold(session, Key("sni", value))
        assert [len(digest) for digest in session.digests] == [16]
        assert table.find(OPAQUE, Key("sni", value)) == [session]
        table.release(session)
        assert len(table) == 0

    def test_are_none_where_each_connection_is_a_session_of_its_own(self) -> None:
        """Nobody asks for them, and there may be as many as connections."""
        session, table = Session("1", OPAQUE, 0.0), KeyTable(b"secret")
        table.hold(session, Key("connection", "lb.1"))
        assert table.find(OPAQUE, Key("connection", "lb.1")) == []
        assert (len(table), session.digests) == (0, ())

    def test_may_hold_what_utf8_cannot(self) -> None:
        desk = Desk()
        assert desk.come("\udcff").session is desk.come("\udcff").session


class TestAFullTable:
    def test_evicts_the_session_that_lingers_longest(self) -> None:
        desk, (a, _) = Desk(capacity=2), farm()
        desk.lingering(a, "alice")
        living = desk.joined(a, "bob").session
        desk.come("carol")
        assert desk.heard() == ["gone done a", "claim 3"]
        assert living in list(desk.sessions)
        assert desk.sessions.get("w1-1") is None

    def test_counts_a_linger_from_its_last_beginning(self) -> None:
        desk, (a, _) = Desk(capacity=2), farm()
        alice, bob = desk.lingering(a, "alice"), desk.lingering(a, "bob")
        desk.left(desk.come("alice"))
        desk.come("carol")
        assert alice in list(desk.sessions)
        assert bob not in list(desk.sessions)

    def test_refuses_when_every_session_is_in_use(self) -> None:
        desk, (a, _) = Desk(capacity=2), farm()
        joined, waiting = desk.joined(a, "alice"), desk.come("bob")
        assert refusal(lambda: desk.come("carol")) == "table-full"
        assert set(desk.sessions) == {joined.session, waiting.session}

    def test_still_takes_channels_of_the_sessions_it_has(self) -> None:
        desk, (a, _) = Desk(capacity=1), farm()
        desk.joined(a)
        desk.come("alice")
        assert desk.heard() == ["dial 2 a"]

    def test_a_flood_of_forged_keys_ends_no_living_session(self) -> None:
        """Attack 21: each of 5,000 keys is shown once and left at once."""
        desk, (a, b) = Desk(capacity=50), farm()
        living = [desk.joined(a, f"user{n}").session for n in range(10)]
        for number in range(5000):
            desk.lingering(b, f"forged{number}")
        assert len(desk.sessions) == 50
        assert all(desk.sessions.get(session.id) is session for session in living)
        assert (a.sessions, a.connections) == (10, 10)
        assert (b.sessions, b.connections) == (40, 0)
