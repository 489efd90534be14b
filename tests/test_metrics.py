"""What a scrape tells of what happened, by real facts; and that it tells nobody's secrets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from tests.promlint import families, lint
from tests.running import STARTED, Told
from twisted_lb.admin.lag import INTERVAL
from twisted_lb.facts import (
    Announced,
    AttackSeen,
    CertificateExpiring,
    Checked,
    ConnectionEnded,
    Fact,
    Secured,
    ServerChanged,
    SessionEnded,
    TransferEnded,
)
from twisted_lb.terms import Address

PEER = Address("203.0.113.77", 50_123)
PACKAGE = Path(__file__).parent.parent / "twisted_lb"


def connection(ending: str, sent: int = 0, received: int = 0) -> ConnectionEnded:
    return ConnectionEnded(
        "c-77", "ftp", PEER, ending, 1.5, "s-77", "control", "pool/a", sent, received, "sni-77"
    )


def transfer(command: str, count: int, ending: str = "done") -> TransferEnded:
    return TransferEnded("s-77", "u-77", "pool/a", command, "/p-77", count, 0.5, ending, 226)


FACTS: tuple[Fact, ...] = (
    connection("done", 10, 300),
    connection("done", 1, 2),
    connection("no-server"),
    SessionEnded("s-77", "ftp", "pool/a", "done", 3.0, 2, "source"),
    SessionEnded("s-78", "ftp", "pool/a", "idle", 3.0, 7, "source"),
    transfer("RETR", 1000),
    transfer("STOR", 50),
    transfer("APPE", 5, "client-left"),
    ServerChanged("pool/a", "down", "connect: refused by 203.0.113.77"),
    ServerChanged("pool/a", "up", "connected"),
    ServerChanged("pool/a", "down", "again"),
    AttackSeen("bounce", "ftp", PEER, "u-77"),
    AttackSeen("bounce", "ftp", PEER, "u-77"),
    CertificateExpiring("pool/a", 3.0),
    Checked("pool/a", True, 0.3, STARTED + 86_400),
    Checked("pool/a", False, 2.0),
    Checked("pool/gone", True, 0.1, STARTED),
    Secured("client", "TLSv1.3", False),
    Secured("client", "TLSv1.3", True),
    Secured("server", "TLSv1.2", False),
    Announced("started"),
)


# -- facts -----------------------------------------------------------------------------------------


def test_connections_are_counted_by_frontend_and_ending() -> None:
    told = Told(*FACTS)
    assert told.value("connections_ended_total", frontend="ftp", ending="done") == 2
    assert told.value("connections_ended_total", frontend="ftp", ending="no-server") == 1


def test_bytes_are_counted_by_frontend_and_direction() -> None:
    told = Told(*FACTS)
    assert told.value("relayed_bytes_total", frontend="ftp", direction="from_client") == 11
    assert told.value("relayed_bytes_total", frontend="ftp", direction="from_server") == 302


def test_sessions_are_counted_by_group_and_ending() -> None:
    told = Told(*FACTS)
    assert told.value("sessions_ended_total", group="ftp", ending="done") == 1
    assert told.value("sessions_ended_total", group="ftp", ending="idle") == 1


def test_transfers_are_counted_by_ending_and_their_bytes_by_direction() -> None:
    told = Told(*FACTS)
    assert told.value("ftp_transfers_total", ending="done") == 2
    assert told.value("ftp_transfers_total", ending="client-left") == 1
    assert told.value("ftp_transferred_bytes_total", direction="from_server") == 1000
    assert told.value("ftp_transferred_bytes_total", direction="from_client") == 55


def test_changes_of_servers_and_attacks_are_counted() -> None:
    told = Told(*FACTS)
    assert told.value("server_changes_total", backend="pool", server="a", state="down") == 2
    assert told.value("server_changes_total", backend="pool", server="a", state="up") == 1
    assert told.value("attacks_total", frontend="ftp", kind="bounce") == 2


def test_checks_are_counted_by_server_and_answer_and_timed_by_backend() -> None:
    told = Told(*FACTS)
    assert told.value("checks_total", backend="pool", server="a", result="good") == 1
    assert told.value("checks_total", backend="pool", server="a", result="bad") == 1
    assert told.value("check_duration_seconds_count", backend="pool") == 3
    assert told.value("check_duration_seconds_sum", backend="pool") == pytest.approx(2.4)
    assert told.value("check_duration_seconds_bucket", backend="pool", le="0.25") == 1


def test_handshakes_are_counted_by_side_version_and_whether_they_resume() -> None:
    told = Told(*FACTS)
    client = {"side": "client", "version": "TLSv1.3"}
    assert told.value("tls_handshakes_total", **client, resumed="no") == 1
    assert told.value("tls_handshakes_total", **client, resumed="yes") == 1
    server = {"side": "server", "version": "TLSv1.2"}
    assert told.value("tls_handshakes_total", **server, resumed="no") == 1


def test_an_ending_that_is_none_of_ours_makes_no_series_of_its_own() -> None:
    """A plugin's protocol may name an ending as it likes."""
    told = Told(connection("whatever 203.0.113.77 says"))
    assert told.value("connections_ended_total", frontend="ftp", ending="other") == 1


# -- reloads, lag ----------------------------------------------------------------------------------


def test_a_start_is_the_first_generation() -> None:
    told = Told()
    assert told.value("generation") == 1
    assert told.value("reload_success_timestamp_seconds") == STARTED
    assert told.value("last_reload_successful") == 1
    assert told.value("reloads_total", result="ok") == 0


def test_a_reload_that_was_refused_leaves_the_generation_in_force() -> None:
    told = Told()
    told.metrics.reloaded(True, STARTED + 60)
    told.metrics.reloaded(False, STARTED + 120)
    assert told.value("generation") == 2
    assert told.value("reload_success_timestamp_seconds") == STARTED + 60
    assert told.value("last_reload_successful") == 0
    assert told.value("reloads_total", result="ok") == 1
    assert told.value("reloads_total", result="refused") == 1


def test_a_loop_that_is_held_up_is_seen_once_with_how_late_it_was() -> None:
    told = Told()
    told.metrics.lag.startService()
    for _ in range(4):
        told.world.advance(INTERVAL)
    assert told.value("event_loop_lag_seconds_count") == 4
    assert told.value("event_loop_lag_seconds_sum") == 0
    told.world.advance(INTERVAL + 1.7)  # one look, 1.7 s late; three were missed
    assert told.value("event_loop_lag_seconds_count") == 5
    assert told.value("event_loop_lag_seconds_sum") == pytest.approx(1.7)
    told.world.advance(INTERVAL - 1.7 % INTERVAL)
    assert told.value("event_loop_lag_seconds_count") == 6
    assert told.value("event_loop_lag_seconds_sum") == pytest.approx(1.7)
    told.metrics.lag.stopService()
    assert not told.world.getDelayedCalls()


def test_lag_that_was_stopped_before_it_began_is_stopped() -> None:
    told = Told()
    told.metrics.lag.stopService()
    assert not told.world.getDelayedCalls()


# -- the text --------------------------------------------------------------------------------------


def test_what_runs_is_told() -> None:
    [info] = families(Told().metrics.text())["twisted_lb_build_info"].samples
    assert info.value == 1
    assert info.labels["python"] == sys.version.split()[0]
    assert set(info.labels) == {"version", "python", "twisted"}


def test_prometheus_has_nothing_to_say_against_the_text() -> None:
    assert lint(Told(*FACTS).metrics.text()) == []
    assert lint(Told().metrics.text()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "# HELP twisted_lb_x_total T.\n# TYPE twisted_lb_x_total gauge\ntwisted_lb_x_total 1\n",
        "# HELP twisted_lb_x T.\n# TYPE twisted_lb_x counter\ntwisted_lb_x 1\n",
        "# TYPE twisted_lb_x gauge\ntwisted_lb_x 1\n",
        "# HELP twisted_lb_x T.\n# TYPE twisted_lb_x gauge\ntwisted_lb_x 1",
        "# HELP twisted_lb_x_ms T.\n# TYPE twisted_lb_x_ms gauge\ntwisted_lb_x_ms 1\n",
        "# HELP other T.\n# TYPE other gauge\nother 1\n",
        '# HELP twisted_lb_x T.\n# TYPE twisted_lb_x gauge\ntwisted_lb_x{user="a"} 1\n',
        "twisted_lb_x 1\n",
        "# HELP twisted_lb_x T.\n# TYPE twisted_lb_x gauge\ntwisted_lb_x 1\ntwisted_lb_x 1\n",
        "# HELP twisted_lb_bytes_x T.\n# TYPE twisted_lb_bytes_x gauge\ntwisted_lb_bytes_x 1\n",
    ],
)
def test_the_lint_finds_what_is_wrong(wrong: str) -> None:
    assert lint(wrong.encode())


def test_nothing_that_a_peer_chose_is_in_the_text() -> None:
    text = Told(*FACTS).metrics.text().decode()
    assert "77" not in text.replace("python", "")
    assert "203.0.113" not in text


def test_the_global_registry_is_left_alone() -> None:
    before = list(REGISTRY.collect())
    Told(*FACTS)
    assert len(list(REGISTRY.collect())) == len(before)
    assert not any("twisted_lb" in family.name for family in before)


# -- the extra is optional -------------------------------------------------------------------------


def test_without_prometheus_client_only_the_metrics_are_missing() -> None:
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "import twisted_lb.admin, twisted_lb.tap\n"
        "try: import twisted_lb.admin.metrics\n"
        "except ModuleNotFoundError: print('missing')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "missing\n"


def test_nothing_else_needs_prometheus_client() -> None:
    using = {p.name for p in PACKAGE.rglob("*.py") if "import prometheus_client" in p.read_text()}
    using |= {p.name for p in PACKAGE.rglob("*.py") if "from prometheus_client" in p.read_text()}
    assert using <= {"events.py", "metrics.py", "standing.py"}
