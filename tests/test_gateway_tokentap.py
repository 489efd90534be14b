"""`twistd lb-token-server`: what the command line says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from twisted.application.service import IServiceMaker
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.plugin import getPlugins
from twisted.python.usage import UsageError

from twisted.plugins.twisted_lb_plugin import GatewayMaker
from twisted_lb.facts import Announced
from twisted_lb.gateway.tokenserver import Parts
from twisted_lb.gateway.tokensettings import Issuer, ServerTls, TokenServerSettings
from twisted_lb.gateway.tokentap import Options, Program
from twisted_lb.gateway.users import Users
from twisted_lb.listeners import CannotListen
from twisted_lb.observe import Counters

from .test_gateway_tokenserver import ANN
from .tokens import FRONT, issuer


def told(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[object, str]:
    """Exit status and stderr of a command line that ends the process."""
    with pytest.raises(SystemExit) as end:
        Options().parseOptions(argv)
    return end.value.code, capsys.readouterr().err


def test_without_a_configuration_the_message_says_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"twistd lb-token-server --config FILE"):
        Options().parseOptions([])


def test_a_configuration_that_cannot_be_read_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    nowhere = str(tmp_path / "nowhere.toml")
    assert told(capsys, "--config", nowhere) == (
        1,
        f"{nowhere}: cannot be read: No such file or directory\n",
    )


def test_twistd_knows_the_program() -> None:
    [maker] = [each for each in getPlugins(IServiceMaker) if each.tapname == "lb-token-server"]
    assert maker.module == "twisted_lb.gateway.tokentap"


def test_a_program_whose_extra_is_not_installed_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some_tap.py").write_text("import no_such_module_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SystemExit, match=r"lb-moon: needs no_such_.*: pip install .*\[gateway\]"):
        GatewayMaker("moon", "some_tap", "", "lb-moon").options  # noqa: B018  # it is a property
    (tmp_path / "other_tap.py").write_text("import twisted_lb.moon\n")
    with pytest.raises(ModuleNotFoundError):
        GatewayMaker("moon", "other_tap", "", "lb-moon").options  # noqa: B018


def test_the_counts_are_told_in_the_process_log(capsys: pytest.CaptureFixture[str]) -> None:
    settings = TokenServerSettings(
        listen=(), users="", issuer=Issuer("mss", "", (FRONT,)), destinations=(), tls=ServerTls()
    )
    parts = Parts(issuer().key, Users(ANN, "users"), None)
    program = Program(settings, parts, Clock(), lambda: 0.0, lambda fact: None)
    program.counters = Counters()
    program.counters(Announced("listening"))
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    program.end_now()
    program.tell_counts()
    globalLogPublisher.removeObserver(events.append)
    [counts] = [event["counts"] for event in events if "counts" in event]
    assert json.loads(counts) == {"other": {"announced": 1}}


def test_a_port_that_cannot_be_listened_on_ends_the_process(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(self: object) -> None:
        raise CannotListen("frontend token-server: cannot listen on *:443: taken")

    monkeypatch.setattr("twisted_lb.gateway.tokenserver.TokenServer.privilegedStartService", taken)
    with pytest.raises(SystemExit) as end:
        Program.privilegedStartService(Program.__new__(Program))
    assert end.value.code == 1
    assert "cannot listen on *:443" in capsys.readouterr().err
