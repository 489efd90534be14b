"""How a running balancer stands, as a scrape tells it: real connections on a played network."""

from __future__ import annotations

import attrs
import pytest
from twisted.internet.defer import Deferred

from tests.circles import SERVER, Round
from tests.fakes import Wire
from tests.promlint import lint
from tests.running import PEER, STARTED, Running
from tests.test_backend import Pooled
from tests.test_meet import Data
from twisted_lb.facts import Announced, Checked
from twisted_lb.protocols.actions import Side
from twisted_lb.terms import ENDINGS, Address

GREETING = b"220 Hello\r\n"


def ftp_session() -> tuple[Running, Wire, Wire]:
    """A client that has logged in at its server."""
    running = Running()
    client, server = running.joins(2121, greeting=GREETING)
    client.says(b"USER u\r\n")
    server.says(b"230 Welcome\r\n")
    return running, client, server


def goes(wire: Wire) -> None:
    """A peer that closes in order."""
    wire.shuts()
    wire.goes()


# -- connections, sessions, channels ---------------------------------------------------------------


def test_open_connections_are_told_by_frontend_and_those_of_none_are_zero() -> None:
    running = Running()
    running.comes(3000)
    running.comes(3000)
    assert running.value("connections_open", frontend="any") == 2
    assert running.value("connections_open", frontend="ftp") == 0
    assert running.value("connections_limit", frontend="any") == 10_000


def test_how_connections_may_end_is_there_before_one_does() -> None:
    """Else nobody would see the first `internal-error`."""
    running = Running()
    for ending in ENDINGS:
        assert running.value("connections_ended_total", frontend="any", ending=ending) == 0


def test_so_it_is_for_a_frontend_that_came_with_a_reload() -> None:
    running = Running()
    settings = running.balancer.settings
    new = attrs.evolve(settings.frontends[1], name="new", listen=(Address("192.0.2.1", 3001),))
    running.joins(3000)
    running.balancer.reload(attrs.evolve(settings, frontends=(settings.frontends[0], new)))
    running.metrics.reloaded(True, STARTED + 1)
    assert running.value("generation") == running.balancer.generation.number == 2
    assert running.value("connections_ended_total", frontend="new", ending="done") == 0
    assert running.value("connections_open", frontend="new") == 0
    assert running.value("connections_open", frontend="any") == 1
    assert running.value("connections_limit", frontend="any") is None


def test_a_server_that_a_reload_has_removed_is_told_of_no_more() -> None:
    running = Running()
    settings = running.balancer.settings
    [pool] = settings.backends.values()
    smaller = attrs.evolve(pool, servers=pool.servers[:1])
    running.balancer.reload(attrs.evolve(settings, backends={"pool": smaller}))
    assert running.value("server_up", backend="pool", server="a") == 1
    assert running.value("server_up", backend="pool", server="b") is None
    removed = running.value("server_changes_total", backend="pool", server="b", state="removed")
    assert removed == 1


def test_sessions_are_told_by_where_they_stand() -> None:
    running = Running()
    running.comes(3000, "203.0.113.1")
    client, server = running.joins(3000, "203.0.113.2")
    assert running.value("sessions_open", group="site", state="pinning") == 1
    assert running.value("sessions_open", group="site", state="pinned") == 1
    for wire in (client, server):
        goes(wire)
    running.world.advance(0)
    assert running.value("sessions_open", group="site", state="pinned") == 0
    assert running.value("sessions_open", group="site", state="lingering") == 1
    assert running.value("sessions_open", group="ftp", state="pinned") == 0
    assert running.value("sessions_ended_total", group="site", ending="done") is None
    running.world.advance(61)
    assert running.value("sessions_ended_total", group="site", ending="done") == 1


def test_channels_are_told_by_role_and_place() -> None:
    running = Running()
    running.joins(3000)
    running.comes(3000)
    assert running.value("channels_open", group="site", role="any", place="joined") == 1
    assert running.value("channels_open", group="site", role="any", place="dialling") == 1
    assert running.value("channels_open", group="site", role="any", place="queued") == 0
    assert running.value("channels_total", group="site", role="any") == 2
    assert running.value("session_channels_max", group="site") == 2
    assert running.value("session_channels_max", group="ftp") == 0


def test_a_data_channel_is_a_channel_of_its_session() -> None:
    running, client, server = ftp_session()
    client.says(b"EPSV\r\n")
    server.says(b"229 Fine (|||1025|)\r\n")
    [listener] = [one for one in running.world.listeners if 40_000 <= one.port < 40_010]
    assert running.value("data_ports_used", frontend="ftp", side="client") == 1
    assert running.value("data_ports_available", frontend="ftp", side="client") == 9
    near = listener.comes(PEER)
    assert near is not None
    client.says(b"RETR a\r\n")
    far = running.world.dialled[-1].answers()
    server.says(b"150 Here\r\n")
    assert running.value("channels_open", group="ftp", role="data", place="joined") == 1
    assert running.value("channels_open", group="ftp", role="control", place="joined") == 1
    far.says(b"12345")
    goes(far)
    running.world.advance(0)
    goes(near)
    server.says(b"226 Done\r\n")
    assert running.value("channels_open", group="ftp", role="data", place="joined") == 0
    assert running.value("channels_total", group="ftp", role="data") == 1
    assert running.value("affinity_lookups_total", group="ftp", result="announced") == 1
    assert running.value("ftp_transfers_total", ending="done") == 1
    assert running.value("ftp_transferred_bytes_total", direction="from_server") == 5
    assert running.value("data_ports_used", frontend="ftp", side="client") == 0
    assert running.value("data_ports_available", frontend="ftp", side="client") == 10
    assert running.value("data_ports_used", frontend="ftp", side="server") == 0
    assert running.value("data_ports_available", frontend="ftp", side="server") is None


# -- affinity --------------------------------------------------------------------------------------


def test_a_new_session_one_that_is_joined_and_one_that_is_returned_to_are_told_apart() -> None:
    running = Running()
    wires = [*running.joins(3000), *running.joins(3000)]
    assert running.value("affinity_lookups_total", group="site", result="new") == 1
    assert running.value("affinity_lookups_total", group="site", result="joined") == 1
    for wire in wires:
        goes(wire)
    running.world.advance(0)
    running.joins(3000)
    assert running.value("affinity_lookups_total", group="site", result="returned") == 1
    assert running.value("affinity_lookups_total", group="site", result="new") == 1
    assert running.value("channels_total", group="site", role="any") == 3


def test_a_channel_without_a_seat_is_told_with_the_reason() -> None:
    running = Running()
    for _ in range(5):
        running.comes(3000)
    refused = running.value("channels_refused_total", group="site", role="any", reason="key-full")
    assert refused == 2
    assert running.value("affinity_lookups_total", group="site", result="refused") == 2
    assert running.value("channels_total", group="site", role="any") == 3
    assert running.value("connections_ended_total", frontend="any", ending="key-full") == 2


def test_a_channel_of_a_session_that_is_ending_is_refused_as_closing() -> None:
    data = Data()
    data.round.claims.end(data.round.seat.session, "idle")
    data.opens(Side.SERVER, "listen")
    assert data.round.claims.asked["ftp", "data", "closing"] == 1


def test_hints_are_told_by_whether_they_were_followed() -> None:
    running = Running()
    running.joins(2121, greeting=GREETING)
    assert running.value("hints_total", frontend="ftp", result="followed") == 0
    running.joins(2121, greeting=GREETING)
    assert running.value("hints_total", frontend="ftp", result="followed") == 1
    running.balancer.set_admin(running.balancer.server("pool", "a"), "drain")
    running.joins(2121, greeting=GREETING)
    assert running.value("hints_total", frontend="ftp", result="followed") == 1
    assert running.value("hints_total", frontend="ftp", result="passed-by") == 1


# -- astray ----------------------------------------------------------------------------------------


def test_nobody_goes_astray() -> None:
    running = Running()
    running.joins(3000)
    running.joins(3000)
    running.joins(2121, greeting=GREETING)
    assert running.value("channels_astray_total") == 0


def test_a_channel_that_reached_another_server_than_its_sessions_is_astray() -> None:
    """As it would be if the rules moved a session while one of its channels dials."""
    pool = Pooled()
    pool.calls()
    pool.last.answers()
    late = pool.calls()
    late.seat.session.server = pool.servers[1]
    pool.last.answers()
    assert pool.claims.astray == 1
    [told] = pool.facts
    assert told == Announced("astray", "session t-1 is on pool/b, its any at 198.51.100.1")


def test_a_channel_that_reached_another_machine_of_its_servers_name_is_astray() -> None:
    pool = Pooled()
    pool.calls()
    pool.last.answers()
    late = pool.calls()
    late.seat.session.address = "198.51.100.99"
    pool.last.answers()
    assert pool.claims.astray == 1


@pytest.mark.parametrize(
    ("host", "astray"),
    [(SERVER, 0), (f"::ffff:{SERVER}", 0), ("198.51.100.99", 1)],
    ids=["its-server", "in-other-words", "another"],
)
def test_a_data_channel_is_held_against_the_server_of_its_session(host: str, astray: int) -> None:
    """No machine asks for such an address; if one did, this would tell."""
    data = Data()
    data.round.seat.session.address = SERVER
    data.opens(Side.CLIENT, "listen")
    data.meeting.dial(Side.SERVER, Address(host, 1025))
    data.round.world.dialled[-1].answers()
    assert data.meeting.joined
    assert data.round.claims.astray == astray


def test_astray_is_what_the_balancers_table_counted() -> None:
    running = Running()
    running.balancer.claims.astray += 1
    assert running.value("channels_astray_total") == 1


# -- servers ---------------------------------------------------------------------------------------


def test_a_server_is_told_as_it_stands() -> None:
    running = Running()
    a = running.balancer.server("pool", "a")
    of = {"backend": "pool", "server": "a"}
    running.joins(3000)
    assert running.value("server_up", **of) == 1
    assert running.value("server_ejected", **of) == 0
    assert running.value("server_weight", **of) == 100
    assert running.value("server_sessions", **of) == 1
    assert running.value("server_connections", **of) == 1
    assert running.value("server_admin", **of, state="ready") == 1
    assert running.value("server_admin", **of, state="drain") == 0
    assert running.value("server_connections_limit", **of) is None
    a.up, a.ejected_until, a.weight, a.maxconn = False, running.world.seconds() + 10, 7, 5
    running.balancer.set_admin(a, "drain")
    assert running.value("server_up", **of) == 0
    assert running.value("server_ejected", **of) == 1
    assert running.value("server_weight", **of) == 7
    assert running.value("server_admin", **of, state="ready") == 0
    assert running.value("server_admin", **of, state="drain") == 1
    assert running.value("server_connections_limit", **of) == 5
    assert running.value("server_changes_total", **of, state="drain") == 1
    running.world.advance(11)
    assert running.value("server_ejected", **of) == 0


def test_the_weight_is_what_slow_start_makes_of_it() -> None:
    running = Running(slow_start=60.0)
    running.balancer.server("pool", "a").up_since = running.world.seconds()
    running.world.advance(30)
    assert running.value("server_weight", backend="pool", server="a") == 50


def test_when_a_servers_certificate_ends_is_told_while_there_is_such_a_server() -> None:
    running = Running(
        Checked("pool/a", True, 0.1, 1_900_000_000.0), Checked("pool/x", True, 0.1, 1)
    )
    name = "server_certificate_expiry_timestamp_seconds"
    assert running.value(name, backend="pool", server="a") == 1_900_000_000
    assert running.value(name, backend="pool", server="b") is None
    assert running.value(name, backend="pool", server="x") is None


# -- all of it -------------------------------------------------------------------------------------


def test_prometheus_has_nothing_to_say_against_a_running_balancer() -> None:
    running, client, _ = ftp_session()
    running.joins(3000)
    client.says(b"EPSV\r\n")
    text = running.metrics.text()
    assert lint(text) == []
    assert PEER not in text.decode() and "198.51.100" not in text.decode()


def test_the_lag_is_measured_while_the_balancer_runs() -> None:
    running = Running()
    running.world.advance(0.5)
    assert running.value("event_loop_lag_seconds_count") == 1
    stopped: Deferred[None] = running.balancer.stopService()
    assert stopped.called
    running.world.advance(5)
    assert running.value("event_loop_lag_seconds_count") == 1


def test_sessions_that_may_be_are_told() -> None:
    running = Running()
    assert running.value("sessions_limit") == running.balancer.settings.limits.sessions


def test_the_seats_of_a_round_are_counted_as_they_are_asked_for() -> None:
    round = Round()
    assert dict(round.claims.asked) == {("ftp", "control", "new"): 1}
