"""What `--check --live` looks for: which ports, in what language, under which names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred

from tests.configs import BACKEND, FRONTEND, FTP
from tests.fakes import World
from twisted_lb.config.load import load
from twisted_lb.config.settings import ServerRule, Settings
from twisted_lb.health.look import Sought
from twisted_lb.likeness import Finding
from twisted_lb.live import SAMPLE, Report, look_live, sought

ROUTED = """
[[frontend]]
name = "web"
listen = "*:443"
tls.mode = "pass"
backend = "pool"
route = [
    { sni = ["www.example", "*.apps.example"], alpn = "h2", backend = "pool" },
    { sni = "else.example", backend = "other" },
]
[[backend]]
name = "other"
server = [{ name = "o", host = "10.0.0.9" }]
"""


def of(text: str, name: str = "pool") -> list[Sought]:
    settings: Settings = load(text, "lb.toml")
    return list(sought(settings, settings.backends[name]))


def test_plain_ports_are_connected_to_and_ftp_is_spoken() -> None:
    found = of(BACKEND + "check.port = 80" + FRONTEND + FTP)
    assert [(each.port, each.tls, each.ftp) for each in found] == [
        (80, False, False),
        (21, False, True),
    ]


def test_behind_pass_through_tls_is_spoken_under_the_names_that_lead_there() -> None:
    """A wildcard is nobody's name."""
    [found] = of(BACKEND + ROUTED)
    assert (found.port, found.tls) == (443, True)
    assert found.live.names == ("www.example",)
    assert found.live.alpn == ("h2",)
    [other] = of(BACKEND + ROUTED, "other")
    assert other.live.names == ("else.example",)


def test_the_names_that_are_given_come_alone() -> None:
    text = BACKEND + 'live = { names = ["front", "10.0.0.9"], alpn = "x" }' + ROUTED
    [found] = of(text)
    assert (found.live.names, found.live.alpn) == (("front", "10.0.0.9"), ("x",))


def test_where_channels_speak_tls_so_does_the_look(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("authorities")
    tls = f'tls = {{ mode = "on", identity = "front", ca = "{tmp_path}/ca.pem", alpn = "lb" }}\n'
    [found] = of(BACKEND + tls + FRONTEND)
    assert found.tls and found.ca == b"authorities"
    assert (found.live.names, found.live.alpn) == (("front",), ("lb",))


@pytest.mark.parametrize(("word", "speaks"), [("on", True), ("off", False)])
def test_it_can_be_told_whether_to_speak_tls(word: str, speaks: bool) -> None:
    [found] = of(BACKEND + f'live.tls = "{word}"' + FRONTEND)
    assert found.tls is speaks


def test_of_a_range_of_ports_the_first_are_visited_and_none_twice() -> None:
    ranged = FRONTEND.replace('"*:80"', '"*:3000-3099"')
    again = FRONTEND.replace('"web"', '"again"').replace('"*:80"', '"*:80"\nserver_port = 3000')
    found = of(BACKEND + "check.port = 3000" + ranged + again)
    assert [each.port for each in found] == list(range(3000, 3000 + SAMPLE))


class Nobody:
    """A resolver that knows no name."""

    def resolveHostName(self, receiver: Any, host: str) -> None:
        receiver.resolutionComplete()


def test_a_name_without_an_address_is_a_fault_and_who_is_in_maintenance_is_left_alone() -> None:
    servers = (
        ServerRule("a", "gone.example"),
        ServerRule("b", "10.0.0.1", state="maintenance"),
    )
    settings = load(BACKEND + FRONTEND, "lb.toml")
    backend = attrs.evolve(settings.backends["pool"], servers=servers)
    world = World()
    world.nameResolver = Nobody()
    looking = look_live(attrs.evolve(settings, backends={"pool": backend}), world, 0.0)
    came: list[Report] = []
    Deferred.fromCoroutine(looking).addCallback(came.append)
    [report] = came
    assert [(each.where, each.what) for each in report.findings] == [
        ("pool/a (gone.example:80)", "its name has no address")
    ]
    assert not world.dialled


def test_only_faults_make_a_report_bad() -> None:
    notice = Finding("pool/a", "odd", "look at it", fault=False)
    fault = Finding("pool/b", "wrong", "mend it")
    assert Report((notice,), (), 1).fine
    report = Report((notice, fault), ("a table",), 2)
    assert not report.fine
    assert str(report) == "notice: pool/a: odd; look at it\nfault: pool/b: wrong; mend it\na table"
