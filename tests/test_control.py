"""`lb-proxyctl` against an endpoint that a test plays: what is asked, what is shown."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from twisted_lb.control import client as clients
from twisted_lb.control.client import Place, Unreachable, place
from twisted_lb.control.commands import STATUSES
from twisted_lb.control.completion import commands, options
from twisted_lb.control.parser import parser
from twisted_lb.control.shown import cell, length, size, table
from twisted_lb.ctl import main

SERVER = {
    "backend": "farm", "name": "a", "host": "10.0.0.1", "addresses": ["10.0.0.1"], "state": "up",
    "up": True, "admin": "ready", "weight": 100, "effective_weight": 100.0, "sessions": 2,
    "connections": 5, "maxconn": None, "check": "ftp", "checked": "2026-11-23T12:00:00Z",
    "checks": [0.0015], "since": None, "reason": "",
}  # fmt: skip
CHANNEL = {
    "number": 1, "role": "control", "state": "joined", "connection": "c.1", "frontend": "ftp",
    "client": "192.0.2.7:50000", "seconds": 61.0, "from_client": 812, "from_server": 4096,
}  # fmt: skip
SESSION = {
    "id": "ab-1", "group": "ftp", "backend": "farm", "server": "a", "state": "pinned",
    "key": "connection", "opened": "2026-11-23T12:00:00Z", "seconds": 61.0,
    "clients": ["192.0.2.7"], "roles": {"control": 1, "data": 2}, "from_client": 812,
    "from_server": 1_500_000, "channels_in_all": 9, "channels": [CHANNEL],
}  # fmt: skip
STATUS = {
    "version": "1.2.3", "time": "2026-11-23T12:00:00Z", "started": "2026-11-20T12:00:00Z",
    "seconds": 259_200.0, "state": "running", "generation": 4, "connections": 5, "sessions": 2,
    "servers": 2, "servers_up": 1, "channels_astray": 0,
}  # fmt: skip


class Played:
    """An endpoint: answers by request, `(method, path) -> (status, JSON)`; notes what was asked."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Any] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.tokens: list[str | None] = []
        played = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length)) if length else None
                played.asked.append((self.command, self.path, body))
                played.tokens.append(self.headers.get("Authorization"))
                found = played.answers.get((self.command, self.path), (404, {"error": "nothing"}))
                status, told = found.pop(0) if isinstance(found, list) else found
                raw = told if isinstance(told, bytes) else json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = do_PATCH = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    played = Played()
    serving = threading.Thread(target=played.server.serve_forever, args=(0.01,))
    serving.start()
    monkeypatch.setenv("LB_PROXY_ADMIN", played.url)
    yield played
    played.server.shutdown()
    serving.join()
    played.server.server_close()


Shown = Callable[..., str]


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    """What a command prints, which ends with 0 unless another status is expected."""

    def run(*arguments: str, status: int = 0) -> str:
        assert main(list(arguments)) == status
        out, err = capsys.readouterr()
        return err if status else out

    return run


# -- looking ---------------------------------------------------------------------------------------


def test_the_status_is_a_few_lines(played: Played, shown: Shown) -> None:
    played.answers["GET", "/v1/status"] = 200, STATUS
    assert shown("status").splitlines() == [
        "twisted-lb     1.2.3, running",
        "since          2026-11-20T12:00:00Z (3d)",
        "configuration  generation 4",
        "servers        1 of 2 take new sessions",
        "sessions       2",
        "connections    5",
        "astray         no channel",
    ]
    played.answers["GET", "/v1/status"] = 200, {**STATUS, "channels_astray": 3}
    assert "3 channels: SEE THE LOG" in shown("status")


def test_servers_are_a_table(played: Played, shown: Shown) -> None:
    down = {**SERVER, "name": "bb", "state": "down", "checks": [None], "reason": "connect: refused"}
    played.answers["GET", "/v1/servers"] = 200, {"servers": [SERVER, down]}
    assert shown("servers").splitlines() == [
        "SERVER   STATE  SESSIONS  CONNECTIONS  MAX  WEIGHT  CHECK       SINCE  WHY",
        "farm/a   up            2            5    -     100  ftp 1.5 ms      -  -",
        "farm/bb  down          2            5    -     100  ftp FAILS       -  connect: refused",
    ]


def test_programs_get_what_the_endpoint_said(played: Played, shown: Shown) -> None:
    played.answers["GET", "/v1/servers"] = 200, {"servers": [SERVER]}
    assert json.loads(shown("servers", "--json")) == {"servers": [SERVER]}


def test_sessions_come_page_by_page_up_to_the_limit(played: Played, shown: Shown) -> None:
    first = {"sessions": [SESSION], "next": "ab-1"}
    more = {"sessions": [{**SESSION, "id": "ab-2", "server": None}], "next": "ab-2"}
    played.answers["GET", "/v1/sessions?limit=2&state=pinned"] = 200, first
    played.answers["GET", "/v1/sessions?limit=1&after=ab-1&state=pinned"] = 200, more
    assert shown("sessions", "--limit", "2", "--state", "pinned").splitlines() == [
        "SESSION  CLIENT     SERVER  STATE   CHANNELS            AGE   SENT     GOT",
        "ab-1     192.0.2.7  farm/a  pinned  1 control 2 data  1m 1s  812 B  1.5 MB",
        "ab-2     192.0.2.7  farm/?  pinned  1 control 2 data  1m 1s  812 B  1.5 MB",
        "there are more: --limit 20",
    ]


def test_one_session_has_its_channels(played: Played, shown: Shown) -> None:
    played.answers["GET", "/v1/sessions/ab-1"] = 200, SESSION
    told = shown("session", "ab-1")
    assert "channels  1 of 9 that it has had" in told
    assert "control  joined" in told
    played.answers["GET", "/v1/sessions/ab-1"] = 200, {**SESSION, "channels": []}
    assert "no channels: it lingers" in shown("session", "ab-1")


def test_certificates_that_end_soon_are_marked(played: Played, shown: Shown) -> None:
    def one(days: float, of: str) -> dict[str, Any]:
        return {"kind": "server", "of": of, "file": None, "names": list("abcde"), "days": days,
                "ends": "2026-11-23T12:00:00Z"}  # fmt: skip

    told = [one(100.0, "fine"), one(-1.0, "late"), one(13.9, "soon")]
    played.answers["GET", "/v1/certificates"] = 200, {"certificates": told}
    lines = shown("certs").splitlines()[1:]
    assert [line.split()[1] for line in lines] == ["late", "soon", "fine"]
    assert [line.split()[-1] for line in lines] == ["EXPIRED", "SOON", "-"]
    assert "a b c and 2 more" in lines[0]


def test_frontends_and_the_configuration_are_shown(played: Played, shown: Shown) -> None:
    front = {"name": "ftp", "protocol": "ftp", "tls": "off", "listening": ["0.0.0.0:21"],
             "connections": 1, "maxconn": 10}  # fmt: skip
    played.answers["GET", "/v1/frontends"] = 200, {"frontends": [front]}
    assert shown("frontends").splitlines()[1].split() == [
        "ftp",
        "ftp",
        "off",
        "1",
        "10",
        "0.0.0.0:21",
    ]
    played.answers["GET", "/v1/configuration"] = 200, {"generation": 1, "toml": "[log]\n"}
    assert shown("config") == "[log]\n"


# -- acting ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (["drain", "farm/a"], {"admin": "drain"}),
        (["ready", "farm/a"], {"admin": "ready"}),
        (["maint", "farm/a"], {"admin": "maintenance"}),
        (["weight", "farm/a", "0"], {"weight": 0}),
    ],
)
def test_a_server_is_changed(
    played: Played, shown: Shown, command: list[str], body: dict[str, Any]
) -> None:
    played.answers["PATCH", "/v1/servers/farm/a"] = 200, SERVER
    assert "farm/a" in shown(*command)
    assert played.asked == [("PATCH", "/v1/servers/farm/a", body)]


def test_names_are_quoted_on_their_way(played: Played, shown: Shown) -> None:
    shown("drain", "farm/a b", status=1)
    assert played.asked[0][1] == "/v1/servers/farm/a%20b"


def test_sessions_are_ended_and_those_that_are_not_there_told(played: Played, shown: Shown) -> None:
    played.answers["DELETE", "/v1/sessions/ab-1"] = 200, SESSION
    assert shown("kill", "ab-1", "ab-9", status=1) == "nothing\n"
    assert "ab-1" in shown("kill", "ab-1")


def test_the_whole_is_reloaded_failed_back_and_ended(played: Played, shown: Shown) -> None:
    played.answers["POST", "/v1/reload"] = 200, STATUS
    assert shown("reload") == "generation 4 is in force\n"
    played.answers["POST", "/v1/backends/farm/fail-back"] = 200, STATUS
    assert "farm go to its primary" in shown("fail-back", "farm")
    played.answers["POST", "/v1/shutdown"] = 202, STATUS
    assert shown("shutdown", "--deadline", "10m") == "ends; 2 sessions left\n"
    assert shown("shutdown") == "ends; 2 sessions left\n"
    assert [body for _, path, body in played.asked if path == "/v1/shutdown"] == [
        {"deadline": 600.0},
        {},
    ]


def test_a_reload_with_mistakes_tells_all_of_them(played: Played, shown: Shown) -> None:
    error = "not reloaded, nothing changed: lb.toml:7: frontend[web].listen: is missing"
    played.answers["POST", "/v1/reload"] = 409, {"error": error}
    assert shown("reload", status=1) == f"lb-proxyctl reload: {error}\n"


def test_levels_of_the_log_are_shown_and_changed(played: Played, shown: Shown) -> None:
    told = {"levels": {"all": "info", "health": "debug"}, "facilities": ["all", "health"]}
    played.answers["GET", "/v1/log"] = played.answers["PATCH", "/v1/log"] = 200, told
    assert shown("log").splitlines()[1:] == ["all       info", "health    debug"]
    shown("log", "health", "debug")
    assert played.asked[-1][2] == {"facility": "health", "level": "debug"}
    assert shown("log", "health", status=2).startswith("which level? debug, ")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    from twisted_lb.control import commands

    monkeypatch.setattr(commands, "LOOKS", 0.001)


def test_draining_may_be_waited_for(played: Played, shown: Shown, hasty: None) -> None:
    played.answers["PATCH", "/v1/servers/farm/a"] = 200, SERVER
    looks = [(200, {**SERVER, "admin": "drain", "sessions": n}) for n in (2, 2, 1, 0)]
    played.answers["GET", "/v1/servers/farm/a"] = looks
    assert shown("drain", "farm/a", "--wait").splitlines() == [
        "farm/a: 2 sessions",
        "farm/a: 1 session",
        "farm/a: 0 sessions",
        "drained",
    ]
    assert looks == []


def test_waiting_has_a_deadline_and_ends_when_somebody_takes_it_back(
    played: Played, shown: Shown, hasty: None
) -> None:
    played.answers["PATCH", "/v1/servers/farm/a"] = 200, SERVER
    played.answers["GET", "/v1/servers/farm/a"] = 200, {**SERVER, "admin": "drain"}
    told = shown("drain", "farm/a", "--wait", "--timeout", "10ms", status=3)
    assert told == "2 sessions left after 0s\n"
    played.answers["GET", "/v1/servers/farm/a"] = 200, SERVER
    assert "made ready again" in shown("drain", "farm/a", "--wait", status=1)


# -- where to ask ----------------------------------------------------------------------------------


def test_a_token_is_shown_where_one_is_given(played: Played, shown: Shown, tmp_path: Path) -> None:
    played.answers["GET", "/v1/status"] = 200, STATUS
    (tmp_path / "token").write_text("secret\n")
    shown("status")
    shown("status", "--token-file", str(tmp_path / "token"))
    assert played.tokens == [None, "Bearer secret"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('[admin]\nsocket = "/run/x.sock"\nlisten = "127.0.0.1:1"', "/run/x.sock"),
        ('[admin]\nlisten = "127.0.0.1:8404"', "http://127.0.0.1:8404"),
        ('[admin]\nlisten = ["127.0.0.1:8404", "127.0.0.1:8405"]', "http://127.0.0.1:8404"),
    ],
)
def test_a_configuration_tells_where(tmp_path: Path, text: str, where: str) -> None:
    (tmp_path / "lb.toml").write_text(text)
    assert place("", "", str(tmp_path / "lb.toml"), {}).where == where
    assert place("/given", "", str(tmp_path / "lb.toml"), {}).where == "/given"


def test_without_a_word_it_is_the_environment_s_or_the_usual_place() -> None:
    assert place("", "", "", {"LB_PROXY_ADMIN": "/there"}) == Place("/there")
    assert place("", "", "", {}) == Place(clients.USUAL)


@pytest.mark.parametrize("text", ["[admin]", "no toml", b"\xff", None])
def test_a_configuration_that_does_not_tell_is_told(tmp_path: Path, text: Any) -> None:
    file = tmp_path / "lb.toml"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Unreachable, match=r"lb\.toml: "):
        place("", "", str(file), {})


def test_who_cannot_be_reached_is_told_with_what_to_do(
    played: Played, shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = tmp_path / "x.sock"
    assert "there is no such socket" in shown("status", "--at", str(nowhere), status=4)
    nowhere.write_text("")
    assert "nobody listens there" in shown("status", "--at", str(nowhere), status=4)
    assert "nobody listens there" in shown("status", "--at", "http://127.0.0.1:1", status=4)
    played.answers["GET", "/v1/status"] = 200, b"<html>"
    assert "no balancer answers there" in shown("status", status=4)
    for why, told in (
        (PermissionError(), "permission denied"),
        (TimeoutError(), "no answer within 10 s"),
        (OSError("odd"), "odd"),
    ):
        assert told in clients._advice("/x", why)


def test_every_status_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert all(f"{number} {text}" in told for number, text in STATUSES.items())


@pytest.mark.parametrize(
    "wrong",
    [
        ["drain"], ["drain", "farm"], ["drain", "/a"], ["weight", "farm/a", "x"],
        ["drain", "farm/a", "--timeout", "10"], ["sessions", "--limit", "0"],
        ["sessions", "--state", "gone"], ["session"], ["kill"], ["shutdown", "--deadline", "x"],
    ],
)  # fmt: skip
def test_wrong_usage_is_2(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(wrong)
    assert end.value.code == 2
    assert f"lb-proxyctl {wrong[0]}: error: " in capsys.readouterr().err


def test_a_configuration_is_checked_as_twistd_does(tmp_path: Path) -> None:
    (tmp_path / "lb.toml").write_text("x = 1")
    assert main(["check", str(tmp_path / "lb.toml")]) == 1


# -- how it is shown -------------------------------------------------------------------------------


def test_amounts_are_readable() -> None:
    sizes = (0, 999, 1000, 1_234_567, 250_000_000, 10**18)
    assert [size(n) for n in sizes] == ["0 B", "999 B", "1.0 kB", "1.2 MB", "250 MB", "1000 PB"]
    lengths = (None, 0.4, 61, 3600, 90_061)
    assert [length(s) for s in lengths] == ["-", "0s", "1m 1s", "1h", "1d 1h"]


def test_nothing_that_a_peer_said_controls_the_terminal() -> None:
    told = table(("A",), [["\x1b[2J\n\u202e"]], "none")
    assert told.splitlines()[1] == r"\x1b[2J\x0a\x202e"
    assert (cell(True), cell(False), cell("")) == ("yes", "no", "-")


# -- shells and the manual -------------------------------------------------------------------------


def test_the_tree_has_a_summary_for_every_command() -> None:
    assert all(command.description for command in commands(parser()).values())


@pytest.mark.parametrize(
    ("of", "told"),
    [("servers", "farm/a\nfarm/b\n"), ("backends", "farm\n"), ("frontends", "ftp\n"),
     ("sessions", "ab-1\n")],
)  # fmt: skip
def test_names_come_a_line_each(played: Played, shown: Shown, of: str, told: str) -> None:
    played.answers["GET", "/v1/servers"] = 200, {"servers": [SERVER, {**SERVER, "name": "b"}]}
    played.answers["GET", "/v1/frontends"] = 200, {"frontends": [{"name": "ftp"}]}
    played.answers["GET", "/v1/sessions?limit=1000"] = 200, {"sessions": [SESSION]}
    assert shown("names", of) == told


COMPLETE = """
lb-proxyctl() {{ [ "$*" = "names servers" ] && echo farm/a farm/b; }}
source {script}
COMP_WORDS=(lb-proxyctl {words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_lb_proxyctl
echo "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("dr", "drain"),
        ("re", "ready reload"),
        ("drain --w", "--wait"),
        ("drain farm/", "farm/a farm/b"),
        ("status farm/", ""),
        ("sessions --cl", "--client"),
    ],
)
def test_bash_completes_what_was_begun(
    tmp_path: Path, shown: Shown, words: str, found: str
) -> None:
    (tmp_path / "script").write_text(shown("completion", "bash"))
    asks = COMPLETE.format(script=tmp_path / "script", words=words)
    done = subprocess.run(["bash", "-c", asks], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == found


def test_the_other_shells_know_every_command(shown: Shown) -> None:
    assert shown("completion", "zsh").startswith("autoload -U +X bashcompinit")
    fish = shown("completion", "fish")
    for name, command in commands(parser()).items():
        assert f"-a {name} " in fish
        assert all(f"-l {option[2:]} " in fish for option in options(command))


def test_the_manual_page_tells_every_command_and_option(shown: Shown) -> None:
    page = shown("man").replace("\\-", "-")
    for name, command in commands(parser()).items():
        assert f"\\fB{name}\\fR" in page
        assert all(f"\\fB{option}\\fR" in page for option in options(command) if option != "--help")
    assert all(text in page for text in STATUSES.values())
    assert ".SH EXIT STATUS" in page
