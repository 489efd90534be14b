"""How a session lives and ends: lingers, principals, servers that die or drain, one word."""

from __future__ import annotations

import attrs
import pytest

from tests.sessiontable import GATEWAY, OPAQUE, Desk, farm, refusal
from twisted_lb.config.settings import Group, RoleRule
from twisted_lb.session import Place, Session, State
from twisted_lb.terms import Server


class TestTheLastChannelLeaves:
    def test_the_pin_is_kept_for_the_linger(self) -> None:
        desk, (a, _) = Desk(), farm()
        session = desk.lingering(a)
        assert desk.sessions.next_due() == desk.now + 60
        desk.wait(59.9)
        assert desk.heard() == []
        assert (session.state, session.server, a.sessions) == (State.LINGERING, a, 1)
        desk.wait(0.1)
        assert desk.heard() == ["gone done a"]
        assert a.sessions == len(desk.sessions) == 0
        assert desk.sessions.next_due() is None

    def test_no_timer_runs_while_a_channel_is_open(self) -> None:
        desk, (a, _) = Desk(), farm()
        first = desk.joined(a)
        desk.left(desk.late())
        desk.wait(1_000_000)
        assert desk.heard() == []
        assert first.session.state is State.PINNED
        assert desk.sessions.next_due() is None

    def test_no_timer_runs_while_a_channel_waits(self) -> None:
        desk, (a, _) = Desk(), farm()
        desk.lingering(a)
        desk.come()
        desk.wait(1_000_000)
        assert desk.heard() == ["dial 2 a"]

    def test_lingers_end_in_the_order_in_which_they_are_due(self) -> None:
        desk, (a, b) = Desk(), farm()
        desk.lingering(a, "alice")
        desk.wait(1)
        hasty = desk.come("bob", group=Group("hasty", "pool", linger=5.0))
        desk.trying(hasty, b)
        desk.connected(hasty)
        desk.left(hasty)
        desk.heard()
        assert desk.sessions.next_due() == desk.now + 5
        desk.wait(100)
        assert desk.heard() == ["gone done b", "gone done a"]

    def test_saying_twice_that_a_channel_left_does_no_harm(self) -> None:
        desk, (a, _) = Desk(), farm()
        first, second = desk.joined(a), desk.late()
        desk.left(second)
        desk.left(second, "server-closed")
        assert a.connections == 1
        assert first.session.state is State.PINNED


class TestThePrincipalEnds:
    """A host-access gateway's control channel, or an FTP control connection."""

    def gateway(self, a: Server, *roles: str) -> tuple[Desk, Session]:
        desk = Desk(GATEWAY)
        session = desk.joined(a, role="control").session
        for role in roles:
            desk.late(role=role)
        return desk, session

    def test_in_order_and_the_last_transfer_may_finish(self) -> None:
        a, _ = farm()
        desk, session = self.gateway(a, "data")
        control, data = session.channels
        desk.left(control, "done")
        assert desk.heard() == []
        assert session.state is State.CLOSING
        desk.wait(9)
        desk.left(data, "done")
        assert desk.heard() == ["gone done a"]
        assert a.sessions == a.connections == 0

    def test_in_order_and_what_is_not_finished_ends_after_the_grace(self) -> None:
        a, _ = farm()
        desk, session = self.gateway(a, "data", "notification")
        desk.left(session.first, "client-left")
        assert desk.sessions.next_due() == desk.now + 10
        desk.wait(10)
        assert desk.heard() == ["stop 2 client-left", "stop 3 client-left", "gone client-left a"]

    @pytest.mark.parametrize("word", ["server-down", "server-closed"])
    def test_because_its_server_was_lost_and_all_end_at_once(self, word: str) -> None:
        """Server B is killed: the three channels of its sessions end, none is left hanging."""
        a, _ = farm()
        desk, session = self.gateway(a, "data", "notification")
        desk.left(session.first, word)
        assert desk.heard() == ["stop 2 server-down", "stop 3 server-down", "gone server-down a"]

    def test_by_a_fault_of_ours_and_the_server_is_not_blamed_for_it(self) -> None:
        a, _ = farm()
        desk, session = self.gateway(a, "data")
        desk.left(session.first, "internal-error")
        assert desk.heard() == ["stop 2 internal-error", "gone internal-error a"]

    def test_and_what_had_not_joined_yet_ends_with_it(self) -> None:
        desk, (a, _) = Desk(GATEWAY), farm(maxconn=2)
        control = desk.joined(a, role="control")
        dialling, queued = desk.come(role="data"), desk.come(role="notification")
        assert (dialling.place, queued.place) == (Place.DIALLING, Place.QUEUED)
        desk.left(control, "done")
        assert desk.heard() == ["dial 2 a", "stop 2 done", "stop 3 done", "gone done a"]
        assert len(desk.sessions) == a.connections == 0

    def test_alone_and_the_session_is_over_without_a_linger(self) -> None:
        a, _ = farm()
        desk, session = self.gateway(a)
        desk.left(session.first, "done")
        assert desk.heard() == ["gone done a"]

    def test_without_a_grace_and_all_end_at_once(self) -> None:
        desk, (a, _) = Desk(attrs.evolve(GATEWAY, grace=0.0)), farm()
        control = desk.joined(a, role="control")
        desk.late(role="data")
        desk.left(control, "done")
        assert desk.heard() == ["stop 2 done", "gone done a"]

    def test_before_it_was_joined_and_the_session_goes_on(self) -> None:
        desk, (a, _) = Desk(GATEWAY), farm()
        data = desk.joined(a, role="data")
        desk.refused(desk.come(role="control"))
        assert desk.heard() == ["dial 2 a", "stop 2 server-refused"]
        assert data.session.state is State.PINNED

    def test_whose_role_is_covered_by_any(self) -> None:
        """The rule of `any` stands for roles that the group does not name."""
        group = Group("g", "pool", roles={"any": RoleRule(principal=True)})
        desk, (a, _) = Desk(group), farm()
        desk.left(desk.joined(a, role="terminal"), "done")
        assert desk.heard() == ["gone done a"]

    @pytest.mark.parametrize("word", ["done", "server-closed"])
    def test_and_others_who_share_the_key_stay_while_one_of_theirs_lives(self, word: str) -> None:
        """Two users behind one address: the first logs out, the second works on."""
        a, _ = farm()
        desk, session = self.gateway(a, "control", "data")
        first, second, _ = session.channels
        desk.left(first, word)
        assert desk.heard() == []
        desk.left(second, "done")
        assert session.state is State.CLOSING

    def test_while_the_next_user_of_the_key_is_being_connected(self) -> None:
        a, _ = farm()
        desk, session = self.gateway(a, "data")
        control, coming = session.first, desk.come(role="control")
        desk.left(control, "done")
        assert session.state is State.PINNED
        assert desk.connected(coming)


class TestDuringTheGrace:
    """State closing."""

    def closing(self, a: Server) -> tuple[Desk, Session]:
        desk = Desk(GATEWAY)
        control = desk.joined(a, role="control")
        desk.late(role="data")
        desk.left(control, "done")
        return desk, control.session

    def test_nothing_new_is_admitted(self) -> None:
        a, _ = farm()
        desk, session = self.closing(a)
        assert refusal(lambda: desk.come(role="data")) == "done"
        assert refusal(lambda: desk.announce(session, "data")) == "done"
        assert len(session.channels) == 1

    def test_a_new_principal_takes_the_session_over_on_its_server(self) -> None:
        """The user logs out and in again while a transfer still runs: no refusal, no split."""
        a, _ = farm()
        desk, session = self.closing(a)
        control = desk.come(role="control")
        assert control.session is session
        assert desk.heard() == ["dial 3 a"]
        assert desk.connected(control)
        desk.wait(100)
        assert desk.heard() == []
        assert session.state is State.PINNED

    def test_a_server_that_dies_ends_what_is_left(self) -> None:
        a, _ = farm()
        desk, _ = self.closing(a)
        desk.down(a, end=True)
        assert desk.heard() == ["stop 2 server-down", "gone server-down a"]

    def test_a_drains_deadline_ends_what_is_left(self) -> None:
        a, _ = farm()
        desk, _ = self.closing(a)
        desk.evict(a)
        assert desk.heard() == ["stop 2 drained", "gone drained a"]


class TestAServerDies:
    def test_every_channel_of_its_sessions_ends_with_one_word(self) -> None:
        desk, (a, b) = Desk(), farm()
        desk.joined(a, "alice")
        desk.late("alice")
        elsewhere = desk.joined(b, "bob")
        desk.down(a, end=True)
        assert desk.heard() == ["stop 1 server-down", "stop 2 server-down", "gone server-down a"]
        assert elsewhere.session.state is State.PINNED
        assert a.sessions == a.connections == 0

    def test_the_next_connection_is_decided_afresh(self) -> None:
        desk, (a, _) = Desk(), farm()
        dead = desk.joined(a).session
        desk.down(a, end=True)
        desk.heard()
        assert desk.come().session is not dead
        assert desk.heard() == ["claim 2"]

    def test_a_lingering_session_is_gone_too(self) -> None:
        desk, (a, _) = Desk(), farm()
        desk.lingering(a)
        desk.down(a, end=True)
        assert desk.heard() == ["gone server-down a"]
        assert desk.sessions.next_due() is None

    def test_late_channels_on_their_way_end_with_the_session(self) -> None:
        desk, (a, _) = Desk(), farm()
        desk.joined(a)
        late = desk.come()
        desk.down(a, end=True)
        assert desk.heard() == [
            *("dial 2 a", "stop 1 server-down", "stop 2 server-down"),
            "gone server-down a",
        ]
        assert not desk.connected(late)

    def test_nobody_who_queued_is_sent_to_it(self) -> None:
        """Each of its sessions that ends makes room, which the others' channels do not get."""
        desk, (a, _) = Desk(), farm(maxconn=2)
        desk.joined(a, "alice")
        desk.joined(a, "bob")
        desk.come("alice")
        desk.come("bob")
        desk.down(a, end=True)
        assert not [order for order in desk.heard() if order.startswith("dial")]
        assert a.connections == 0

    def test_living_and_lingering_sessions_stay_where_the_backend_keeps_them(self) -> None:
        desk, (a, _) = Desk(), farm()
        living, lingering = desk.joined(a, "alice").session, desk.lingering(a, "bob")
        desk.down(a, end=False)
        assert desk.heard() == []
        desk.come("alice")
        desk.come("bob")
        assert desk.heard() == ["dial 3 a", "dial 4 a"]
        assert living.server is lingering.server is a

    def test_it_is_known_for_the_log_where_a_session_was(self) -> None:
        desk, (a, _) = Desk(), farm()
        session = desk.joined(a).session
        desk.down(a, end=True)
        assert (session.state, session.server, session.word) == (State.GONE, a, "server-down")


class TestADrain:
    def test_lingering_sessions_wait_their_linger_out(self) -> None:
        desk, (a, _) = Desk(), farm()
        desk.lingering(a)
        desk.unavailable(a)
        assert desk.heard() == []
        desk.wait(60)
        assert desk.heard() == ["gone done a"]

    def test_the_deadline_ends_living_and_lingering_sessions(self) -> None:
        desk, (a, b) = Desk(), farm()
        desk.joined(a, "alice")
        desk.lingering(a, "bob")
        elsewhere = desk.joined(b, "carol")
        desk.evict(a)
        assert desk.heard() == ["stop 1 drained", "gone drained a", "gone drained a"]
        assert list(desk.sessions) == [elsewhere.session]

    def test_the_deadline_of_a_server_without_sessions_does_nothing(self) -> None:
        desk, (a, _) = Desk(), farm()
        desk.evict(a)
        assert desk.heard() == []


class TestAnEndForAll:
    @pytest.mark.parametrize("word", ["idle", "killed"])
    def test_is_told_to_every_channel_once(self, word: str) -> None:
        desk, (a, _) = Desk(), farm()
        first, second = desk.joined(a), desk.come()
        desk.heard()
        desk.end(first.session, word)
        desk.end(first.session, "done")
        for channel in (first, second):
            desk.left(channel, word)
        assert desk.heard() == [f"stop 1 {word}", f"stop 2 {word}", f"gone {word} a"]


@pytest.mark.parametrize(("group", "reserve"), [(OPAQUE, 1), (GATEWAY, 3)])
def test_a_new_session_reserves_room_for_the_channels_its_group_declares(
    group: Group, reserve: int
) -> None:
    assert Desk(group).come(role="control").session.reserve == reserve
