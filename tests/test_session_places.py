"""What a server counts, and who queues when it is at its maxconn."""

from __future__ import annotations

from tests.sessiontable import Desk, farm
from twisted_lb.session import Place


class TestAServersCounts:
    def test_are_of_what_dials_or_is_joined(self) -> None:
        desk, (a, _) = Desk(), farm()
        desk.joined(a)
        late = desk.come()
        assert (a.sessions, a.connections) == (1, 2)
        desk.refused(late)
        assert (a.sessions, a.connections) == (1, 1)

    def test_are_untouched_by_what_waits_or_queues(self) -> None:
        desk, (a, _) = Desk(), farm(maxconn=1)
        first = desk.joined(a)
        queued = desk.come()
        assert (queued.place, a.connections) == (Place.QUEUED, 1)
        desk.left(queued, "too-slow")
        assert a.connections == 1
        desk.left(first)
        assert (a.sessions, a.connections) == (1, 0)


class TestAServerAtItsMaxconn:
    def test_lets_late_channels_in_one_by_one_in_their_order(self) -> None:
        desk, (a, _) = Desk(), farm(maxconn=1)
        first = desk.joined(a, "alice")
        second, third = desk.come("alice"), desk.come("alice")
        assert desk.heard() == []
        desk.left(first)
        assert desk.heard() == ["dial 2 a"]
        desk.connected(second)
        desk.left(second)
        assert desk.heard() == ["dial 3 a"]
        assert third.place is Place.DIALLING

    def test_lets_in_whoever_waited_longest_of_whichever_session(self) -> None:
        desk, (a, _) = Desk(), farm(maxconn=2)
        alice, bob = desk.joined(a, "alice"), desk.joined(a, "bob")
        desk.come("bob")
        desk.come("alice")
        desk.left(alice)
        desk.left(bob)
        assert desk.heard() == ["dial 3 a", "dial 4 a"]

    def test_takes_the_waiting_of_a_new_session_as_far_as_there_is_room(self) -> None:
        desk, (a, _) = Desk(), farm(maxconn=2)
        first, _, third = desk.come(), desk.come(), desk.come()
        desk.trying(first, a)
        desk.connected(first)
        assert desk.heard() == ["claim 1", "dial 2 a"]
        assert third.place is Place.QUEUED
        assert desk.queued == ["3"]

    def test_lets_the_next_one_in_when_a_dial_is_refused(self) -> None:
        desk, (a, _) = Desk(), farm(maxconn=2)
        desk.joined(a)
        second, _ = desk.come(), desk.come()
        desk.refused(second)
        assert desk.heard() == ["dial 2 a", "stop 2 server-refused", "dial 3 a"]

    def test_lets_a_late_channel_in_when_a_new_session_is_refused(self) -> None:
        desk, (a, _) = Desk(), farm(maxconn=2)
        desk.joined(a, "alice")
        new = desk.come("bob")
        desk.trying(new, a)
        desk.come("alice")
        desk.refused(new)
        assert desk.heard() == ["claim 2", "dial 3 a"]

    def test_lets_a_late_channel_in_when_a_decision_for_it_is_given_up(self) -> None:
        desk, (a, _) = Desk(), farm(maxconn=2)
        desk.joined(a, "alice")
        new = desk.come("bob")
        desk.trying(new, a)
        desk.come("alice")
        desk.unavailable(a)
        assert desk.heard() == ["claim 2", "drop 2", "dial 3 a"]

    def test_forgets_a_client_that_does_not_wait(self) -> None:
        desk, (a, _) = Desk(), farm(maxconn=1)
        first = desk.joined(a)
        second, _ = desk.come(), desk.come()
        desk.left(second, "too-slow")
        desk.left(first)
        assert desk.heard() == ["dial 3 a"]

    def test_gives_the_room_of_a_session_that_ends_to_others_not_to_itself(self) -> None:
        desk, (a, _) = Desk(), farm(maxconn=2)
        alice = desk.joined(a, "alice")
        desk.joined(a, "bob")
        desk.come("alice")
        desk.come("bob")
        desk.end(alice.session, "killed")
        assert desk.heard() == [
            *("stop 1 killed", "dial 4 a", "stop 3 killed"),
            "gone killed a",
        ]

    def test_that_is_raised_lets_in_as_many_as_there_is_room_for_now(self) -> None:
        """A reload may raise it while channels queue."""
        desk, (a, _) = Desk(), farm(maxconn=1)
        first = desk.joined(a)
        for _ in range(3):
            desk.come()
        a.maxconn = 2
        desk.left(first)
        assert desk.heard() == ["dial 2 a", "dial 3 a"]
