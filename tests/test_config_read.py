"""What is written is read; what is wrong is told with its path, its line, and what to do."""

import tomllib

import pytest

from tests.configs import BACKEND, FRONTEND, FTP, problems, wrong
from twisted_lb.config.load import load
from twisted_lb.config.locate import Lines, Path
from twisted_lb.config.read import Found, spell
from twisted_lb.config.tables import Plugins, Table, document_table


@pytest.mark.parametrize(
    ("path", "spelt"),
    [
        (("backend", 0, "server", 1, "weight"), "backend[pool].server[b].weight"),
        (("backend", 1, "server", 0), "backend[#2].server[#1]"),
        (("backend", 2, "name"), "backend[#3].name"),
        (("group", "a.b", "role", "any"), 'group."a.b".role.any'),
        (("frontend", 0), "frontend[#1]"),
        (("group", 0), "group[#1]"),
        ((), ""),
    ],
)
def test_a_path_says_names_where_there_are_any(path: Path, spelt: str) -> None:
    raw = tomllib.loads("""
        backend = [{ name = "pool", server = [{ name = "a" }, { name = "b" }] }, 5, { name = 7 }]
        group."a.b".role = {}
    """)
    assert spell(path, raw) == spelt


def test_every_problem_has_its_line() -> None:
    text = """\
[[frontend]]
name = "web"
listen = [
    "*:80",
    "web:80",
]
backend = "pool"
timeout.idle = 60
[[backend]]
name = "pool"
[[backend.server]]
host = "10.0.0.1"
wieght = 5
"""
    assert [(p.line, p.path) for p in problems(text)] == [
        (5, "frontend[web].listen[#2]"),
        (8, "frontend[web].timeout.idle"),
        (11, "backend[pool].server[#1].name"),
        (13, "backend[pool].server[#1].wieght"),
    ]


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (
            "frontend = 5",
            "frontend",
            "wants tables, [[frontend]] or { name = ... }; got the number 5",
        ),
        ("group = []", "group", "wants tables, [group.NAME] or { backend = ... }; got a list"),
        (
            "backend = { name = 'pool' }",
            "backend",
            "wants tables, [[backend]] or { name = ..., server = ... }; got a table: its header "
            "has two brackets",
        ),
        (
            "[[backend]]\nname = 'pool'\ncheck = 'tcp'",
            "backend[pool].check",
            'wants a table, [backend.check] or { type = ... }; got "tcp"',
        ),
        ("limits = 5", "limits", "wants a table, [limits]; got the number 5"),
        (
            "backend = [5]",
            "backend[#1]",
            "wants a table, [[backend]] or { name = ..., server = ... }; got the number 5",
        ),
        ("group.g = true", "group.g", "wants a table, [group.NAME] or { backend = ... }; got true"),
        ("[group.g]", "group.g.backend", "is missing: [group.NAME] needs it"),
    ],
)
def test_a_table_of_the_wrong_shape_is_told(text: str, path: str, message: str) -> None:
    assert wrong(text)[path] == message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("wieght = 5", 'is not a key of [[backend.server]]: did you mean "weight"?'),
        ("linger = 5", "is not a key of [[backend.server]]: it belongs into [group.NAME]"),
        (
            "grace = 5",
            "is not a key of [[backend.server]]: it belongs into [frontend.ftp] or [group.NAME]",
        ),
        (
            "hosts = 5",
            'is not a key of [[backend.server]]: did you mean "host"?',
        ),
        (
            "zzzzz = 5",
            "is not a key of [[backend.server]]: known here: host, maxconn, name, "
            "passive_ports, send_proxy, state, weight",
        ),
    ],
)
def test_an_unknown_key_is_guessed_or_sent_home(line: str, message: str) -> None:
    assert wrong(BACKEND.replace("[{", "[{" + line + ", ") + FRONTEND) == {
        f"backend[pool].server[a].{line.split()[0]}": message
    }


def test_what_is_misspelt_is_told_once() -> None:
    """It is not missing as well, and what follows from its absence is nobody's fault."""
    assert wrong(BACKEND.replace("server =", "servers =") + FRONTEND) == {
        "backend[pool].servers": 'is not a key of [[backend]]: did you mean "server"?'
    }
    assert wrong(BACKEND + FRONTEND.replace("backend", "bakend") + "server_port = 80\n") == {
        "frontend[web].bakend": 'is not a key of [[frontend]]: did you mean "backend"?'
    }


def test_a_misspelt_key_beside_the_right_one_takes_nothing_from_it() -> None:
    assert set(wrong(BACKEND + FRONTEND.replace('"pool"', '"pol"') + 'backnd = "x"')) == {
        "frontend[web].backend",
        "frontend[web].backnd",
    }


@pytest.mark.parametrize("table", [*document_table()], ids=lambda table: table.title or "top")
def test_an_unknown_key_is_told_in_every_table_with_its_line(table: Table) -> None:
    """And which keys are known there."""
    head = table.title.replace("NAME", "g").replace("ROLE", "any")
    parents = {
        parent for parent in ("frontend", "backend") if head.strip("[").startswith(f"{parent}.")
    }
    text = "".join(f"[[{parent}]]\n" for parent in parents) + f"{head}\nxyzzy = 1\n"
    [found] = [one for one in problems(text) if one.path.endswith("xyzzy")]
    assert found.line == len(parents) + 2
    assert found.message.startswith(f"is not a key of {table.title or 'the top'}: ")


def test_an_unknown_table_is_an_unknown_key_of_the_top() -> None:
    assert wrong(BACKEND + FRONTEND + "[limit]") == {
        "limit": 'is not a key of the top: did you mean "limits"?'
    }
    assert wrong(BACKEND + FRONTEND + "[check]") == {
        "check": "is not a key of the top: it belongs into [[backend]]"
    }


@pytest.mark.parametrize(
    ("line", "path", "now"),
    [
        ('protocol = "http"', "frontend[web].protocol", 'write "opaque"'),
        (
            'protocol = "ftp"\nftp.sticky = ["source", "user"]',
            "frontend[web].ftp.sticky[#2]",
            "a server is chosen before the user's name is heard; take the word out",
        ),
    ],
)
def test_words_of_a_later_version_are_said_to_come_later(line: str, path: str, now: str) -> None:
    messages = wrong(BACKEND + FRONTEND + line)
    assert list(messages) == [path]
    assert f"is not available in this version: {now}" in messages[path]


def test_names_of_groups_and_roles_are_checked() -> None:
    text = BACKEND + FRONTEND + '[group."a/b"]\nbackend = "pool"\n[group.g]\nbackend = "pool"\n'
    messages = wrong(text + "[group.g.role.contrl]\n")
    assert list(messages) == ['group."a/b"', "group.g.role.contrl"]
    assert messages['group."a/b"'].endswith('as "ftp-servers"; got "a/b"')
    assert messages["group.g.role.contrl"].startswith("cannot be called so: wants one of ")
    assert messages["group.g.role.contrl"].endswith('got "contrl", did you mean "control"?')


def test_a_group_knows_its_name() -> None:
    text = BACKEND + FRONTEND + '[group.g]\nbackend = "pool"'
    assert load(text, "f").groups["g"].name == "g"


def test_declared_roles_replace_the_one_that_is_there_by_default() -> None:
    text = BACKEND + FRONTEND + '[group.g]\nbackend = "pool"\nrole.control.principal = true'
    assert list(load(text, "f").groups["g"].roles) == ["control"]


def test_an_ftp_session_is_idle_after_a_quarter_of_an_hour() -> None:
    settings = load(BACKEND + FTP, "f")
    assert settings.frontends[0].timeout.idle == settings.groups["ftp"].idle == 900.0
    assert settings.frontends[0].role == "control"


@pytest.mark.parametrize(("written", "idle"), [("never", None), ("1h", 3600.0)])
def test_what_is_written_goes_before_what_a_protocol_presets(
    written: str, idle: float | None
) -> None:
    settings = load(BACKEND + FTP + f'timeout = {{ opening = "9s", idle = "{written}" }}', "f")
    assert settings.frontends[0].timeout.idle == idle
    assert settings.frontends[0].timeout.opening == 9.0


def test_a_preset_does_not_hide_a_wrong_value() -> None:
    assert wrong(BACKEND + FTP + "timeout = 5") == {
        "frontend[ftp].timeout": "wants a table, [frontend.timeout]; got the number 5"
    }
    assert list(wrong(BACKEND + FRONTEND + "protocol = ['ftp']")) == ["frontend[web].protocol"]


def test_a_terminal_may_be_silent_for_ever() -> None:
    settings = load(BACKEND + FRONTEND + 'protocol = "terminal"', "f")
    assert settings.frontends[0].timeout.idle is None


def test_a_plugin_s_protocol_is_taken() -> None:
    plugins = Plugins(protocols=frozenset({"mine"}))
    settings = load(BACKEND + FRONTEND + 'protocol = "mine"', "f", plugins=plugins)
    assert settings.frontends[0].protocol == "mine"


def test_what_is_given_is_told_from_what_is_not() -> None:
    found = Found({"frontend": [{"name": "web"}]}, Lines({}))
    assert found.given(("frontend", 0, "name"))
    assert not found.given(("frontend", 0, "listen"))
    assert not found.given(("frontend", 1))
    assert not found.given(("frontend", 0, "name", "more"))
