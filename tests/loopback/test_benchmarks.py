"""The benchmarks still run, and what they say of a session's cost still holds."""

import re
import subprocess
import sys
from pathlib import Path

MEMORY = Path(__file__).parents[2] / "benchmarks" / "memory.py"
MOST = {"opaque": 12_000, "ftp": 22_000}
"""Bytes for an idle joined session; half as much again as was measured."""


def test_an_idle_session_costs_what_the_benchmark_says() -> None:
    """300 sessions, since the first hundred pay for memory that the others share."""
    argv = [sys.executable, str(MEMORY), "300"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    found = re.findall(r"(\w+) +300 sessions +\d+ kB +(\d+) bytes each", done.stdout)
    assert [protocol for protocol, _ in found] == ["opaque", "ftp"]
    for protocol, each in found:
        assert 1_000 < int(each) < MOST[protocol]
