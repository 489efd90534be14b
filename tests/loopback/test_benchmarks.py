"""The benchmarks still run, lose no byte, and what they say of a session's cost still holds.

How fast anything is is no test.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.balancer import SERVER
from benchmarks.generator import Load, Wrong, build, loaded
from benchmarks.rows import TRAFFIC, Idle

CHECKOUT = Path(__file__).parents[2]
MOST = {"opaque": 12_000, "ftp": 22_000}
"""Bytes for an idle joined session; half as much again as was measured."""
compiled = pytest.mark.skipif(not shutil.which("gcc"), reason="the load is C: there is no gcc")


def run(name: str, *words: str) -> str:
    """What it prints."""
    argv = [sys.executable, "-m", name, *words]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, timeout=120)
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


def test_an_idle_session_costs_what_the_benchmark_says() -> None:
    """300 sessions, since the first hundred pay for memory that the others share."""
    printed = run("benchmarks.memory", "300")
    found = re.findall(r"(\w+) +300 sessions +\d+ kB +(\d+) bytes each", printed)
    assert [protocol for protocol, _ in found] == ["opaque", "ftp"]
    for protocol, each in found:
        assert 1_000 < int(each) < MOST[protocol]


def test_every_way_of_relaying_tls_passes_on_all_of_it() -> None:
    """It ends with an error when one of them loses a byte."""
    _, *lines = run("benchmarks.tls_relay", "1", "1").splitlines()
    figures = r" +[\d.]+ \([\d.]+- *[\d.]+\) +\d+"
    ways = [re.fullmatch(rf"(.{{20}}){figures}{figures}", line) for line in lines]
    assert [way and way[1].split()[0] for way in ways] == (
        ["lb-proxy", "in"] + 5 * ["memory"] + 4 * ["socket"]
    )


@compiled
def test_the_whole_benchmark_loses_no_byte_and_serves_every_connection(tmp_path: Path) -> None:
    """Every row, directly, through Twisted's own and through us; all that is moved is looked at."""
    words = ("--rivals", "portforward,lb-proxy", "--rounds", "1", "--scale", "0.03", "--verify")
    run("benchmarks", "--quick", *words, "--write", str(tmp_path))
    found = json.loads((tmp_path / "benchmarks.json").read_text())["rounds"]
    assert found.keys() == {row.name for row in (*TRAFFIC, Idle())}
    for name, rivals in found.items():
        ours = {rival for rival in rivals if rival.startswith("lb-proxy")}
        assert ours
        ftp, tls = name.startswith("ftp"), name.startswith(("tls", "handshake", "ftps", "idle"))
        others = set[str]()
        if not tls:
            others.add("direct")
        if not ftp and "resumed" not in name:
            others.add("portforward")
        assert rivals.keys() - ours == others
        assert all(len(rounds) == 1 and rounds[0] for rounds in rivals.values())
    assert "| bulk up, one connection: CPU" in (tmp_path / "benchmarks.md").read_text()
    ElementTree.parse(tmp_path / "images" / "benchmarks.svg")


@compiled
@pytest.mark.parametrize(
    ("answer", "complaint"),
    [(bytes(5000), "other bytes came"), (b"", "a connection ended before its last byte")],
)
def test_the_load_notices_bytes_that_are_wrong_or_missing(
    tmp_path: Path, answer: bytes, complaint: str
) -> None:
    with socket.create_server((SERVER, 0)) as liar:

        def lie() -> None:
            client, _ = liar.accept()
            with client:
                client.recv(16, socket.MSG_WAITALL)
                client.sendall(answer)

        threading.Thread(target=lie, daemon=True).start()
        load = Load(build(tmp_path), {"clear": liar.getsockname()[1]}, (), verify=True)
        with (
            load.clients(load.ports["clear"], ("bulk", "down", "1", "5000"), None) as clients,
            pytest.raises(Wrong, match=complaint),
        ):
            clients.go()


@compiled
def test_the_load_counts_what_it_moves(tmp_path: Path) -> None:
    with loaded(build(tmp_path), verify=True) as load:
        for way in ("up", "down"):
            with load.clients(load.ports["clear"], ("bulk", way, "3", "3000000"), None) as clients:
                assert clients.go()["bytes"] == 3_000_000
