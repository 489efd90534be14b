"""Real processes under a service manager that the test plays: what they tell it, and sockets that
it listens with for them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import pytest_twisted

from tests.loopback.site import Site
from tests.loopback.successors import Line, line_of
from tests.loopback.test_reloads import WORD, Echo
from tests.loopback.test_takeover import BEGIN
from tests.managers import Heard, listening
from twisted_lb.terms import Address


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """What every process that is started from now on tells."""
    name = f"{tmp_path}/notify"
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    with listening(name) as found:
        yield found


def main(line: Line) -> str:
    return str(line.serves.process.pid)


@pytest_twisted.ensureDeferred
async def test_the_manager_hears_of_a_start_a_reload_and_a_stop(
    site: Site, tmp_path: Path, heard: Heard
) -> None:
    echo = site.serve("127.0.0.2", "127.0.0.3", protocol=Echo)
    with line_of(tmp_path, echo, 1) as line:
        line.begins()
        await site.until(lambda: heard.says(READY="1", MAINPID=main(line)), BEGIN)
        assert line.serves.says("listening"), "who is ready listens"
        await site.until(lambda: heard.all.count({"WATCHDOG": "1"}) > 2)
        line.serves.process.send_signal(signal.SIGHUP)
        await site.until(lambda: heard.says(READY="1", STATUS="serving, generation 2"))
        reloading = next(i for i, each in enumerate(heard.all) if "RELOADING" in each)
        assert heard.all[reloading]["MONOTONIC_USEC"].isdigit()
        assert heard.all[reloading + 1]["READY"] == "1"
        (tmp_path / "0.toml").write_text("nonsense")
        line.serves.process.send_signal(signal.SIGHUP)
        await site.until(lambda: "not reloaded" in heard.all[-1].get("STATUS", ""))
        line.serves.process.terminate()
        await site.until(lambda: line.serves.process.poll() == 0, BEGIN)
        assert heard.says(STOPPING="1")


@pytest_twisted.ensureDeferred
async def test_a_takeover_hands_the_main_process_on(
    site: Site, tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new one was not started by the manager, and finds it all the same."""
    echo = site.serve("127.0.0.2", "127.0.0.3", protocol=Echo)
    with line_of(tmp_path, echo, 1) as line:
        old = line.begins()
        await site.until(lambda: heard.says(READY="1") and line.listens(), BEGIN)
        monkeypatch.delenv("NOTIFY_SOCKET")
        monkeypatch.delenv("WATCHDOG_USEC")
        line.succeeds()
        await site.until(lambda: heard.says(READY="1", MAINPID=main(line)), BEGIN)
        named = [each["MAINPID"] for each in heard.all if "MAINPID" in each]
        assert named == [str(old.process.pid), main(line), main(line)]
        await site.until(lambda: old.process.poll() == 0, BEGIN)
        assert not heard.says(STOPPING="1"), "the service goes on"
        before = len(heard.all)
        await site.until(lambda: len(heard.all) > before + 2)


CONFIG = """
[[frontend]]
name = "in"
endpoint = "systemd:domain=INET:name=ftp"
backend = "back"
server_port = {server}

[[backend]]
name = "back"
check.type = "off"
server = [{{ name = "a", host = "127.0.0.2" }}]

[log]
access = "{place}/access"

[takeover]
socket = "{place}/takeover"
"""


def activated(place: Path, socket_: socket.socket, *options: str) -> subprocess.Popen[bytes]:
    """A process that gets this listening socket as systemd gives it: descriptor 3."""
    becomes = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); "
        "os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[2], sys.argv[2:])"
    )
    program = (sys.executable, "-m", "twisted", "lb-proxy", "--config", f"{place}/lb.toml")
    with (place / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", becomes, str(socket_.fileno()), *program, *options],
            env=os.environ | {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "ftp"},
            pass_fds=[socket_.fileno()],
            stdout=log,
            stderr=log,
        )


@pytest_twisted.ensureDeferred
async def test_a_socket_of_the_managers_lives_through_reloads_takeovers_and_ends(
    site: Site, tmp_path: Path
) -> None:
    server = site.serve("127.0.0.2", protocol=Echo)
    (tmp_path / "lb.toml").write_text(CONFIG.format(server=server, place=tmp_path))
    access = tmp_path / "access"

    async def echoes(at: Address) -> None:
        talk = await site.connect(at)
        talk.says(WORD)
        await talk.hears(WORD)
        talk.closes()
        await talk.gone()

    def told(what: str, times: int) -> Callable[[], bool]:
        return lambda: access.exists() and access.read_text().count(f'"{what}"') >= times

    with ExitStack() as ends, socket.create_server(("127.0.0.1", 0)) as ours:
        at = Address(*ours.getsockname())
        first = activated(tmp_path, ours)
        ends.callback(first.kill)
        await site.until(told("listening", 1), BEGIN)
        await echoes(at)
        for times in (1, 2):
            first.send_signal(signal.SIGHUP)
            await site.until(told("reloaded", times))
            await echoes(at)
        program = [sys.executable, "-m", "twisted", "lb-proxy", "--config", f"{tmp_path}/lb.toml"]
        second = subprocess.Popen([*program, "--takeover", f"{tmp_path}/takeover"])
        ends.callback(second.kill)
        await site.until(told("took-over", 1), BEGIN)
        await echoes(at)
        second.terminate()
        await site.until(lambda: (first.poll(), second.poll()) == (0, 0), BEGIN)
        waiting = await site.connect(at)  # nobody serves, and nobody is refused
        waiting.says(WORD)
        third = activated(tmp_path, ours)
        ends.callback(third.kill)
        await waiting.hears(WORD)
        third.terminate()
        waiting.closes()
        await site.until(lambda: third.poll() == 0, BEGIN)
