"""`twistd lb-proxy`: what the command line says, and how the process listens to signals."""

from __future__ import annotations

import json
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.python.usage import UsageError

from tests.configs import BACKEND, FRONTEND
from tests.fakes import World
from twisted_lb import process, tap
from twisted_lb import program as module
from twisted_lb.config.load import load
from twisted_lb.config.settings import Log
from twisted_lb.facts import Announced
from twisted_lb.likeness import Finding
from twisted_lb.listeners import CannotListen
from twisted_lb.live import Report
from twisted_lb.logs import Logs
from twisted_lb.program import CannotReload, Program
from twisted_lb.tap import Options


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], str]:
    """Writes a configuration; gives its name."""

    def write(text: str) -> str:
        (tmp_path / "lb.toml").write_text(text)
        return str(tmp_path / "lb.toml")

    return write


def runs(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command line that ends the process."""
    with pytest.raises(SystemExit) as end:
        Options().parseOptions(argv)
    told = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, told.out, told.err


# -- the command line ------------------------------------------------------------------------------


def test_without_a_configuration_the_message_says_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"say which configuration to use: .*--config FILE"):
        Options().parseOptions([])


def test_a_configuration_becomes_settings(written: Callable[[str], str]) -> None:
    options = Options()
    options.parseOptions(["--config", written(FRONTEND + BACKEND)])
    assert options.settings == load(FRONTEND + BACKEND, "")


def test_check_says_that_all_is_fine(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = written(FRONTEND.replace("*:80", "127.0.0.1:0") + BACKEND + "check.port = 80\n")
    assert runs(capsys, "--config", name, "--check") == (0, f"{name}: fine\n", "")


def test_all_that_is_wrong_is_said_at_once_with_the_file_and_the_line(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = written(FRONTEND + "maxcon = 5\nbacklog = -1\n" + BACKEND)
    for option in ((), ("--check",), ("--dump-config",)):
        status, out, err = runs(capsys, "--config", name, *option)
        assert (status, out) == (1, "")
        assert f"{name}:6: " in err and 'did you mean "maxconn"?' in err
        assert f"{name}:7: " in err


def test_check_tells_a_typo_with_a_name_and_a_file_that_cannot_be_used(
    written: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three faults, three lines, one run."""

    def unknown(*args: Any, **keywords: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    backend = BACKEND.replace("10.0.0.1", "ftp.example.com")
    check = '[backend.check]\ntype = "tls"\nport = 443\nca = "/nowhere/ca.pem"\nname = "a.b"\n'
    name = written(FRONTEND + "maxcon = 5\n" + backend + check)
    assert runs(capsys, "-c", name, "--check") == (
        1,
        "",
        f'{name}:6: frontend[web].maxcon: is not a key of [[frontend]]: did you mean "maxconn"?\n'
        f"{name}:10: backend[pool].server[a].host: 'ftp.example.com' does not resolve: Name or "
        "service not known\n"
        f"{name}:14: backend[pool].check.ca: /nowhere/ca.pem cannot be read: No such file or "
        "directory\n",
    )


def test_check_tells_of_a_port_that_is_taken_and_is_content(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be this very balancer that has it."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        at = f"127.0.0.1:{busy.getsockname()[1]}"
        name = written(FRONTEND.replace("*:80", at) + BACKEND)
        status, out, _ = runs(capsys, "-c", name, "--check")
    assert status == 0
    assert out == (
        f"advice: {name}: frontend[web].listen: cannot listen on {at} now: Address already in use\n"
        f"{name}: fine\n"
    )


def test_check_gives_advice_and_is_content(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = FRONTEND + 'protocol = "ftp"\nftp.passive_ports = "40000-40009"\n' + BACKEND
    status, out, _ = runs(capsys, "-c", written(text), "--check")
    assert status == 0
    assert out.startswith("advice: ") and out.endswith(": fine\n")


def test_dump_config_prints_what_means_the_same(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = runs(capsys, "-c", written(FRONTEND + BACKEND), "--dump-config")
    assert status == 0
    assert load(out, "") == load(FRONTEND + BACKEND, "")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"# 1\n# \xff", "is not UTF-8: there is a byte 0xff; save the file as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_in_one_line(
    content: bytes | None, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = tmp_path / "lb.toml"
    if content is not None:
        name.write_bytes(content)
    line = ":2" if content else ""
    assert runs(capsys, "-c", str(name)) == (1, "", f"{name}{line}: {why}\n")


def test_a_directory_is_no_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    why = f"{tmp_path}: is a directory: --config wants one TOML file\n"
    assert runs(capsys, "-c", str(tmp_path)) == (1, "", why)


def test_a_file_without_its_option_is_told_the_option() -> None:
    with pytest.raises(UsageError, match=r"'lb.toml' is too much: .* --config lb.toml"):
        Options().parseOptions(["lb.toml"])


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_file_from_windows_is_read(mark: bytes, tmp_path: Path) -> None:
    """With its line ends, and with the mark that its editors write."""
    name = tmp_path / "lb.toml"
    name.write_bytes(mark + (FRONTEND + BACKEND).replace("\n", "\r\n").encode())
    options = Options()
    options.parseOptions(["-c", str(name)])
    assert options.settings == load(FRONTEND + BACKEND, "")


# -- the program -----------------------------------------------------------------------------------


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, signals: dict[int, Any]) -> World:
    """The reactor of the process, without a network. Nothing here gets signals of the tests' own
    process."""
    world = World()
    monkeypatch.setattr(tap, "reactor", world)
    return world


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> dict[int, Any]:
    """The signal handlers that were installed."""
    installed: dict[int, Any] = {}
    monkeypatch.setattr(signal, "signal", installed.__setitem__)
    return installed


@pytest.fixture
def descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def made(written: Callable[[str], str], text: str = FRONTEND + BACKEND) -> Program:
    options = Options()
    options.parseOptions(["-c", written(text)])
    program = tap.makeService(options)
    assert isinstance(program, Program)
    return program


@pytest.mark.parametrize("fault", [True, False])
def test_check_live_visits_servers_and_ends_with_1_on_a_fault(
    written: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: bool,
) -> None:
    report = Report((Finding("pool/a (10.0.0.1:80)", "odd", "mend it", fault),), ("table",), 1)
    monkeypatch.setattr(tap, "visit_servers", lambda settings: report)
    with pytest.raises(SystemExit) as end:
        Options().parseOptions(["-c", written(BACKEND + FRONTEND), "--check", "--live"])
    assert end.value.code == int(fault)
    said = capsys.readouterr().out.splitlines()[-3:]
    word = "fault" if fault else "notice"
    assert said == [
        f"{word}: pool/a (10.0.0.1:80): odd; mend it",
        "table",
        "ports visited: 1",
    ]


def test_live_alone_is_a_wrong_use(written: Callable[[str], str]) -> None:
    with pytest.raises(UsageError, match="--live goes with --check"):
        Options().parseOptions(["-c", written(BACKEND + FRONTEND), "--live"])


QUIET = '[log]\naccess = "off"\n'


def test_a_certificate_that_cannot_be_used_ends_the_process_with_its_name(
    written: Callable[[str], str], world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        made(written, BACKEND + 'tls = { mode = "on", ca = "/nowhere.pem" }' + FRONTEND)
    assert end.value.code == 1
    assert capsys.readouterr().err.endswith(
        "lb.toml:5: backend[pool].tls.ca: /nowhere.pem cannot be read: No such file or directory\n"
    )


def test_a_port_that_is_taken_ends_the_process_with_one_line(
    written: Callable[[str], str],
    world: World,
    descriptors: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world.taken = {80}
    for start in ("privilegedStartService", "startService"):
        program = made(written, FRONTEND + BACKEND + QUIET)
        with pytest.raises(SystemExit) as end:
            getattr(program, start)()
        assert end.value.code == 1
        assert capsys.readouterr().err == (
            "frontend web: cannot listen on *:80: Address already in use\n"
        )
        assert world.listeners == [] and not world.getDelayedCalls()


def test_only_what_the_network_says_ends_the_process() -> None:
    with pytest.raises(ZeroDivisionError), tap.ends_the_process(CannotListen):
        raise ZeroDivisionError


def test_the_process_may_have_as_many_descriptors_as_the_system_allows(
    written: Callable[[str], str], world: World, descriptors: None
) -> None:
    """A session costs two, a transfer two more: 1,024 are soon used up."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
    made(written, FRONTEND + BACKEND + QUIET)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)


def test_the_first_term_drains_and_the_second_ends_at_once(
    written: Callable[[str], str], world: World, signals: dict[int, Any], descriptors: None
) -> None:
    program = made(written, FRONTEND + BACKEND + QUIET)
    ended: list[None] = []
    program.end_now = lambda: ended.append(None)  # type: ignore[method-assign]
    world.callFromThread = lambda call, *args: call(*args)  # type: ignore[attr-defined]
    world.run()
    assert set(signals) == {
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGUSR1,
        signal.SIGUSR2,
    }
    world.hasStopped = False
    signals[signal.SIGTERM](signal.SIGTERM, None)
    assert (world.hasStopped, ended) == (True, [])
    signals[signal.SIGINT](signal.SIGINT, None)
    assert ended == [None]


def hung_up(world: World, signals: dict[int, Any]) -> None:
    """The process gets a SIGHUP, of which twistd alone would die."""
    world.callFromThread = lambda call, *args: call(*args)  # type: ignore[attr-defined]
    world.run()
    world.hasStopped = False
    signals[signal.SIGHUP](signal.SIGHUP, None)
    assert not world.hasStopped


def test_a_hangup_puts_the_file_in_force(
    written: Callable[[str], str],
    world: World,
    signals: dict[int, Any],
    descriptors: None,
    tmp_path: Path,
) -> None:
    """Its log goes where it says now."""
    log = '[log]\naccess = "{}"\n'
    program = made(written, FRONTEND + BACKEND + log.format(tmp_path / "one"))
    written(FRONTEND + BACKEND + log.format(tmp_path / "two") + "[limits]\nsessions = 7\n")
    hung_up(world, signals)
    assert program.settings.limits.sessions == program.claims.sessions.capacity == 7
    program._note(Announced("listening"))
    assert "listening" not in (tmp_path / "one").read_text()
    assert "listening" in (tmp_path / "two").read_text()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[limits]\nsessions = 'x'\n", "lb.toml:11: limits.sessions: "),
        ('[log]\naccess = "/nowhere/log"\n', "lb.toml:11: log.access: "),
        ("[nonsense", "lb.toml:10: "),
        (None, "lb.toml: [Errno 2] No such file or directory"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_a_hangup_with_a_mistake_changes_nothing_and_says_what_is_wrong_where(
    written: Callable[[str], str],
    world: World,
    signals: dict[int, Any],
    descriptors: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str | bytes | None,
    why: str,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        module.log, "error", lambda text, **fields: told.append(text.format(**fields))
    )
    program = made(written, FRONTEND + BACKEND + QUIET)
    before = program.generation
    if isinstance(text, str):
        written(FRONTEND + BACKEND + text)
    elif text is None:
        (tmp_path / "lb.toml").unlink()
    else:
        (tmp_path / "lb.toml").write_bytes(text)
    hung_up(world, signals)
    assert program.generation is before
    [said] = told
    assert said.startswith("the configuration was not reloaded, nothing changed: ")
    assert why in said


def test_a_listener_that_cannot_be_had_leaves_the_log_where_it_was(
    written: Callable[[str], str],
    world: World,
    signals: dict[int, Any],
    descriptors: None,
    tmp_path: Path,
) -> None:
    log = '[log]\naccess = "{}"\n'
    program = made(written, FRONTEND + BACKEND + log.format(tmp_path / "one"))
    program.startService()
    world.taken = {3999}
    written(FRONTEND.replace(":80", ":3999") + BACKEND + log.format(tmp_path / "two"))
    with pytest.raises(CannotReload, match="3999: Address already in use"):
        program.reload_file()
    program._note(Announced("still here"))
    assert "still here" in (tmp_path / "one").read_text()
    told = [json.loads(line) for line in (tmp_path / "one").read_text().splitlines()]
    assert "reload-failed" in [line.get("what") for line in told]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2])
def test_signals_are_listened_to_before_anything_else_is(
    written: Callable[[str], str],
    world: World,
    signals: dict[int, Any],
    descriptors: None,
    number: int,
) -> None:
    """Who reads that it listens may send one at once: the process would end of it."""
    made(written, FRONTEND + BACKEND + QUIET)
    called: list[Any] = []
    world.callFromThread = lambda call, *args: called.append(call)  # type: ignore[attr-defined]
    assert not world.hasRun
    signals[number](number, None)
    assert called


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_a_log_that_was_moved_away_is_opened_anew(
    written: Callable[[str], str],
    world: World,
    signals: dict[int, Any],
    descriptors: None,
    tmp_path: Path,
    number: int,
) -> None:
    """Log rotation: twistd's own handler of SIGUSR1 is called, too."""
    rotated: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, frame: rotated.append(number))
    signals_of_twistd = signals[signal.SIGUSR1]
    access = tmp_path / "access.log"
    program = made(written, FRONTEND + BACKEND + f'[log]\naccess = "{access}"\n')
    world.callFromThread = lambda call, *args: call(*args)  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signal, "getsignal", lambda number: signals_of_twistd)
        world.run()
    access.rename(tmp_path / "access.log.1")
    signals[number](number, None)
    program._note(Announced("listening"))
    assert "listening" in access.read_text()
    assert rotated == ([number] if number == signal.SIGUSR1 else [])


def test_the_counts_are_told_when_asked_for(
    written: Callable[[str], str],
    world: World,
    signals: dict[int, Any],
    descriptors: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        module.log, "info", lambda text, **fields: told.append(text.format(**fields))
    )
    program = made(written, FRONTEND + BACKEND + QUIET)
    world.callFromThread = lambda call, *args: call(*args)  # type: ignore[attr-defined]
    world.run()
    program._note(Announced("listening"))
    signals[signal.SIGUSR2](signal.SIGUSR2, None)
    assert told == ['counts since the start: {"other": {"announced": 1}}']


@pytest.mark.parametrize(
    ("access", "why"),
    [
        ("/nowhere/access.log", "cannot be written: there is no directory /nowhere"),
        ("/", "is a directory"),
    ],
)
def test_check_finds_an_access_log_that_cannot_be_written(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str], access: str, why: str
) -> None:
    name = written(FRONTEND + BACKEND + f'[log]\naccess = "{access}"\n')
    assert runs(capsys, "--config", name, "--check") == (
        1,
        "",
        f"{name}:11: log.access: {access} {why}\n",
    )


def test_check_creates_no_access_log(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    access = tmp_path / "access.log"
    name = written(FRONTEND + BACKEND + f'[log]\naccess = "{access}"\n')
    assert runs(capsys, "--config", name, "--check")[0] == 0
    assert not access.exists()


def test_a_start_tells_what_it_lacks_with_the_line(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = written(FRONTEND + BACKEND + '[log]\naccess = "/nowhere/access.log"\n')
    assert runs(capsys, "--config", name) == (
        1,
        "",
        f"{name}:11: log.access: /nowhere/access.log cannot be written: there is no directory "
        "/nowhere\n",
    )


def test_the_settings_in_force_are_told_on_a_machine_that_lacks_their_files(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = written(FRONTEND + BACKEND + '[log]\naccess = "/nowhere/access.log"\n')
    assert runs(capsys, "--config", name, "--dump-config")[0] == 0


def test_a_log_that_cannot_be_opened_ends_the_process_with_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        process.open_logs(Options(), Log("/nowhere/access.log"))
    assert "/nowhere/access.log: cannot be written: No such file" in capsys.readouterr().err


def called_by(twistd: Any) -> Options:
    options = Options()
    options.parent = twistd
    return options


@pytest.mark.parametrize("written_out", ["", '[log]\naccess = "stdout"\n'])
def test_a_start_in_the_background_is_refused_where_lines_would_go_to_standard_output(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str], written_out: str
) -> None:
    """The default is standard output, too."""
    options = called_by({"nodaemon": 0})
    name = written(FRONTEND + BACKEND + written_out)
    options.parseOptions(["-c", name])
    with pytest.raises(SystemExit) as end:
        tap.makeService(options)
    assert end.value.code == 1
    assert capsys.readouterr().err == (
        f'{name}: log.access: "stdout", the default, leads nowhere when twistd goes into the '
        'background: name a file, say "off", or stay in the foreground with twistd -n\n'
    )


@pytest.mark.parametrize("twistd", [{"nodaemon": 1}, {"reactor": "epoll"}, None])
def test_in_the_foreground_lines_go_to_standard_output(twistd: dict[str, Any] | None) -> None:
    """Under `twistd -n`, and under `twist`, which knows no background."""
    options = called_by(twistd)
    assert isinstance(process.open_logs(options, Log("stdout")), Logs)


def test_in_the_background_lines_go_to_a_file(tmp_path: Path) -> None:
    options = called_by({"nodaemon": 0})
    assert isinstance(process.open_logs(options, Log(str(tmp_path / "access"))), Logs)
