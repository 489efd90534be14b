"""Reaching a server: the next candidate when one refuses, the wait for another's decision, and
nothing left open whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from errno import EMFILE
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectBindError

from tests.fakes import Dialled, Wire, World
from twisted_lb.backend import Errand, Judge, LiveBackend, Reach
from twisted_lb.balance import Pool, policy
from twisted_lb.claims import Claims, Seat
from twisted_lb.config.settings import (
    Backend,
    BackendTimeout,
    BackendTls,
    Eject,
    Group,
    ServerRule,
)
from twisted_lb.contexts import ServerTls
from twisted_lb.ends import End, Tuning
from twisted_lb.errors import Ended
from twisted_lb.facts import Fact, Secured, ServerChanged
from twisted_lb.hints import Hints
from twisted_lb.protocols.ftp.greeting import Greeting
from twisted_lb.session import Sessions
from twisted_lb.terms import Key, Route, Server
from twisted_lb.tls import ClientContext, Identity, ServerContext

from .certificates import Authority
from .tlspeers import TlsPeer

GROUP = Group("g", "pool", linger=60.0)
PORT = 2121


@attrs.define(eq=False)
class Caller:
    """One connection on its way to its server."""

    seat: Seat
    path: Deferred[End]
    result: list[Any]

    @property
    def word(self) -> str:
        """How it was refused."""
        [ended] = self.result
        assert isinstance(ended, Ended)
        return ended.word


class Pooled:
    """Servers a, b, c … behind a table of sessions; the first is always asked first."""

    def __init__(self, names: str = "abc", group: Group = GROUP, **rules: Any) -> None:
        self.world = World()
        self.facts: list[Fact] = []
        sessions = Sessions(capacity=100, secret=b"s", owner="t")
        self.claims = Claims(sessions, self.world, self.facts.append)
        self.reach = Reach(self.world, self.claims, self.facts.append)
        self.hints = Hints(60.0)
        self.group = group
        self.backend = backend(names, **rules)
        self.servers = self.backend.pool.servers

    def calls(self, who: str = "1", **errand: Any) -> Caller:
        """A connection of this client sets out."""
        seats: list[Seat] = []
        key = Key("source", who)
        claim = self.claims.claim(self.group, key, "any")
        Deferred.fromCoroutine(claim).addCallback(seats.append)
        [seat] = seats
        asked: dict[str, Any] = {
            "header": lambda rule, seat: b"",
            "judge": lambda: None,
            "hints": self.hints,
        }
        route = Route("g", "any", key, PORT, replay=errand.pop("replay", b""))
        sent = Errand(route, self.backend, **{**asked, **errand})
        path = Deferred.fromCoroutine(self.reach(seat, sent))
        result: list[Any] = []
        path.addCallbacks(result.append, lambda failure: result.append(failure.value))
        return Caller(seat, path, result)

    def goes(self, caller: Caller) -> None:
        """The client of this connection leaves in the middle."""
        caller.path.cancel()
        [cancelled] = caller.result
        assert isinstance(cancelled, CancelledError)
        self.claims.left(caller.seat, "client-left")

    @property
    def last(self) -> Dialled:
        return self.world.dialled[-1]

    @property
    def asked(self) -> list[str]:
        """Who was dialled, in order, by name."""
        names = {server.host: server.name for server in self.servers}
        return [names[each.host] for each in self.world.dialled]

    @property
    def standing(self) -> list[tuple[int, int]]:
        """Sessions and connections of every server."""
        return [(server.sessions, server.connections) for server in self.servers]


def backend(
    names: str, maxconn: int | None = None, tls: ServerTls | None = None, **rules: Any
) -> LiveBackend:
    """A backend whose candidates come in the order of their names."""
    servers = tuple(
        Server("pool", name, f"198.51.100.{number}", maxconn=maxconn)
        for number, name in enumerate(names, 1)
    )
    configured = tuple(ServerRule(server.name, server.host) for server in servers)
    settings = Backend("pool", configured, balance="first", **rules)
    pool = Pool(servers, policy(settings, lambda count: 0))
    return LiveBackend(settings, pool, dict(zip(servers, configured, strict=True)), tls)


# -- the claimant ----------------------------------------------------------------------------------


def test_the_first_candidate_that_answers_is_the_pin() -> None:
    pool = Pooled(timeout=BackendTimeout(connect=3.0))
    caller = pool.calls()
    assert (pool.last.host, pool.last.port, pool.last.timeout) == ("198.51.100.1", PORT, 3.0)
    wire = pool.last.answers()
    assert caller.result == [wire.end]
    assert caller.seat.session.server is pool.servers[0]
    assert pool.standing == [(1, 1), (0, 0), (0, 0)]


def test_who_refuses_is_passed_by() -> None:
    pool = Pooled()
    caller = pool.calls()
    pool.last.refuses()
    pool.last.refuses()
    wire = pool.last.answers()
    assert pool.asked == ["a", "b", "c"]
    assert caller.result == [wire.end]
    assert pool.standing == [(0, 0), (0, 0), (1, 1)]


def test_when_all_refuse_there_is_no_server_and_nothing_is_counted() -> None:
    pool = Pooled("ab")
    caller = pool.calls()
    pool.last.refuses()
    pool.last.refuses()
    assert caller.word == "no-server"
    assert pool.standing == [(0, 0), (0, 0)]
    assert not pool.world.getDelayedCalls()


def test_when_nobody_may_be_asked_there_is_no_server() -> None:
    pool = Pooled()
    for server in pool.servers:
        server.up = False
    assert pool.calls().word == "no-server"
    assert pool.asked == []


def test_a_candidate_that_became_unfit_meanwhile_is_not_asked() -> None:
    pool = Pooled()
    pool.calls()
    pool.servers[1].admin = "drain"
    pool.last.refuses()
    assert pool.asked == ["a", "c"]


def test_a_candidate_that_filled_up_meanwhile_is_not_asked() -> None:
    pool = Pooled(maxconn=2)
    pool.calls()
    pool.servers[1].connections = 2
    pool.last.refuses()
    assert pool.asked == ["a", "c"]


def test_refusals_in_a_row_eject_a_server_and_an_answer_forgives_them() -> None:
    pool = Pooled("ab", eject=Eject(after=2, period=10.0))
    pool.calls("1")
    pool.last.refuses()
    pool.last.answers()
    assert pool.facts == []
    pool.calls("2")
    pool.last.refuses()
    assert [(fact.server, fact.state) for fact in pool.facts] == [("pool/a", "ejected")]
    assert isinstance(pool.facts[0], ServerChanged)
    pool.last.answers()
    pool.calls("3")
    assert pool.asked == ["a", "b", "a", "b", "b"]


def test_a_shortage_of_our_own_ends_the_connection_and_blames_no_server() -> None:
    """Attack 14."""
    pool = Pooled(eject=Eject(after=1, period=10.0))
    caller = pool.calls()
    pool.last.refuses(ConnectBindError(EMFILE, "Too many open files"))
    assert caller.word == "full"
    assert pool.facts == []
    assert pool.servers[0].refusals == 0


def test_a_name_is_dialled_by_the_address_it_resolved_to() -> None:
    pool = Pooled()
    pool.servers[0].addresses = ("198.51.100.77", "198.51.100.78")
    pool.calls()
    assert pool.last.host == "198.51.100.77"


def test_the_socket_options_of_the_frontend_are_set_on_the_server_s_side_too() -> None:
    tuned: list[End] = []

    class Noted(Tuning):
        def apply(self, end: End) -> None:
            tuned.append(end)

    pool = Pooled()
    pool.calls(tuning=Noted())
    wire = pool.last.answers()
    assert tuned == [wire.end]


# -- what a server is told first, and says first ---------------------------------------------------


def test_header_and_replay_come_before_anything_else() -> None:
    pool = Pooled()
    rules: list[ServerRule] = []

    def header(rule: ServerRule, seat: Seat) -> bytes:
        rules.append(rule)
        return b"PROXY ...\r\n"

    pool.calls(header=header, replay=b"USER joe\r\n")
    wire = pool.last.answers()
    assert wire.heard == b"PROXY ...\r\nUSER joe\r\n"
    assert rules == [pool.backend.settings.servers[0]]


def greeted(pool: Pooled, **more: Any) -> Caller:
    judge: Callable[[], Judge] = Greeting
    return pool.calls(judge=judge, greeting_timeout=15.0, **more)


def test_a_greeting_makes_the_pin_and_stays_for_the_conversation() -> None:
    pool = Pooled()
    caller = greeted(pool)
    wire = pool.last.answers()
    wire.says(b"220-hel")
    assert caller.result == []
    wire.says(b"lo\r\n220 there\r\n")
    assert caller.result == [wire.end]
    assert wire.end.held == b"220-hello\r\n220 there\r\n"
    assert not pool.world.getDelayedCalls()


def test_a_server_that_greets_with_421_is_passed_by() -> None:
    """T21."""
    pool = Pooled()
    caller = greeted(pool)
    first = pool.last.answers()
    first.says(b"421 too many users\r\n")
    assert first.endings == ["abort"]
    second = pool.last.answers()
    second.says(b"220 hello\r\n")
    assert pool.asked == ["a", "b"]
    assert caller.result == [second.end]


def test_the_client_is_told_what_the_last_server_refused_with() -> None:
    """T21."""
    pool = Pooled("ab")
    caller = greeted(pool)
    for text in (b"421 too many users\r\n", b"421 closed for the night\r\n"):
        pool.last.answers().says(text)
    [ended] = caller.result
    assert (ended.word, ended.last_words) == ("no-server", b"421 closed for the night\r\n")


def test_half_a_refusal_is_not_told() -> None:
    pool = Pooled("a")
    caller = greeted(pool)
    wire = pool.last.answers()
    wire.says(b"421-too m")
    wire.shuts()
    [ended] = caller.result
    assert (ended.word, ended.last_words) == ("no-server", b"")


def test_a_server_that_says_nothing_is_passed_by_at_the_deadline() -> None:
    pool = Pooled()
    caller = greeted(pool)
    silent = pool.last.answers()
    pool.world.advance(15)
    assert silent.endings == ["abort"]
    assert pool.asked == ["a", "b"]
    assert caller.result == []
    pool.last.answers().says(b"220 hello\r\n")
    assert len(caller.result) == 1
    assert not pool.world.getDelayedCalls()


def test_a_server_that_asked_for_patience_is_given_it() -> None:
    """T21: 120 is a promise."""
    pool = Pooled()
    caller = greeted(pool)
    wire = pool.last.answers()
    wire.says(b"120 ready in two minutes\r\n")
    pool.world.advance(15)
    assert caller.result == [wire.end]


def test_a_server_that_closes_before_its_greeting_is_passed_by() -> None:
    for event in ("shuts", "goes"):
        pool = Pooled()
        greeted(pool)
        getattr(pool.last.answers(), event)()
        assert pool.asked == ["a", "b"]


def test_a_greeting_without_an_end_is_bounded_and_refused() -> None:
    """Attack 22: a line without CRLF is not read for ever."""
    pool = Pooled()
    greeted(pool)
    wire = pool.last.answers()
    sent = 0
    while not wire.endings:
        wire.says(b"x" * 4096)
        sent += 4096
        assert sent <= 100_000
    assert pool.asked == ["a", "b"]


# -- those who wait --------------------------------------------------------------------------------


def test_late_channels_of_a_session_go_to_its_server_whatever_its_standing() -> None:
    pool = Pooled()
    first, second = pool.calls(), pool.calls()
    assert pool.asked == ["a"]
    pool.last.answers()
    assert pool.asked == ["a", "a"]
    pool.servers[0].admin = "drain"
    pool.servers[0].weight = 0
    pool.servers[0].ejected_until = 1e9
    third = pool.calls()
    for dialled in pool.world.dialled[1:]:
        dialled.answers()
    assert [len(each.result) for each in (first, second, third)] == [1, 1, 1]
    assert pool.standing[0] == (1, 3)


def test_a_late_channel_that_its_server_refuses_ends_alone() -> None:
    pool = Pooled()
    first = pool.calls()
    pool.last.answers()
    late = pool.calls()
    pool.last.refuses()
    assert late.word == "server-refused"
    assert pool.asked == ["a", "a"]
    assert first.seat.session.server is pool.servers[0]
    assert pool.standing[0] == (1, 1)


def test_the_claimant_leaves_and_the_next_one_decides_afresh() -> None:
    pool = Pooled()
    first, second = pool.calls(), pool.calls()
    dialled = pool.last
    pool.goes(first)
    assert dialled.given_up
    assert len(pool.asked) == 2
    wire = pool.last.answers()
    assert second.result == [wire.end]
    assert [sum(counts) for counts in zip(*pool.standing, strict=True)] == [1, 1]


def test_a_client_that_leaves_while_the_greeting_is_awaited_closes_the_server() -> None:
    pool = Pooled()
    caller = greeted(pool)
    wire = pool.last.answers()
    pool.goes(caller)
    assert wire.endings == ["abort"]
    assert pool.standing == [(0, 0)] * 3
    assert not pool.world.getDelayedCalls()


def test_a_server_that_goes_down_while_it_is_asked_is_given_up_for_the_next() -> None:
    pool = Pooled()
    caller = pool.calls()
    dialled = pool.last
    pool.servers[0].up = False
    pool.claims.down(pool.servers[0], end=True)
    assert dialled.given_up
    assert pool.asked == ["a", "b"]
    wire = pool.last.answers()
    assert caller.result == [wire.end]
    assert not caller.seat.interrupted


def test_a_server_that_drains_while_its_greeting_is_awaited_is_left_for_the_next() -> None:
    pool = Pooled()
    caller = greeted(pool)
    wire = pool.last.answers()
    pool.servers[0].admin = "drain"
    pool.claims.unavailable(pool.servers[0])
    assert wire.endings == ["abort"]
    pool.last.answers().says(b"220 hello\r\n")
    assert caller.seat.session.server is pool.servers[1]


def test_the_last_candidate_goes_down_while_it_is_asked() -> None:
    pool = Pooled("a")
    caller = pool.calls()
    pool.servers[0].up = False
    pool.claims.down(pool.servers[0], end=False)
    assert caller.word == "no-server"


def test_a_session_that_is_ended_stops_whoever_is_on_the_way() -> None:
    """An operator's kill, or a stop, in the middle of a dial."""
    pool = Pooled()
    claimant, waiting = pool.calls(), pool.calls()
    dialled = pool.last
    pool.claims.end_all("killed")
    assert dialled.given_up
    assert (claimant.word, waiting.word) == ("killed", "killed")
    assert pool.standing == [(0, 0)] * 3


def test_a_late_channel_is_stopped_when_its_session_ends() -> None:
    pool = Pooled()
    pool.calls().seat.on_stop = lambda word: None
    pool.last.answers()
    late = pool.calls()
    pool.claims.end_all("killed")
    assert pool.last.given_up
    assert late.word == "killed"


def test_an_answer_that_no_longer_counts_is_dropped() -> None:
    """Rule: a dial that comes back for an attempt that was given up is never joined."""
    pool = Pooled("ab")
    caller = pool.calls()
    pool.claims.sessions.unavailable(pool.servers[0])  # the order to drop it has not come yet
    wire = pool.last.answers()
    assert wire.endings == ["abort"]
    assert pool.asked == ["a", "b"]
    assert caller.result == []


def test_a_lingering_session_asks_its_old_server_first_however_it_stands() -> None:
    pool = Pooled()
    caller = pool.calls()
    pool.last.refuses()
    pool.last.answers()
    pool.claims.left(caller.seat, "done")
    pool.servers[1].admin = "drain"
    back = pool.calls()
    assert back.seat.session is caller.seat.session
    assert pool.asked == ["a", "b", "b"]
    pool.last.refuses()
    assert pool.asked[-1] == "a"
    pool.last.answers()
    assert back.seat.session.server is pool.servers[0]


# -- a server at its maxconn -----------------------------------------------------------------------


def test_late_channels_queue_for_a_server_at_its_maxconn_in_turn() -> None:
    pool = Pooled("a", maxconn=1)
    first = pool.calls()
    pool.last.answers()
    second, third = pool.calls(), pool.calls()
    assert pool.asked == ["a"]
    pool.claims.left(first.seat, "done")
    assert pool.asked == ["a", "a"]
    wire = pool.last.answers()
    assert (second.result, third.result) == ([wire.end], [])


def test_who_queues_for_too_long_is_told_so() -> None:
    pool = Pooled("a", maxconn=1, timeout=BackendTimeout(queue=7.0))
    pool.calls()
    pool.last.answers()
    late = pool.calls()
    pool.world.advance(6.9)
    assert late.result == []
    pool.world.advance(0.1)
    assert late.word == "too-slow"
    pool.claims.left(late.seat, "too-slow")
    assert not pool.world.getDelayedCalls()


def test_who_waited_for_the_pin_and_then_queues_waits_no_longer_than_a_queue_may_take() -> None:
    """Channels that came at once, with a server that has not room for all of them."""
    pool = Pooled("a", maxconn=2, timeout=BackendTimeout(queue=7.0))
    first, second, third = pool.calls(), pool.calls(), pool.calls()
    pool.world.advance(20.0)
    pool.last.answers()
    pool.last.answers()
    assert (len(first.result), len(second.result), third.result) == (1, 1, [])
    pool.world.advance(6.9)
    assert third.result == []
    pool.world.advance(0.1)
    assert third.word == "too-slow"
    pool.claims.left(third.seat, "too-slow")
    assert not pool.world.getDelayedCalls()


def test_a_new_session_does_not_take_the_room_that_living_ones_need() -> None:
    pool = Pooled("ab", maxconn=1)
    pool.calls("1")
    pool.last.answers()
    pool.calls("2")
    assert pool.asked == ["a", "b"]
    pool.last.answers()
    assert pool.calls("3").word == "no-server"


# -- hints -----------------------------------------------------------------------------------------


def test_the_next_session_of_a_client_is_asked_where_the_last_one_was() -> None:
    """T86."""
    pool = Pooled()
    pool.calls("1", hint="192.0.2.7")
    pool.last.refuses()
    pool.last.answers()
    pool.calls("2", hint="192.0.2.7")
    assert pool.asked == ["a", "b", "b"]
    pool.calls("3", hint="192.0.2.8")
    assert pool.asked[-1] == "a"


def test_a_hint_to_a_server_that_is_down_is_passed_by_and_follows_the_session() -> None:
    """T86: fallback, and remembered."""
    pool = Pooled()
    pool.hints.remember("192.0.2.7", pool.servers[2], 0.0)
    pool.servers[2].up = False
    pool.calls("1", hint="192.0.2.7")
    assert pool.asked == ["a"]
    pool.last.answers()
    assert pool.hints.find("192.0.2.7", 1.0) is pool.servers[0]


def test_every_wire_that_stands_is_somebody_s() -> None:
    """Whatever order clients leave in, no connection to a server is left without an owner."""
    pool = Pooled()
    callers = [pool.calls() for _ in range(4)]
    wires: list[Wire] = [pool.last.answers()]
    for caller in (callers[2], callers[0]):
        if caller.result:
            caller.result[0].abort()
            pool.claims.left(caller.seat, "client-left")
        else:
            pool.goes(caller)
    for dialled in pool.world.dialled[1:]:
        if not dialled.given_up:
            wires.append(dialled.answers())
    owned = [caller.result[0] for caller in callers if isinstance(caller.result[0], End)]
    assert {wire.end for wire in wires} == set(owned)
    assert pool.standing[0] == (1, 2)


# -- TLS -------------------------------------------------------------------------------------------

AUTHORITY = Authority()
TLS = ServerTls(ClientContext(AUTHORITY.pem), BackendTls("on", identity="front.example"))


def showing(*names: str) -> ServerContext:
    """A server whose certificate is for these names."""
    pem = AUTHORITY.sign(*names)
    return ServerContext(Identity.of(pem, pem, "server"))


def test_a_server_is_known_before_it_hears_a_byte_of_ours() -> None:
    """But for the PROXY header, which comes first and in clear, as its specification asks."""
    pool = Pooled(tls=TLS)
    caller = pool.calls(header=lambda rule, seat: b"PROXY\r\n", replay=b"replayed")
    wire = pool.last.answers()
    assert wire.heard.startswith(b"PROXY\r\n\x16\x03") and caller.result == []
    peer = TlsPeer(wire, pool.world).serves(showing("front.example"), clear=7)
    assert (peer.clear, peer.heard) == (b"PROXY\r\n", b"replayed")
    assert caller.result == [wire.end]
    assert wire.end.tls is not None and wire.end.tls.version == "TLSv1.3"
    assert pool.facts == [Secured("server", "TLSv1.3", False)]
    assert not pool.world.getDelayedCalls()


def test_without_an_identity_the_servers_host_is_the_name() -> None:
    pool = Pooled(tls=ServerTls(TLS.context, BackendTls("on")))
    caller = pool.calls()
    wire = pool.last.answers()
    TlsPeer(wire, pool.world).serves(showing("198.51.100.1"))
    assert caller.result == [wire.end]


def test_a_server_of_another_name_is_passed_by_and_hears_nothing() -> None:
    pool = Pooled("ab", tls=TLS)
    caller = pool.calls(replay=b"secret")
    wrong = pool.last.answers()
    peer = TlsPeer(wrong, pool.world).serves(showing("other.example"))
    assert (peer.heard, wrong.endings[0]) == (b"", "abort")
    right = pool.last.answers()
    TlsPeer(right, pool.world).serves(showing("front.example"))
    assert pool.asked == ["a", "b"] and caller.result == [right.end]
    assert pool.standing == [(0, 0), (1, 1)]


def test_the_log_says_why_the_last_server_was_passed_by() -> None:
    pool = Pooled("a", tls=TLS, eject=Eject(after=1))
    caller = pool.calls()
    TlsPeer(pool.last.answers(), pool.world).serves(showing("other.example"))
    [ended] = caller.result
    why = "identity-mismatch: its certificate is for other.example, not for front.example"
    assert (ended.word, ended.detail) == ("no-server", f"pool/a: {why}")
    assert pool.facts[0] == ServerChanged("pool/a", "ejected", why)


def test_a_server_without_tls_is_passed_by() -> None:
    pool = Pooled("a", tls=TLS)
    caller = pool.calls()
    wire = pool.last.answers()
    wire.says(b"220 hello\r\n")
    assert wire.endings == ["close"]
    wire.goes()
    [ended] = caller.result
    assert ended.word == "no-server" and "tls-failed: TLS failed: " in ended.detail
    assert not pool.world.getDelayedCalls()


def test_a_server_that_shakes_no_hands_is_passed_by_at_the_deadline_of_connecting() -> None:
    pool = Pooled("a", tls=TLS, timeout=BackendTimeout(connect=3.0))
    caller = pool.calls()
    pool.world.advance(2)
    wire = pool.last.answers()
    pool.world.advance(0.9)
    assert caller.result == []
    pool.world.advance(0.2)
    [ended] = caller.result
    assert ended.word == "no-server" and "too-slow" in ended.detail
    assert wire.endings == ["abort"]
    assert not pool.world.getDelayedCalls()


def test_a_client_that_leaves_ends_the_handshake_too() -> None:
    pool = Pooled("a", tls=TLS)
    caller = pool.calls()
    wire = pool.last.answers()
    pool.goes(caller)
    assert wire.endings == ["abort"]
    assert not pool.world.getDelayedCalls()


# -- a name of several addresses -------------------------------------------------------------------


def test_every_address_of_a_name_is_tried_within_the_time_to_connect() -> None:
    pool = Pooled("a", timeout=BackendTimeout(connect=6.0))
    pool.servers[0].addresses = ("203.0.113.1", "203.0.113.2", "203.0.113.3")
    caller = pool.calls()
    assert (pool.last.host, pool.last.timeout) == ("203.0.113.1", 2.0)
    pool.last.refuses()
    assert (pool.last.host, pool.last.timeout) == ("203.0.113.2", 3.0)
    wire = pool.last.answers()
    assert caller.result == [wire.end]


def test_a_name_of_which_no_address_answers_refuses() -> None:
    pool = Pooled("ab")
    pool.servers[0].addresses = ("203.0.113.1", "203.0.113.2")
    pool.calls()
    pool.last.refuses()
    pool.last.refuses()
    assert pool.last.host == pool.servers[1].host


def test_the_channels_of_a_session_go_to_the_address_that_its_first_one_reached() -> None:
    """A name may be of several machines, and its answer may change: a session is on one of them."""
    pool = Pooled("a")
    pool.servers[0].addresses = ("203.0.113.1", "203.0.113.2")
    first = pool.calls()
    pool.last.refuses()
    pool.last.answers()
    pool.servers[0].addresses = ("203.0.113.9",)
    pool.calls()
    assert pool.last.host == "203.0.113.2"
    pool.last.answers()
    pool.calls("2")
    assert pool.last.host == "203.0.113.9"
    assert first.seat.session.address == "203.0.113.2"
