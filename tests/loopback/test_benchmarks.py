"""The benchmarks still run, and what they say of a session's cost still holds."""

import re
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MOST = {"opaque": 12_000, "ftp": 22_000}
"""Bytes for an idle joined session; half as much again as was measured."""


def run(name: str, *words: str) -> str:
    """What it prints."""
    argv = [sys.executable, str(BENCHMARKS / name), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


def test_an_idle_session_costs_what_the_benchmark_says() -> None:
    """300 sessions, since the first hundred pay for memory that the others share."""
    printed = run("memory.py", "300")
    found = re.findall(r"(\w+) +300 sessions +\d+ kB +(\d+) bytes each", printed)
    assert [protocol for protocol, _ in found] == ["opaque", "ftp"]
    for protocol, each in found:
        assert 1_000 < int(each) < MOST[protocol]


def test_every_way_of_relaying_tls_passes_on_all_of_it() -> None:
    """It ends with an error when one of them loses a byte; how fast they are is no test."""
    _, *lines = run("tls_relay.py", "1", "1").splitlines()
    figures = r" +[\d.]+ \([\d.]+- *[\d.]+\) +\d+"
    ways = [re.fullmatch(rf"(.{{20}}){figures}{figures}", line) for line in lines]
    assert [way and way[1].split()[0] for way in ways] == (
        ["lb-proxy", "in"] + 5 * ["memory"] + 4 * ["socket"]
    )
