"""Has one session: a visit in, why it failed out, or nothing when it passed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.peers import environment
from tests.peers.cells import Visit, prepare, verdict
from tests.peers.clients import CLIENTS

PATIENCE = 40.0
"""Seconds after which a client that has not ended hangs."""


def measure(visit: Visit, homes: Mapping[str, Path]) -> str:
    """Make the visit, in the network namespace of this thread; why it failed, or nothing."""
    prepare(visit, homes)
    run = CLIENTS[visit.cell.client](visit)
    (visit.place / "typed").write_text(run.typed)
    log = visit.place / "log"
    with log.open("wb") as output, (visit.place / "typed").open("rb") as typed:
        process = subprocess.Popen(
            run.command, stdin=typed, stdout=output, stderr=output, cwd=visit.place,
            env={**environment(), "HOME": str(visit.place)}, start_new_session=True,
        )  # fmt: skip
    ended = see_to_its_end(process, visit.place / "got" if run.interrupted else None)
    said = log.read_text(errors="replace")
    complaint = verdict(visit, said, homes)
    last = f"its last words: {said.strip().rpartition(chr(10))[2][:100]}" if complaint else ""
    return "; ".join(part for part in (ended, complaint, last) if part)


def see_to_its_end(process: subprocess.Popen[bytes], download: Path | None) -> str:
    """Interrupt it when the download has begun, wait, and kill it when it hangs; "hangs" if so."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if download and download.exists() and download.stat().st_size:
            process.send_signal(signal.SIGINT)
            download = None
        time.sleep(0.01)
    if process.poll() is not None:
        return ""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return "hangs"
