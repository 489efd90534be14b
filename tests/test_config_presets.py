"""A preset fills in what its table does not say, and nothing else."""

import pytest

from tests.configs import BACKEND, wrong
from twisted_lb.config.dump import dump
from twisted_lb.config.load import load
from twisted_lb.config.presets import PRESETS
from twisted_lb.config.settings import Settings

CERTIFICATE = '[[frontend.tls.certificate]]\nfile = "/front.pem"\n'


def text(name: str, frontend: str = "", group: str = "", backend: str = "") -> str:
    """A whole configuration, each table of which has as much of this preset as there is."""
    said = {
        kind: f'preset = "{name}"' if kind in PRESETS[name] else ""
        for kind in ("frontend", "group", "backend")
    }
    certificate = CERTIFICATE if name == "lb-gateway-terminated" else ""
    role = 'role = "control"' if name == "reflection-ftp" else ""
    return f"""
[[frontend]]
{said["frontend"]}
name = "front"
listen = "*:3000"
group = "site"
{role}
{frontend}
{certificate}
[group.site]
{said["group"]}
backend = "pool"
{group}
{BACKEND}
{said["backend"]}
{backend}
"""


def loaded(text: str) -> Settings:
    return load(text, "lb.toml")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_whole_and_is_dumped_as_plain_settings(name: str) -> None:
    settings = loaded(text(name))
    assert "preset" not in dump(settings)
    assert loaded(dump(settings)) == settings


OTHERWISE = (
    {"frontend": 'tls.mode = "off"'},
    {"frontend": 'tls.mode = "pass"'},
    {"group": 'key = "source"'},
    {"group": 'key = ["source"]'},
    {"backend": 'balance = "random-two"'},
    {"backend": 'check = { type = "off" }'},
    {"backend": 'tls.mode = "off"\ncheck = { type = "tcp" }'},
)
NEED_TLS = ("lb-gateway", "lb-gateway-terminated")
"""Presets whose keys are shown in one way of TLS only."""


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (name, written)
        for name in PRESETS
        for written in OTHERWISE
        if "frontend" not in written or name not in NEED_TLS
    ],
    ids=str,
)
def test_what_is_written_makes_no_riddle_of_the_rest(name: str, written: dict[str, str]) -> None:
    """What a preset says beside it and nothing reads any more, is as if it had not been said."""
    settings = loaded(text(name, **written))
    assert loaded(dump(settings)) == settings


def test_what_is_written_wins_key_by_key() -> None:
    settings = loaded(
        text(
            "reflection-ftp",
            "timeout.pin = '5s'",
            "linger = '5s'\nrole.data.server_port = 32000",
            "check.interval = '9s'\nslow_start = '0s'",
        )
    )
    group, backend = settings.groups["site"], settings.backends["pool"]
    assert settings.frontends[0].tls.mode == "pass"
    assert (group.key, group.linger) == (("source",), 5.0)
    assert group.roles["control"].principal
    assert group.roles["data"].server_port == 32000
    assert (backend.check.interval, backend.check.fall, backend.slow_start) == (9.0, 5, 0.0)


def test_a_list_that_is_written_is_the_whole_list() -> None:
    settings = loaded(text("reflection-proxy", group='key = ["sni", "source"]'))
    assert settings.groups["site"].key == ("sni", "source")


def test_only_tables_that_name_it_have_it() -> None:
    settings = loaded(text("reflection-proxy") + BACKEND.replace("pool", "other"))
    assert settings.backends["pool"].balance == "least-connections"
    assert settings.backends["other"].balance == "least-sessions"


def test_the_role_of_a_protocol_s_own_preset_comes_after() -> None:
    """Both say nothing where the other one has spoken."""
    settings = loaded(text("tn3270e"))
    assert settings.frontends[0].protocol == "terminal"
    assert settings.frontends[0].role == "terminal"


def test_a_preset_that_nobody_knows() -> None:
    messages = wrong(text("tn5250").replace('preset = "tn5250"', 'preset = "tn5205"', 1))
    assert list(messages) == ["frontend[front].preset"]
    assert 'wants the name of a preset, got "tn5205"' in messages["frontend[front].preset"]
    assert 'did you mean "tn5250"?' in messages["frontend[front].preset"]


def test_a_preset_that_is_no_name() -> None:
    messages = wrong(text("tn5250").replace('preset = "tn5250"', "preset = 7", 1))
    assert 'there are "reflection-proxy", ' in messages["frontend[front].preset"]


def test_a_preset_that_is_not_for_this_table() -> None:
    messages = wrong(text("metering-pinned", "preset = 'metering-pinned'"))
    assert messages == {
        "frontend[front].preset": '"metering-pinned" says nothing of a frontend: it is for group '
        "and backend"
    }


def test_a_preset_elsewhere_is_an_unknown_key() -> None:
    assert list(wrong(text("tn5250") + '[log]\npreset = "tn5250"')) == ["log.preset"]


@pytest.mark.parametrize("text", ["frontend = 5", "frontend = [5]", "group = 5", "backend = 5"])
def test_tables_that_are_none_are_told_as_such(text: str) -> None:
    """The reader tells it, not the preset."""
    assert any("wants" in message for message in wrong(text).values())
