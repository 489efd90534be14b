"""What an operator is told of what happened, whatever the peers and the disk do."""

from __future__ import annotations

import errno
import json
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogLevel, globalLogPublisher

from twisted_lb.config.settings import Log
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
from twisted_lb.observe import (
    Counters,
    Lines,
    Output,
    Sink,
    fanout,
    file,
    json_line,
    open_log,
    standard,
)
from twisted_lb.terms import Address

from .conftest import Errors

WALL = 1_700_000_000.25


def transfer(path: str = "/a", user: str = "alice") -> TransferEnded:
    return TransferEnded("s-1", user, "pool/a", "RETR", path, 10, 0.5, "done", 226)


def ended(**more: Any) -> ConnectionEnded:
    given = {
        "connection": "c-1",
        "frontend": "ftp",
        "client": Address("2001:db8::1", 50000),
        "ending": "done",
        "seconds": 1.5,
        **more,
    }
    return ConnectionEnded(**given)


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


class TestLine:
    def test_a_connection(self) -> None:
        told = json.loads(json_line(ended(role="data", session="s-1", from_server=9), WALL))
        assert told == {
            "time": "2023-11-14T22:13:20.250Z",
            "fact": "connection-ended",
            "connection": "c-1",
            "frontend": "ftp",
            "client": "[2001:db8::1]:50000",
            "ending": "done",
            "seconds": 1.5,
            "session": "s-1",
            "role": "data",
            "server": "",
            "from_client": 0,
            "from_server": 9,
            "detail": "",
        }

    def test_a_transfer(self) -> None:
        """T94: session, user, server, command, path, bytes, seconds, ending."""
        told = json.loads(json_line(transfer(), WALL))
        assert list(told)[2:] == [
            "session",
            "user",
            "server",
            "command",
            "path",
            "bytes",
            "seconds",
            "ending",
            "reply",
            "client_tls",
            "server_tls",
        ]

    def test_a_client_that_is_not_known_is_null(self) -> None:
        assert json.loads(json_line(ended(client=None), WALL))["client"] is None

    @pytest.mark.parametrize(
        "hostile",
        [
            "a\r\n{}",
            "\x1b]0;owned\x07",
            "safe\u202egnp.exe",
            'quo"te\\',
            "\udc80\ud800",
            "\x7f\x9b31m\u2028\0",
        ],
    )
    def test_hostile_text_is_one_line_that_no_terminal_obeys(self, hostile: str) -> None:
        """Attack 18."""
        told = json_line(transfer(hostile, hostile), WALL)
        assert told.endswith("}\n") and all(32 <= ord(c) < 127 for c in told[:-1])
        assert json.loads(told)["path"] == hostile

    @given(st.text(st.characters()))
    def test_any_text_is_one_line_and_comes_back(self, text: str) -> None:
        told = json_line(transfer(text), WALL)
        assert told.isascii() and told[:-1].isprintable()
        assert json.loads(told)["path"] == text

    @pytest.mark.parametrize("odd", [float("nan"), float("inf")])
    def test_a_number_that_json_does_not_know_is_null(self, odd: float) -> None:
        assert json.loads(json_line(ended(seconds=odd), WALL))["seconds"] is None


class TestLines:
    def test_each_fact_is_one_line_but_for_those_who_measure(self) -> None:
        written: list[str] = []
        note = Lines(written.append, lambda: WALL)
        note(transfer())
        note(Checked("pool/a", True, 0.1))
        note(Secured("client", "TLSv1.3", False))
        note(Announced("started"))
        assert [json.loads(each)["fact"] for each in written] == ["transfer-ended", "announced"]

    def test_a_full_disk_costs_lines_and_is_told_once(self, logged: list[dict[str, Any]]) -> None:
        written: list[str] = []
        full = True

        def write(text: str) -> None:
            if full:
                raise OSError(errno.ENOSPC, "No space left on device")
            written.append(text)

        note = Lines(write, lambda: WALL)
        for _ in range(100):
            note(transfer())
        assert (note.lost, len(written)) == (100, 0)
        full = False
        note(transfer())
        assert (note.lost, len(written)) == (100, 1)
        assert [event["log_level"] for event in logged] == [LogLevel.error, LogLevel.info]

    def test_a_closed_file_costs_lines(self, tmp_path: Path) -> None:
        stream = (tmp_path / "log").open("w")
        stream.close()
        note = Lines(stream.write, lambda: WALL)
        note(transfer())
        assert note.lost == 1


class TestFanout:
    def test_one_failing_observer_does_not_stop_the_others(self, clean_reactor: Errors) -> None:
        seen: list[Fact] = []

        def broken(fact: Fact) -> None:
            raise RuntimeError("a bug")

        fanout(seen.append, broken, seen.append)(transfer())
        assert seen == [transfer(), transfer()]
        [traceback] = clean_reactor.seen
        assert "a bug" in traceback
        clean_reactor.seen.clear()


class TestOutput:
    def test_off_writes_nowhere(self) -> None:
        output = open_log(Log("off"))
        output("a\n")
        output.close()

    def test_a_file_is_appended_to(self, tmp_path: Path) -> None:
        path = tmp_path / "access.log"
        for text in ("a\n", "b\n"):
            output = open_log(Log(str(path)))
            output(text)
            output.close()
        assert path.read_text() == "a\nb\n"
        assert path.stat().st_mode & 0o007 == 0, "not for everybody to read"

    def test_a_file_that_cannot_be_opened_stops_the_start(self, tmp_path: Path) -> None:
        with pytest.raises(OSError):
            open_log(Log(str(tmp_path / "missing" / "access.log")))

    def test_after_a_rotation_lines_go_to_the_new_file(self, tmp_path: Path) -> None:
        path = tmp_path / "access.log"
        output = open_log(Log(str(path)))
        output("old\n")
        path.rename(tmp_path / "access.log.1")
        output.reopen()
        output("new\n")
        output.close()
        assert (tmp_path / "access.log.1").read_text() == "old\n"
        assert path.read_text() == "new\n"

    def test_a_rotation_that_fails_keeps_the_old_file(
        self, tmp_path: Path, logged: list[dict[str, Any]]
    ) -> None:
        folder = tmp_path / "logs"
        folder.mkdir()
        output = Output(partial(file, str(folder / "access.log")))
        folder.rename(tmp_path / "moved")
        output.reopen()
        output("kept\n")
        output.close()
        assert (tmp_path / "moved" / "access.log").read_text() == "kept\n"
        assert [event["log_level"] for event in logged] == [LogLevel.error]

    def test_half_a_line_is_finished_before_the_next_one(self) -> None:
        taken: list[bytes] = []
        room = [2, 1, 99, 99]

        def put(data: bytes) -> int:
            taken.append(data[: room.pop(0)])
            return len(taken[-1])

        output = Output(lambda: Sink(put, lambda: None))
        output("abcd\n")
        with pytest.raises(BlockingIOError):
            output("lost\n")
        output("efg\n")
        assert b"".join(taken) == b"abcd\nefg\n"

    def test_a_stuck_reader_of_our_output_costs_lines_and_never_time(self) -> None:
        """A pipe that nobody reads fills up; the write returns all the same."""
        reader, writer = os.pipe()
        try:
            output = Output(partial(standard, writer))
            note = Lines(output, lambda: WALL)
            for _ in range(2000):
                note(transfer("x" * 100))
            assert 0 < note.lost < 2000
            assert os.get_blocking(writer), "the descriptor of others is left as it was"
            output.close()
        finally:
            os.close(writer)
            text = b""
            while chunk := os.read(reader, 65536):
                text += chunk
            os.close(reader)
        whole = text[: text.rindex(b"\n")].split(b"\n")
        assert len(whole) >= 2000 - note.lost - 1
        assert all(json.loads(each)["path"] == "x" * 100 for each in whole)

    def test_a_stuck_journal_costs_lines_and_never_time(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            output = Output(partial(standard, ours.fileno()))
            note = Lines(output, lambda: WALL)
            for _ in range(5000):
                note(transfer("x" * 100))
            assert 0 < note.lost < 5000
            output.close()

    def test_a_terminal(self) -> None:
        leader, follower = pty.openpty()
        try:
            output = Output(partial(standard, follower))
            output("a\n")
            output.close()
            assert os.read(leader, 100) == b"a\r\n"
        finally:
            os.close(leader)
            os.close(follower)

    def test_without_proc_the_pipe_is_still_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(path: str, flags: int) -> int:
            raise FileNotFoundError(path)

        reader, writer = os.pipe()
        try:
            with monkeypatch.context() as patch:
                patch.setattr(os, "open", missing)
                output = Output(partial(standard, writer))
            output("a\n")
            output.close()
            assert os.read(reader, 100) == b"a\n"
        finally:
            os.close(reader)
            os.close(writer)

    def test_stdout_that_is_a_file_keeps_what_others_wrote(self, tmp_path: Path) -> None:
        code = (
            "from twisted_lb.config.settings import Log\n"
            "from twisted_lb.observe import open_log\n"
            "print('mine', flush=True)\n"
            "open_log(Log('stdout'))('line\\n')\n"
            "print('mine', flush=True)\n"
        )
        with (tmp_path / "out").open("w") as stream:
            subprocess.run([sys.executable, "-c", code], stdout=stream, check=True)
        assert (tmp_path / "out").read_text() == "mine\nline\nmine\n"


class TestCounters:
    def test_everything_is_counted_by_what_it_is_of(self) -> None:
        counters = Counters()
        for fact in (
            ended(role="control", from_client=1, from_server=2),
            ended(role="data", from_client=10, from_server=20),
            ended(ending="no-server"),
            SessionEnded("s-1", "proxies", "pool/a", "done", 3.0, 2, "source"),
            SessionEnded("s-2", "proxies", "pool/a", "done", 3.0, 7, "carried"),
            SessionEnded("s-3", "proxies", "pool/a", "done", 3.0, 3, "carried"),
            transfer(),
            transfer(),
            AttackSeen("bounce", "ftp", None),
            ServerChanged("pool/a", "down", "connect: refused"),
            ServerChanged("pool/a", "up", "connected"),
            ServerChanged("pool/a", "down", "connect: refused"),
            CertificateExpiring("pool/a", 3.0),
            Checked("pool/a", True, 0.1),
            Secured("client", "TLSv1.3", False),
            Announced("started"),
        ):
            counters(fact)
        assert counters.snapshot() == {
            "connections": {"ftp": {"done": 2, "no-server": 1}},
            "channels": {"control": 1, "data": 1},
            "sessions": {"proxies": {"done": 3}},
            "keys": {"proxies": {"source": 1, "carried": 2}},
            "channels_of_one_session": {"proxies": 7},
            "bytes": {"from_client": 11, "from_server": 22, "transferred": 20},
            "transfers": {"done": 2},
            "attacks": {"bounce": 1},
            "servers": {"pool/a": {"down": 2, "up": 1}},
            "other": {"certificate-expiring": 1, "announced": 1},
        }

    def test_a_snapshot_stands_still(self) -> None:
        counters = Counters()
        counters(ended())
        before = counters.snapshot()
        counters(ended())
        assert before["connections"] == {"ftp": {"done": 1}}
