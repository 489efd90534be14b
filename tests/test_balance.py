"""Which server is tried first, second, third: the policies, seen from the sessions they place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb import balance
from twisted_lb.balance import Choose, Policy, Pool, policy
from twisted_lb.config.settings import Backend, Eject
from twisted_lb.terms import Server

WEIGHTS = st.lists(st.integers(1, 20), min_size=1, max_size=6)


def farm(*weights: int) -> tuple[Server, ...]:
    """Servers a, b, c … of these weights."""
    names = "abcdefghij"
    return tuple(Server("pool", names[i], f"10.0.0.{i}", weight=w) for i, w in enumerate(weights))


def never(n: int) -> int:
    raise AssertionError("this policy leaves nothing to chance")


def pool(balance: str, servers: Sequence[Server], choose: Choose = never, **more: object) -> Pool:
    backend = Backend("pool", (), balance=balance, **more)  # type: ignore[arg-type]
    return Pool(tuple(servers), policy(backend, choose), backend.slow_start)


def names(servers: Sequence[Server]) -> str:
    return "".join(server.name for server in servers)


def place(pool: Pool, key: str = "", now: float = 0.0) -> Server:
    """Decide one session for the first candidate, as the session table would."""
    server = pool.candidates(key, 1, now)[0]
    server.sessions += 1
    server.connections += 1
    return server


ALL = sorted(balance.POLICIES)


class TestEveryPolicy:
    @given(st.sampled_from(ALL), WEIGHTS, st.lists(st.text(max_size=5), max_size=8))
    def test_names_each_candidate_exactly_once(
        self, name: str, weights: list[int], keys: list[str]
    ) -> None:
        servers = farm(*weights)
        subject = pool(name, servers, Random(1).randrange)
        for key in keys:
            order = subject.candidates(key, 1, 0.0)
            assert sorted(order, key=id) == sorted(servers, key=id)
            order[0].sessions += 1

    @pytest.mark.parametrize("name", ALL)
    def test_an_empty_pool_has_no_candidate(self, name: str) -> None:
        assert pool(name, ()).candidates("k", 1, 0.0) == []

    def test_a_plugin_may_bring_its_own(self) -> None:
        class Backwards:
            def order(self, weights: dict[Server, float], key: str, now: float) -> list[Server]:
                return list(weights)[::-1]

        def factory(backend: Backend, choose: Callable[[int], int]) -> Policy:
            return Backwards()  # type: ignore[return-value]

        chosen = policy(Backend("pool", (), balance="mine"), never, {"mine": factory})
        assert names(Pool(farm(1, 1), chosen).candidates("", 1, 0.0)) == "ba"

    def test_an_unknown_name_is_not_guessed(self) -> None:
        with pytest.raises(KeyError):
            policy(Backend("pool", (), balance="fastest"), never)


class TestEligible:
    def test_only_up_ready_weighted_servers_take_new_sessions(self) -> None:
        up, down, drain, maintenance, zero = farm(1, 1, 1, 1, 0)
        down.up = False
        drain.admin = "drain"
        maintenance.admin = "maintenance"
        everyone = (down, drain, up, maintenance, zero)
        assert pool("round-robin", everyone).candidates("", 1, 0.0) == [up]
        assert [s for s in everyone if balance.eligible(s, 0.0, 1)] == [up]

    def test_room_is_kept_for_the_channels_that_the_group_declares(self) -> None:
        (server,) = farm(1)
        server.maxconn, server.connections = 10, 7
        assert balance.eligible(server, 0.0, 3)
        assert not balance.eligible(server, 0.0, 4)

    def test_an_ejected_server_is_left_out_until_its_time_is_over(self) -> None:
        a, b = farm(1, 1)
        a.ejected_until = 10.0
        subject = pool("first", (a, b), failback="at-once")
        assert subject.candidates("", 1, 9.9) == [b]
        assert not balance.eligible(a, 9.9, 1)
        assert subject.candidates("", 1, 10.0) == [a, b]

    def test_ejection_never_empties_the_pool(self) -> None:
        a, b, c = farm(1, 1, 1)
        a.ejected_until = b.ejected_until = 10.0
        c.up = False
        assert names(pool("round-robin", (a, b, c)).candidates("", 1, 5.0)) == "ab"


class TestSlowStart:
    def test_the_weight_rises_in_a_straight_line(self) -> None:
        (server,) = farm(100)
        server.up_since = 50.0
        seen = [balance.effective_weight(server, 10.0, now) for now in (50, 50.2, 55, 60, 99)]
        assert seen == pytest.approx([5, 5, 50, 100, 100])

    def test_a_server_that_never_was_down_has_all_its_weight(self) -> None:
        (server,) = farm(7)
        assert balance.effective_weight(server, 10.0, 0.0) == 7

    def test_without_slow_start_a_server_has_all_its_weight_at_once(self) -> None:
        (server,) = farm(7)
        server.up_since = 5.0
        assert balance.effective_weight(server, 0.0, 5.0) == 7

    def test_a_server_that_comes_back_is_not_stormed(self) -> None:
        a, b = farm(100, 100)
        b.up_since = 0.0
        subject = pool("round-robin", (a, b), slow_start=100.0)
        shares = Counter(place(subject, now=25.0).name for _ in range(100))
        assert shares == {"a": 80, "b": 20}


class TestPreference:
    def test_a_hint_comes_first_while_it_is_eligible(self) -> None:
        a, b, c = farm(1, 1, 1)
        subject = pool("round-robin", (a, b, c))
        assert names(subject.candidates("", 1, 0.0, hint=c)) == "cab"

    def test_a_hint_to_a_server_that_is_down_is_forgotten(self) -> None:
        """T86: the next session falls back to another server."""
        a, b, c = farm(1, 1, 1)
        c.up = False
        assert names(pool("round-robin", (a, b, c)).candidates("", 1, 0.0, hint=c)) == "ab"


class TestRoundRobin:
    def test_a_heavy_server_takes_its_turns_spread_out(self) -> None:
        subject = pool("round-robin", farm(3, 1))
        assert names([place(subject) for _ in range(8)]) == "aabaaaba"

    @given(WEIGHTS)
    def test_every_round_gives_each_exactly_its_weight(self, weights: list[int]) -> None:
        servers = farm(*weights)
        subject = pool("round-robin", servers)
        for _ in range(2 * sum(weights)):
            place(subject)
        assert [s.sessions for s in servers] == [2 * w for w in weights]


class TestLeast:
    @given(st.sampled_from(["least-sessions", "least-connections"]), WEIGHTS)
    def test_a_burst_spreads_by_weight(self, name: str, weights: list[int]) -> None:
        servers = farm(*weights)
        subject = pool(name, servers)
        for _ in range(3 * sum(weights)):
            place(subject)
        assert all(abs(s.sessions - 3 * s.weight) <= 1 for s in servers)

    def test_sessions_and_connections_are_different_counts(self) -> None:
        """T87: a session of three channels is one session."""
        a, b = farm(1, 1)
        a.sessions, a.connections = 1, 9
        b.sessions, b.connections = 3, 3
        assert names(pool("least-sessions", (a, b)).candidates("", 1, 0.0)) == "ab"
        assert names(pool("least-connections", (a, b)).candidates("", 1, 0.0)) == "ba"

    def test_equals_take_turns_even_when_sessions_end_at_once(self) -> None:
        subject = pool("least-sessions", farm(1, 1, 1))
        assert names([subject.candidates("", 1, 0.0)[0] for _ in range(6)]) == "abcabc"

    def test_of_idle_servers_the_bigger_comes_first(self) -> None:
        assert names(pool("least-sessions", farm(1, 5)).candidates("", 1, 0.0)) == "ba"


class TestSourceHash:
    def test_a_key_meets_the_same_server_on_every_node(self) -> None:
        """Written down: a change of the hash moves every client of every site."""
        subject = pool("source-hash", farm(1, 1, 1))
        keys = ["10.0.0.1", "10.0.0.2", "2001:db8::", "\udcff"]
        assert [names(subject.candidates(key, 1, 0.0)) for key in keys] == [
            "bca",
            "bca",
            "abc",
            "bac",
        ]

    @given(st.lists(st.text(max_size=8), max_size=20), WEIGHTS)
    def test_a_server_that_leaves_moves_only_its_own_keys(
        self, keys: list[str], weights: list[int]
    ) -> None:
        servers = farm(*weights, 4)
        subject = pool("source-hash", servers)
        before = {key: subject.candidates(key, 1, 0.0) for key in keys}
        gone = servers[0]
        gone.up = False
        for key, order in before.items():
            assert subject.candidates(key, 1, 0.0) == [s for s in order if s is not gone]

    @given(st.text(max_size=8), st.integers(1, 50), st.integers(1, 50))
    def test_a_server_that_gets_heavier_only_takes(self, key: str, old: int, more: int) -> None:
        servers = farm(10, old, 10)
        subject = pool("source-hash", servers)
        before = subject.candidates(key, 1, 0.0)
        servers[1].weight += more
        after = subject.candidates(key, 1, 0.0)
        assert [s for s in after if s.name != "b"] == [s for s in before if s.name != "b"]
        assert after.index(servers[1]) <= before.index(servers[1])

    def test_keys_spread_by_weight(self) -> None:
        subject = pool("source-hash", farm(1, 2, 1))
        shares = Counter(subject.candidates(f"10.1.{i}", 1, 0.0)[0].name for i in range(4000))
        assert shares["a"] == pytest.approx(1000, rel=0.12)
        assert shares["b"] == pytest.approx(2000, rel=0.12)


class TestRandomTwo:
    def test_of_the_two_drawn_the_less_loaded_is_first(self) -> None:
        a, b, c = farm(1, 1, 1)
        luck = {"a": 30, "b": 20, "c": 10}
        draws = iter([luck[s.name] for s in (a, b, c)])
        a.sessions = 5
        assert names(pool("random-two", (a, b, c), lambda n: next(draws)).candidates("", 1, 0)) == (
            "bac"
        )

    def test_the_draw_follows_the_weights(self) -> None:
        """Idle, the heaviest of two drawn is first: c, unless a and b were (1/4 x 1/3 x 2)."""
        subject = pool("random-two", farm(1, 1, 2), Random(7).randrange)
        firsts = Counter(subject.candidates("", 1, 0.0)[0].name for _ in range(3000))
        assert firsts["c"] == pytest.approx(2500, rel=0.03)

    @pytest.mark.parametrize("seed", range(5))
    def test_a_burst_spreads_by_weight(self, seed: int) -> None:
        servers = farm(1, 2, 1)
        subject = pool("random-two", servers, Random(seed).randrange)
        for _ in range(400):
            place(subject)
        assert [s.sessions / s.weight for s in servers] == pytest.approx([100] * 3, abs=5)


class TestFirst:
    def test_everybody_is_on_the_primary(self) -> None:
        servers = farm(1, 100)
        subject = pool("first", servers)
        assert {place(subject).name for _ in range(5)} == {"a"}
        assert names(subject.candidates("", 1, 0.0)) == "ab"

    @pytest.mark.parametrize("failback", ["manual", "when-idle"])
    def test_new_sessions_stay_on_the_standby_that_has_sessions(self, failback: str) -> None:
        a, b = farm(1, 1)
        subject = pool("first", (a, b), failback=failback)
        a.up = False
        place(subject)
        a.up = True
        assert names(subject.candidates("", 1, 0.0)) == "ba"

    def test_when_idle_the_last_session_on_the_standby_ends_the_stay(self) -> None:
        a, b = farm(1, 1)
        subject = pool("first", (a, b), failback="when-idle")
        a.up = False
        place(subject)
        a.up = True
        b.sessions -= 1
        assert names(subject.candidates("", 1, 0.0)) == "ab"

    def test_at_once_the_primary_takes_over_again(self) -> None:
        a, b = farm(1, 1)
        subject = pool("first", (a, b), failback="at-once")
        a.up = False
        assert place(subject) is b
        a.up = True
        assert place(subject) is a
        assert b.sessions == 1, "living sessions stay where they are"

    def test_manual_waits_for_the_operator(self) -> None:
        a, b = farm(1, 1)
        subject = pool("first", (a, b), failback="manual")
        a.ejected_until = 10.0
        assert names(subject.candidates("", 1, 5.0)) == "b"
        assert names(subject.candidates("", 1, 15.0)) == "ba"
        assert subject.fail_back()
        assert names(subject.candidates("", 1, 16.0)) == "ab"

    def test_failing_back_to_a_primary_that_is_down_changes_nothing(self) -> None:
        a, b = farm(1, 1)
        subject = pool("first", (a, b), failback="manual")
        a.up = False
        place(subject)
        subject.fail_back()
        assert place(subject) is b

    def test_a_full_primary_overflows_without_failing_over(self) -> None:
        a, b = farm(1, 1)
        a.maxconn = 1
        subject = pool("first", (a, b), failback="manual")
        assert place(subject) is a
        assert place(subject) is b
        a.connections = 0
        assert place(subject) is a

    def test_a_reload_is_no_failback(self) -> None:
        a, b = farm(1, 1)
        b.sessions = 1
        assert names(pool("first", (a, b), failback="manual").candidates("", 1, 0.0)) == "ba"

    def test_other_policies_know_no_primary(self) -> None:
        assert not pool("round-robin", farm(1, 1)).fail_back()


class TestEjection:
    def test_connect_failures_in_a_row_eject(self) -> None:
        (server,) = farm(1)
        eject = Eject(after=3, period=10.0)
        assert [balance.refused(server, eject, now) for now in (1.0, 2.0, 3.0)] == [0, 0, 1]
        assert server.ejected_until == 13.0

    def test_a_success_begins_a_new_row_and_ends_the_ejection(self) -> None:
        (server,) = farm(1)
        eject = Eject(after=1, period=10.0)
        balance.refused(server, eject, 1.0)
        balance.accepted(server)
        assert (server.refusals, balance.ejected(server, 1.0)) == (0, False)

    def test_failures_of_living_sessions_do_not_prolong_it(self) -> None:
        (server,) = farm(1)
        eject = Eject(after=1, period=10.0)
        assert balance.refused(server, eject, 0.0)
        assert not balance.refused(server, eject, 5.0)
        assert server.ejected_until == 10.0

    def test_one_failure_after_its_time_ejects_again(self) -> None:
        (server,) = farm(1)
        eject = Eject(after=3, period=10.0)
        for now in (1.0, 2.0, 3.0):
            balance.refused(server, eject, now)
        assert balance.refused(server, eject, 13.0)

    def test_it_can_be_switched_off(self) -> None:
        (server,) = farm(1)
        assert not any(balance.refused(server, Eject(after=0), now) for now in range(100))
