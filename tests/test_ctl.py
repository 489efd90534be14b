"""`lb-proxyctl`: one tool, whose commands bring what they need."""

import subprocess
import sys

import pytest

from twisted_lb import ctl
from twisted_lb.ctl import Command, main


def test_the_tool_tells_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "token make an issuer's key" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("given", [[], ["tokn"], ["--what"]])
def test_a_command_that_there_is_not_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(given)
    assert end.value.code == 2
    assert "usage: lb-proxyctl" in capsys.readouterr().err


def test_a_command_takes_the_rest_and_gives_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["token", "show", "--help"])
    assert end.value.code == 0
    assert "usage: lb-proxyctl token show" in capsys.readouterr().out
    assert main(["token", "show", "/nowhere"]) == 1


def test_what_must_be_installed_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ctl.COMMANDS, "moon", Command("no_such_module_at_all", "", "moon"))
    assert main(["moon"]) == 1
    told = capsys.readouterr().err
    assert told == (
        "lb-proxyctl moon: needs no_such_module_at_all: pip install 'twisted-lb[moon]'\n"
    )


def test_a_module_of_ours_that_is_missing_is_our_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ctl.COMMANDS, "moon", Command("twisted_lb.moon", "", "moon"))
    with pytest.raises(ModuleNotFoundError):
        main(["moon"])


def test_the_command_line_is_the_process_own() -> None:
    code = "import sys; from twisted_lb.ctl import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "token", "show"],
        input=b"x",
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (1, b"")
