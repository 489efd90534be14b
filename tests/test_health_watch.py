"""All servers under watch: when they are asked, and what becomes of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from twisted_lb.config.settings import Backend, BackendTls, Check, ServerRule
from twisted_lb.contexts import server_tls
from twisted_lb.facts import (
    MEASURED,
    Announced,
    CertificateExpiring,
    Checked,
    Fact,
    ServerChanged,
)
from twisted_lb.health.agent import parse
from twisted_lb.health.target import Outcome, Target
from twisted_lb.health.watch import DAY, Subject, Watch, subjects
from twisted_lb.terms import Server

from .certificates import Authority, written

CHECK = Check(interval=10.0, fast_interval=1.0, rise=2, fall=3)
GOOD = Outcome(True, "connected")
BAD = Outcome(False, "connect: Connection refused")


class Site:
    """Servers under watch; the test is every probe."""

    def __init__(self, *servers: Server, check: Check = CHECK) -> None:
        self.clock = Clock()
        self.wall = 1_000_000.0
        self.facts: list[Fact] = []
        self.measured: list[Fact] = []
        self.changes: list[tuple[str, str, str]] = []
        self.asked: list[tuple[str, float]] = []
        self.open: dict[str, Deferred[Outcome]] = {}
        self.watch = Watch(
            self.clock,
            self._probe,
            wall=lambda: self.wall,
            note=lambda fact: (self.measured if isinstance(fact, MEASURED) else self.facts).append(
                fact
            ),
            on_change=lambda server, state, why: self.changes.append((server.name, state, why)),
        )
        self.servers = servers
        target = Target(check, 21)
        self.watch.attend((Subject(s, target, s.weight) for s in servers), lambda n: 0)
        self.watch.startService()
        self.clock.advance(0)

    async def _probe(self, target: Target, hosts: Sequence[str]) -> Outcome:
        host = " or ".join(hosts)
        assert host not in self.open, "two checks of one server at once"
        self.asked.append((host, self.clock.seconds()))
        self.open[host] = Deferred()
        try:
            return await self.open[host]
        finally:
            del self.open[host]

    def verdicts(self, *outcomes: Outcome, host: str = "10.0.0.1") -> None:
        """Each check's outcome in turn, the next check awaited in between."""
        for outcome in outcomes:
            while host not in self.open:
                self.clock.advance(1.0)
            self.open[host].callback(outcome)


def server(**more: object) -> Server:
    return Server("pool", **{"name": "a", "host": "10.0.0.1", **more})  # type: ignore[arg-type]


class TestStanding:
    def test_a_check_that_had_no_socket_says_nothing_of_the_server(self) -> None:
        """When our descriptors run out not every server is down."""
        site = Site(server())
        nothing = Outcome(None, "connect: Too many open files")
        site.verdicts(GOOD, BAD, BAD, nothing, nothing, nothing)
        assert site.servers[0].up
        site.verdicts(BAD)
        assert not site.servers[0].up

    def test_a_server_that_fails_goes_down_and_comes_up_again(self) -> None:
        site = Site(server())
        site.verdicts(GOOD, BAD, BAD)
        assert site.servers[0].up
        site.verdicts(BAD)
        assert not site.servers[0].up
        site.verdicts(GOOD, GOOD)
        assert site.servers[0].up
        assert site.changes == [("a", "down", BAD.reason), ("a", "up", "connected")]
        assert site.facts == [
            ServerChanged("pool/a", "down", BAD.reason),
            ServerChanged("pool/a", "up", "connected"),
        ]

    def test_slow_start_counts_from_when_it_came_up(self) -> None:
        site = Site(server(up=False))
        site.verdicts(GOOD)
        assert site.servers[0].up_since is None
        site.verdicts(GOOD)
        assert site.servers[0].up_since == site.clock.seconds() == 1.0

    def test_checks_follow_faster_while_a_change_is_under_way(self) -> None:
        site = Site(server())
        site.verdicts(GOOD, BAD, BAD, BAD, BAD)
        assert [when for _, when in site.asked] == [0, 10, 11, 12, 22]

    def test_a_slow_check_is_waited_for(self) -> None:
        site = Site(server(), server(name="b", host="10.0.0.2"))
        site.clock.advance(100.0)
        assert site.asked == [("10.0.0.1", 0.0), ("10.0.0.2", 0.0)]

    def test_a_name_without_address_counts_as_failed(self) -> None:
        site = Site(server(host="ftp.example"))
        site.clock.pump([1.0] * 3)
        assert site.changes == [("a", "down", "name: ftp.example has no address")]

    def test_a_name_is_asked_at_the_addresses_that_it_had_last(self) -> None:
        site = Site(server(host="ftp.example", addresses=("10.0.0.8", "10.0.0.9")))
        assert site.asked == [("10.0.0.8 or 10.0.0.9", 0.0)]

    def test_first_checks_are_spread_over_one_interval(self) -> None:
        clock, asked = Clock(), []

        async def probe(target: Target, hosts: Sequence[str]) -> Outcome:
            asked.append((*hosts, clock.seconds()))
            return GOOD

        watch = Watch(
            clock, probe, wall=clock.seconds, note=lambda fact: None, on_change=lambda *a: None
        )
        chances = iter([250, 750])
        both = [server(), server(host="10.0.0.2")]
        watch.attend((Subject(s, Target(CHECK, 21), 1) for s in both), lambda n: next(chances))
        watch.startService()
        clock.pump([0.5] * 19)
        assert asked == [("10.0.0.1", 2.5), ("10.0.0.2", 7.5)]

    def test_stopping_leaves_nothing(self) -> None:
        site = Site(server(), server(host="10.0.0.2"))
        site.verdicts(GOOD)
        stopped: list[object] = []
        site.watch.stopService().addCallback(stopped.append)
        assert len(stopped) == 1
        assert not site.open and not site.clock.getDelayedCalls()


class TestMaintenance:
    def test_a_server_in_maintenance_is_not_asked(self) -> None:
        site = Site(server(admin="maintenance"))
        site.clock.pump([10.0] * 3)
        assert site.asked == []
        site.servers[0].admin = "ready"
        site.clock.advance(10.0)
        assert site.asked == [("10.0.0.1", 40.0)]

    def test_an_answer_that_comes_after_it_began_is_not_heard(self) -> None:
        site = Site(server())
        site.verdicts(BAD, BAD)
        site.clock.advance(1.0)
        site.servers[0].admin = "maintenance"
        site.verdicts(BAD)
        assert site.servers[0].up and site.changes == []

    def test_a_server_that_drains_is_asked(self) -> None:
        site = Site(server(admin="drain"))
        site.verdicts(GOOD, GOOD)


def agent(line: bytes) -> Outcome:
    words = parse(line)
    return Outcome(words.up is not False, "agent", words=words)


class TestAgent:
    def test_its_maintenance_ends_by_its_own_word(self) -> None:
        site = Site(server())
        site.verdicts(agent(b"maint"), agent(b"ready"))
        assert site.changes == [("a", "maintenance", "agent"), ("a", "ready", "agent")]

    def test_its_weight_is_of_the_configured_one(self) -> None:
        site = Site(server(weight=40))
        site.verdicts(agent(b"50%"), agent(b"50%"))
        assert site.servers[0].weight == 20
        assert site.facts == [ServerChanged("pool/a", "weight", "agent, now 20")]

    def test_words_that_mean_nothing_are_told_once(self) -> None:
        site = Site(server())
        site.verdicts(agent(b"up sleepy"), agent(b"up sleepy"), agent(b"up"), agent(b"up grumpy"))
        assert site.facts == [
            Announced("agent-words-ignored", "pool/a: sleepy"),
            Announced("agent-words-ignored", "pool/a: grumpy"),
        ]

    def test_down_takes_as_many_as_any_check(self) -> None:
        site = Site(server())
        site.verdicts(agent(b"down"), agent(b"down"))
        assert site.servers[0].up
        site.verdicts(agent(b"down"))
        assert not site.servers[0].up


class TestExpiry:
    def ends_in(self, site: Site, days: float) -> Outcome:
        return Outcome(True, "handshake done", expires=site.wall + days * DAY)

    def test_a_certificate_that_ends_soon_is_told_once_a_day(self) -> None:
        site = Site(server())
        site.verdicts(self.ends_in(site, 15), self.ends_in(site, 13), self.ends_in(site, 13))
        assert site.facts == [CertificateExpiring("pool/a", 13.0)]
        site.wall += DAY
        site.verdicts(self.ends_in(site, 12))
        assert site.facts[1:] == [CertificateExpiring("pool/a", 12.0)]

    def test_one_that_was_renewed_is_told_of_again_in_its_time(self) -> None:
        site = Site(server())
        site.verdicts(self.ends_in(site, 1), self.ends_in(site, 90), self.ends_in(site, 2))
        assert site.facts == [CertificateExpiring("pool/a", days) for days in (1.0, 2.0)]


class TestMeasured:
    def test_each_answer_is_told_with_the_time_it_took(self) -> None:
        site = Site(server())
        site.clock.advance(0.5)
        site.verdicts(GOOD)
        site.verdicts(BAD)
        assert site.measured == [Checked("pool/a", True, 0.5), Checked("pool/a", False, 0.0)]

    def test_so_is_when_the_certificate_ends(self) -> None:
        site = Site(server())
        site.verdicts(Outcome(True, "handshake done", expires=site.wall + DAY))
        assert site.measured == [Checked("pool/a", True, 0.0, site.wall + DAY)]

    def test_a_check_that_asked_nobody_has_no_answer(self) -> None:
        site = Site(server())
        site.verdicts(Outcome(None, "connect: Too many open files"))
        assert site.measured == []


class TestSubjects:
    SERVERS = (ServerRule("a", "10.0.0.1", weight=7), ServerRule("b", "b.example", send_proxy="v2"))

    def made(
        self, check: Check, port: int | None = 21, tls: BackendTls | None = None
    ) -> tuple[Subject, ...]:
        backend = Backend("pool", self.SERVERS, check=check, tls=tls or BackendTls())
        live = {rule.name: Server("pool", rule.name, rule.host) for rule in self.SERVERS}
        self.tls = server_tls(backend)
        return subjects(backend, live, port, self.tls)

    def test_each_server_is_asked_as_its_rule_says(self) -> None:
        a, b = self.made(Check())
        assert (a.server.name, a.weight, a.target.port) == ("a", 7, 21)
        assert (b.server.name, b.target.send_proxy) == ("b", "v2")

    def test_without_checks_there_is_nobody_to_watch(self) -> None:
        assert self.made(Check(type="off"), port=None) == ()

    def test_the_checks_own_port_comes_first(self) -> None:
        assert self.made(Check(port=2121))[0].target.port == 2121

    def test_several_ports_and_none_named_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="several ports"):
            self.made(Check(), port=None)

    def test_the_password_is_read_once_and_never_shown(self, tmp_path: Path) -> None:
        file = tmp_path / "password"
        file.write_text("secret\n")
        a, _ = self.made(Check(type="ftp", user="probe", password_file=str(file)))
        assert a.target.password == "secret"
        assert "secret" not in repr(a)

    def test_a_certificate_must_be_for_the_checks_name_or_else_the_servers(self) -> None:
        assert [s.target.name for s in self.made(Check(type="tls"))] == ["10.0.0.1", "b.example"]
        front = self.made(Check(type="tls", name="front.example"))
        assert {s.target.name for s in front} == {"front.example"}
        assert front[0].target.tls is front[1].target.tls

    def test_without_a_name_or_authorities_of_its_own_a_check_asks_as_channels_do(
        self, tmp_path: Path
    ) -> None:
        ca = written(Authority().pem, tmp_path / "ca.pem")
        tls = BackendTls("on", identity="front.example", ca=ca)
        a, _ = self.made(Check(type="tls"), tls=tls)
        assert a.target.name == "front.example"
        assert self.tls is not None and a.target.tls is self.tls
        a, _ = self.made(Check(type="tls", name="other.example", ca=ca), tls=tls)
        assert a.target.name == "other.example"
        assert self.tls is not None and a.target.tls is not self.tls

    def test_authorities_of_its_own_take_the_place_of_the_channels_and_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where TLS passes through, servers may be as old as their clients."""
        asked: list[BackendTls] = []
        monkeypatch.setattr(
            "twisted_lb.health.watch.server_tls",
            lambda backend: asked.append(backend.tls) or server_tls(backend),
        )
        authority = Authority()
        ca = written(authority.pem, tmp_path / "ca.pem")
        mine = written(authority.sign("lb.example"), tmp_path / "mine.pem")
        tls = BackendTls("on", certificate=mine, alpn=("ftp",), ca=mine)
        self.made(Check(type="tls", ca=ca), tls=tls)
        self.made(Check(type="tls", ca=ca))
        assert asked == [
            BackendTls("on", certificate=mine, alpn=("ftp",), ca=ca),
            BackendTls("on", ca=ca, minimum="1.0"),
        ]

    def test_a_file_without_authorities_is_an_error(self, tmp_path: Path) -> None:
        file = tmp_path / "ca.pem"
        file.write_text("nothing\n")
        with pytest.raises(ValueError):
            self.made(Check(type="tls", ca=str(file)))
