"""How a session finds its server: one channel decides, the others wait, nobody is forgotten."""

from __future__ import annotations

import pytest

from tests.sessiontable import Desk, farm, refusal
from twisted_lb.config.settings import Group
from twisted_lb.session import Place, State


class TestANewSession:
    """State pinning."""

    def test_is_decided_by_its_first_channel_while_the_others_wait(self) -> None:
        desk, (a, _) = Desk(), farm()
        first = desk.come()
        desk.come()
        desk.come()
        assert desk.heard() == ["claim 1"]
        desk.trying(first, a)
        assert desk.connected(first)
        assert desk.heard() == ["dial 2 a", "dial 3 a"]
        assert first.session.state is State.PINNED

    def test_counts_on_the_candidate_from_the_moment_it_is_tried(self) -> None:
        """So that a burst of new sessions spreads before any server has answered."""
        desk, (a, b) = Desk(), farm()
        first = desk.come()
        desk.trying(first, a)
        assert (a.sessions, a.connections) == (1, 1)
        desk.refused(first)
        assert (a.sessions, a.connections) == (0, 0)
        desk.trying(first, b)
        assert (b.sessions, b.connections) == (1, 1)

    def test_goes_on_with_the_next_candidate_when_one_refuses(self) -> None:
        desk, (a, b) = Desk(), farm()
        first, _ = desk.come(), desk.come()
        desk.trying(first, a)
        desk.refused(first)
        assert first.session.tried == {a}
        desk.trying(first, b)
        desk.connected(first)
        assert desk.heard() == ["claim 1", "dial 2 b"]
        assert first.session.tried == set()

    def test_ends_for_all_who_wait_when_no_candidate_answers(self) -> None:
        desk, (a, _) = Desk(), farm()
        first, _ = desk.come(), desk.come()
        desk.trying(first, a)
        desk.refused(first)
        desk.exhausted(first)
        assert desk.heard() == [
            "claim 1",
            "stop 1 no-server",
            "stop 2 no-server",
            "gone no-server -",
        ]
        assert a.sessions == a.connections == len(desk.sessions) == 0

    def test_is_gone_when_its_only_client_leaves(self) -> None:
        desk, (a, _) = Desk(), farm()
        first = desk.come()
        desk.trying(first, a)
        desk.left(first, "client-left")
        assert desk.heard() == ["claim 1", "gone client-left -"]
        assert a.sessions == a.connections == len(desk.sessions) == 0

    def test_is_decided_for_nobody_when_it_ends_while_a_candidate_is_asked(self) -> None:
        desk, (a, _) = Desk(), farm()
        first = desk.come()
        desk.trying(first, a)
        desk.end(first.session, "killed")
        assert desk.heard() == ["claim 1", "stop 1 killed", "gone killed -"]
        assert first.session.server is None

    def test_is_tried_only_by_the_channel_that_decides(self) -> None:
        desk, (a, b) = Desk(), farm()
        first, second = desk.come(), desk.come()
        with pytest.raises(AssertionError, match="only the claimant"):
            desk.trying(second, a)
        desk.trying(first, a)
        with pytest.raises(AssertionError, match="only the claimant"):
            desk.trying(first, b)


class TestTheClaimantLeaves:
    def test_the_channel_that_has_waited_longest_decides_next(self) -> None:
        desk = Desk()
        first, _, _ = desk.come(), desk.come(), desk.come()
        desk.left(first, "client-left")
        assert desk.heard() == ["claim 1", "claim 2"]

    def test_the_candidate_it_was_asking_is_not_held_to_have_refused(self) -> None:
        """Or with one server, and a client that gives up, the others would end with no-server."""
        desk, (a, _) = Desk(), farm()
        first, second = desk.come(), desk.come()
        desk.trying(first, a)
        desk.left(first, "client-left")
        assert (a.sessions, a.connections) == (0, 0)
        assert first.session.tried == set()
        desk.trying(second, a)
        assert desk.connected(second)
        assert second.session.server is a

    def test_those_that_refused_it_are_not_asked_again(self) -> None:
        desk, (a, b) = Desk(), farm()
        first, second = desk.come(), desk.come()
        desk.trying(first, a)
        desk.refused(first)
        desk.left(first, "client-left")
        assert second.session.tried == {a}
        desk.trying(second, b)
        desk.left(second, "client-left")
        assert desk.heard() == ["claim 1", "claim 2", "gone client-left -"]

    def test_one_that_only_waits_leaves_without_a_trace(self) -> None:
        desk, (a, _) = Desk(), farm()
        first, second, third = desk.come(), desk.come(), desk.come()
        desk.left(second, "client-left")
        desk.trying(first, a)
        desk.connected(first)
        assert desk.heard() == ["claim 1", "dial 3 a"]
        assert second.place is Place.GONE
        assert third.place is Place.DIALLING


class TestAnAttemptThatNoLongerCounts:
    def test_a_connection_to_a_server_that_went_down_is_dropped_never_joined(self) -> None:
        desk, (a, _) = Desk(), farm()
        first = desk.come()
        desk.trying(first, a)
        desk.unavailable(a)
        assert desk.heard() == ["claim 1", "drop 1"]
        assert not desk.connected(first)
        assert (a.sessions, a.connections) == (0, 0)

    def test_a_connection_for_a_client_that_left_is_dropped(self) -> None:
        desk, (a, _) = Desk(), farm()
        first = desk.come()
        desk.trying(first, a)
        desk.left(first, "client-left")
        assert not desk.connected(first)
        assert desk.heard() == ["claim 1", "gone client-left -"]

    def test_whatever_is_said_of_it_later_changes_nothing(self) -> None:
        desk, (a, _) = Desk(), farm()
        first, second = desk.come(), desk.come()
        desk.trying(first, a)
        desk.left(first, "client-left")
        desk.heard()
        desk.refused(first)
        desk.exhausted(first)
        desk.left(first, "server-closed")
        assert desk.heard() == []
        assert second.place is Place.CLAIMING

    def test_a_channel_that_waits_neither_connects_nor_is_refused(self) -> None:
        desk = Desk()
        desk.come()
        waiting = desk.come()
        desk.heard()
        desk.refused(waiting)
        desk.exhausted(waiting)
        assert not desk.connected(waiting)
        assert desk.heard() == []
        assert waiting.place is Place.WAITING


class TestAServerGoesAwayDuringTheDecision:
    """Whether it dies, drains, or its drain's deadline comes: the next candidate."""

    @pytest.mark.parametrize("how", ["down, end", "down, keep", "drain", "deadline"])
    def test_the_claimant_tries_the_next_candidate(self, how: str) -> None:
        desk, (a, b) = Desk(), farm()
        first, _ = desk.come(), desk.come()
        desk.trying(first, a)
        if how == "drain":
            desk.unavailable(a)
        elif how == "deadline":
            desk.evict(a)
        else:
            desk.down(a, end=how == "down, end")
        assert desk.heard() == ["claim 1", "drop 1"]
        assert first.session.tried == {a}
        assert (a.sessions, a.connections) == (0, 0)
        desk.trying(first, b)
        desk.connected(first)
        assert desk.heard() == ["dial 2 b"]

    def test_sessions_decided_for_other_servers_do_not_notice(self) -> None:
        desk, (a, b) = Desk(), farm()
        first, second = desk.come("alice"), desk.come("bob")
        desk.trying(first, a)
        desk.trying(second, b)
        desk.down(a, end=True)
        assert desk.heard() == ["claim 1", "claim 2", "drop 1"]
        assert desk.connected(second)


class TestALateChannel:
    """State pinned."""

    def test_dials_the_sessions_server(self) -> None:
        desk, (a, _) = Desk(), farm()
        first = desk.joined(a)
        second = desk.come()
        assert desk.heard() == ["dial 2 a"]
        assert desk.connected(second)
        assert desk.heard() == []
        assert (a.sessions, a.connections) == (1, 2)
        assert first.session is second.session

    @pytest.mark.parametrize("standing", ["drains", "down", "ejected", "of weight 0"])
    def test_goes_there_however_the_server_stands(self, standing: str) -> None:
        desk, (a, _) = Desk(), farm()
        desk.joined(a)
        if standing == "drains":
            a.admin = "drain"
            desk.unavailable(a)
        elif standing == "down":
            a.up = False
            desk.down(a, end=False)
        elif standing == "ejected":
            a.ejected_until = desk.now + 10
        else:
            a.weight = 0
        assert desk.connected(desk.come())
        assert desk.heard() == ["dial 2 a"]

    def test_that_is_refused_ends_alone(self) -> None:
        desk, (a, _) = Desk(), farm()
        first, second = desk.joined(a), desk.come()
        desk.refused(second)
        assert desk.heard() == ["dial 2 a", "stop 2 server-refused"]
        assert first.session.state is State.PINNED
        assert a.connections == 1

    def test_announced_by_the_session_itself_is_one_like_any_other(self) -> None:
        desk, (a, _) = Desk(), farm()
        first = desk.joined(a)
        desk.announce(first.session, "data")
        assert desk.heard() == ["dial 2 a"]

    def test_announced_by_a_session_that_is_gone_is_told_how_that_ended(self) -> None:
        desk, (a, _) = Desk(), farm()
        session = desk.joined(a).session
        desk.evict(a)
        assert refusal(lambda: desk.announce(session)) == "drained"


class TestAReturn:
    """State returning: a lingering session's server is asked first, and by one channel only."""

    def test_leads_to_the_same_server(self) -> None:
        desk, (a, _) = Desk(), farm()
        session = desk.lingering(a)
        again, other = desk.come(), desk.come()
        assert desk.heard() == ["dial 2 a"]
        assert desk.connected(again)
        assert desk.heard() == ["dial 3 a"]
        assert again.session is other.session is session
        assert (a.sessions, a.connections) == (1, 2)

    def test_leads_there_even_when_the_server_drains(self) -> None:
        desk, (a, _) = Desk(), farm()
        desk.lingering(a)
        a.admin = "drain"
        desk.unavailable(a)
        again = desk.come()
        desk.unavailable(a)
        assert desk.connected(again)
        assert desk.heard() == ["dial 2 a"]

    def test_that_is_refused_is_decided_afresh_under_the_same_key(self) -> None:
        desk, (a, b) = Desk(), farm()
        session = desk.lingering(a)
        again, _ = desk.come(), desk.come()
        desk.refused(again)
        assert desk.heard() == ["dial 2 a", "claim 2"]
        assert session.tried == {a}
        assert (a.sessions, a.connections) == (0, 0)
        desk.trying(again, b)
        desk.connected(again)
        assert desk.heard() == ["dial 3 b"]
        assert desk.come().session is session

    def test_whose_client_gives_up_keeps_the_pin_for_another_linger(self) -> None:
        """A client that opens two connections and drops one must not lose its server."""
        desk, (a, _) = Desk(), farm()
        session = desk.lingering(a)
        desk.left(desk.come(), "client-left")
        assert desk.heard() == ["dial 2 a"]
        assert session.state is State.LINGERING
        assert (a.sessions, a.connections) == (1, 0)
        assert desk.sessions.next_due() == desk.now + 60

    def test_whose_first_client_gives_up_is_taken_over_by_the_next(self) -> None:
        desk, (a, _) = Desk(), farm()
        desk.lingering(a)
        again, _ = desk.come(), desk.come()
        desk.left(again, "client-left")
        assert desk.heard() == ["dial 2 a", "dial 3 a"]
        assert a.connections == 1

    @pytest.mark.parametrize("how", ["down", "deadline"])
    def test_to_a_server_that_dies_meanwhile_is_decided_afresh(self, how: str) -> None:
        desk, (a, b) = Desk(), farm()
        desk.lingering(a)
        again = desk.come()
        desk.heard()
        desk.down(a, end=True) if how == "down" else desk.evict(a)
        assert desk.heard() == ["drop 2", "claim 2"]
        assert (a.sessions, a.connections) == (0, 0)
        desk.trying(again, b)
        assert desk.connected(again)

    def test_after_many_lingers_is_like_the_first(self) -> None:
        desk, (a, b) = Desk(), farm()
        session = desk.lingering(a)
        for _ in range(3):
            again = desk.come()
            desk.refused(again)
            desk.trying(again, b if session.tried == {a} else a)
            desk.connected(again)
            desk.left(again)
            assert session.tried == set()
        assert desk.heard() == [
            *("dial 2 a", "claim 2"),
            *("dial 3 b", "claim 3"),
            *("dial 4 a", "claim 4"),
        ]
        assert session.server is b

    def test_to_a_full_server_queues_and_is_decided_afresh_when_refused(self) -> None:
        desk, (a, b) = Desk(), farm(maxconn=1)
        desk.lingering(a, "alice")
        other = desk.joined(a, "bob")
        again, second = desk.come("alice"), desk.come("alice")
        assert desk.heard() == []
        assert (again.place, second.place) == (Place.QUEUED, Place.WAITING)
        desk.left(other)
        desk.refused(again)
        assert desk.heard() == ["dial 3 a", "claim 3"]
        desk.trying(again, b)
        desk.connected(again)
        assert second.place is Place.QUEUED

    def test_that_queues_when_its_server_dies_is_decided_afresh(self) -> None:
        desk, (a, b) = Desk(), farm(maxconn=1)
        desk.lingering(a, "alice")
        desk.joined(a, "bob")
        again = desk.come("alice")
        desk.down(a, end=True)
        assert desk.heard() == ["claim 3", "stop 2 server-down", "gone server-down a"]
        desk.trying(again, b)
        assert desk.connected(again)
        assert (a.sessions, a.connections) == (0, 0)

    def test_that_queues_never_takes_more_than_maxconn(self) -> None:
        """The client that was let in gives up; its place went to another session's channel."""
        desk, (a, _) = Desk(), farm(maxconn=1)
        desk.lingering(a, "alice")
        bob = desk.joined(a, "bob")
        again, _, late = desk.come("alice"), desk.come("alice"), desk.come("bob")
        desk.left(bob)
        desk.left(again, "client-left")
        assert desk.heard() == ["dial 3 a", "dial 5 a"]
        desk.left(late)
        assert desk.heard() == ["dial 4 a"]
        assert a.connections == 1


def test_without_a_linger_every_return_is_a_new_session() -> None:
    desk, (a, _) = Desk(Group("mail", "pool", linger=0.0)), farm()
    desk.left(desk.joined(a))
    assert desk.heard() == ["gone done a"]
    desk.come()
    assert desk.heard() == ["claim 2"]
