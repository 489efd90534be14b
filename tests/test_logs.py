"""Lines go where they belong: to the access log, or to the file of a frontend that is observed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twisted_lb.config.document import Document, WrittenFrontend
from twisted_lb.config.meaning import Meaning
from twisted_lb.config.settings import Frontend, Log, Settings
from twisted_lb.facts import Announced, ChannelObserved, ConnectionEnded
from twisted_lb.logs import CannotWrite, Logs, unwritable
from twisted_lb.sight import Sources
from twisted_lb.terms import Address

CLIENT = Address("192.0.2.7", 50_000)


def observed(frontend: str) -> ChannelObserved:
    told = ConnectionEnded("c1", frontend, CLIENT, "done", 1.0)
    return Sources().arrives(CLIENT.host, 3000, 0.0).ended(told, 1.0)


def told(path: Path) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line["fact"], line.get("frontend", "")) for line in lines]


def settings(tmp_path: Path, *observing: tuple[str, str]) -> Settings:
    frontends = tuple(
        Frontend(name, observe=str(tmp_path / file) if file else "") for name, file in observing
    )
    return Settings(frontends, {}, {}, log=Log(str(tmp_path / "access")))


def logs(settings: Settings) -> Logs:
    return Logs(settings.log, lambda: 0.0, settings.frontends)


def test_what_is_observed_is_in_its_frontend_s_file_and_nowhere_else(tmp_path: Path) -> None:
    note = logs(settings(tmp_path, ("control", "one"), ("data", "two"), ("web", "")))
    for fact in (observed("control"), Announced("stopped"), observed("data")):
        note(fact)
    assert told(tmp_path / "access") == [("announced", "")]
    assert told(tmp_path / "one") == [("channel-observed", "control")]
    assert told(tmp_path / "two") == [("channel-observed", "data")]


def test_frontends_may_share_a_file(tmp_path: Path) -> None:
    note = logs(settings(tmp_path, ("control", "one"), ("data", "one")))
    note(observed("data"))
    note(observed("control"))
    assert [frontend for _, frontend in told(tmp_path / "one")] == ["data", "control"]


def test_every_file_is_opened_anew(tmp_path: Path) -> None:
    note = logs(settings(tmp_path, ("control", "one")))
    for name in ("access", "one"):
        (tmp_path / name).rename(tmp_path / f"{name}.1")
    note.reopen()
    note(observed("control"))
    note(Announced("stopped"))
    assert len(told(tmp_path / "one")) == len(told(tmp_path / "access")) == 1
    assert not told(tmp_path / "one.1")


def test_a_file_that_cannot_be_written_is_named_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite) as raised:
        logs(settings(tmp_path, ("control", "nowhere/seen")))
    name = tmp_path / "nowhere/seen"
    assert str(raised.value) == (
        f"frontend[control].observe: {name}: cannot be written: No such file or directory"
    )


def test_a_check_says_so_beforehand_and_creates_nothing(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    several = (("a", "nowhere/seen"), ("b", "directory"), ("c", "fine"), ("d", ""))
    written = settings(tmp_path, *several)
    frontends = tuple(WrittenFrontend(one.name, observe=one.observe) for one in written.frontends)
    found = unwritable(Meaning.of(Document(frontends, log=written.log)))
    assert [(complaint.path, complaint.message) for complaint in found] == [
        (
            ("frontend", 0, "observe"),
            f"{tmp_path}/nowhere/seen cannot be written: there is no directory {tmp_path}/nowhere",
        ),
        (("frontend", 1, "observe"), f"{tmp_path}/directory is a directory"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["directory"]


def test_other_settings_may_be_tried_and_then_used(tmp_path: Path) -> None:
    """What was seen of a channel whose frontend is not observed any more goes nowhere."""
    note = logs(settings(tmp_path, ("control", "one")))
    other = Log(str(tmp_path / "two"), format="text")
    opened = note.opened(other, (Frontend("web", observe=str(tmp_path / "three")),))
    note(Announced("before"))
    note.use(opened)
    note(Announced("after"))
    note(observed("control"))
    note(observed("web"))
    assert [line["what"] for line in map(json.loads, (tmp_path / "access").open())] == ["before"]
    assert "announced what=after" in (tmp_path / "two").read_text()
    assert (tmp_path / "one").read_text() == ""
    assert told(tmp_path / "three") == [("channel-observed", "web")]


def test_settings_that_cannot_be_used_leave_everything_as_it_was(tmp_path: Path) -> None:
    note = logs(settings(tmp_path))
    with pytest.raises(CannotWrite, match="/nowhere/log"):
        note.opened(Log("/nowhere/log"), ())
    note(Announced("still here"))
    assert "still here" in (tmp_path / "access").read_text()
