"""What a cell is: one session of one client in one mode with one operation, and what must hold.

A session downloads a marker file, does its operation, lists a directory and downloads another
marker. Passed means: the client's own log shows the commands that were meant and one login, hashes
are equal, and both markers, the listing and the place of an upload on disk name the same server.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

import attrs

MODES = ("PASV", "EPSV", "PORT", "EPRT")
OPERATIONS = ("list", "upload", "download", "resume", "resume-upload", "append", "abort")

NEEDED = {
    "list": {"LIST|MLSD|NLST"},
    "upload": {"STOR"},
    "download": {"RETR"},
    "resume": {"REST", "RETR"},
    "resume-upload": {"REST", "STOR"},
    "append": {"APPE"},
    "abort": {"RETR", "ABOR"},
}
"""Operation → commands that the client must have sent."""

SENT = re.compile(r"^(?:> |---> |--> |Cmd: |\*cmd\* ')([A-Z]{3,4})\b", re.MULTILINE)
"""A command in a client's log: curl, aioftp and basic-ftp; lftp and tnftp; wget; ncftp; ftplib."""

ABORTED = ("receive aborted. Waiting for remote", "*put urgent* b'ABOR")
"""How tnftp and ftplib tell that they sent ABOR, as urgent data."""


@attrs.frozen
class Cell:
    client: str
    mode: str
    operation: str
    family: int = 4

    def __str__(self) -> str:
        return f"{self.client}/{self.mode}/{self.operation}"


@attrs.frozen
class Tls:
    """How a client protects its session."""

    implicit: bool = False
    version: str = "1.3"
    private: bool = True
    """Its data connections, too."""

    def __str__(self) -> str:
        return (
            f"{'implicit' if self.implicit else 'explicit'}-{self.version}"
            f"-{'P' if self.private else 'C'}"
        )


@attrs.frozen
class Target:
    """Where a client goes, and as whom; `tls`: how, and whose certificates it trusts."""

    host: str
    port: int
    user: str
    password: str
    tls: Tls | None = None
    ca: str = ""


@attrs.frozen
class Visit:
    """One cell about to be measured: the target, and a directory that is not there yet."""

    cell: Cell
    target: Target
    place: Path
    large: bytes
    """What `get/m-large` holds on every server, and what is uploaded."""

    @property
    def half(self) -> int:
        return len(self.large) // 2

    @property
    def put(self) -> str:
        """The name of the upload on the server: no other visit has it."""
        return f"put/{self.place.name}"

    def task(self) -> str:
        """All of it, for a program of its own."""
        told = {**attrs.asdict(self.target), "mode": self.cell.mode, "put": self.put}
        return json.dumps({**told, "operation": self.cell.operation, "half": self.half})


def prepare(visit: Visit, homes: Mapping[str, Path]) -> None:
    """What must be there before: the file to send, the half that is resumed, on both sides."""
    visit.place.mkdir(parents=True)
    (visit.place / "up").write_bytes(visit.large)
    if visit.cell.operation == "resume":
        (visit.place / "got").write_bytes(visit.large[: visit.half])
    for home in homes.values():
        there = home / visit.put
        there.unlink(missing_ok=True)
        if visit.cell.operation in ("append", "resume-upload"):
            there.write_bytes(visit.large[: visit.half])
            there.chmod(0o666)


def verdict(visit: Visit, log: str, homes: Mapping[str, Path]) -> str:
    """Why this session is not what was meant; empty when it is. `homes`: server → its home."""
    complaints = [
        complaint for complaint in (*_commands(visit.cell, log), *_contents(visit, homes))
    ]
    return "; ".join(complaints)


def _commands(cell: Cell, log: str) -> list[str]:
    sent = SENT.findall(log) + ["ABOR"] * any(told in log for told in ABORTED)
    wrong = []
    if sent.count("PASS") != 1:
        wrong.append(f"{sent.count('PASS')} logins")
    if set(sent) & set(MODES) != {cell.mode}:
        wrong.append(f"used {sorted(set(sent) & set(MODES))} for {cell.mode}")
    for needed in NEEDED[cell.operation]:
        if not set(needed.split("|")) & set(sent):
            wrong.append(f"{needed} was never sent")
    return wrong


def _contents(visit: Visit, homes: Mapping[str, Path]) -> list[str]:
    named = {part: _server(visit.place / part) for part in ("before", "after", "listing")}
    wrong = [f"no {part}" for part, server in named.items() if not server]
    downloads = visit.cell.operation in ("download", "resume")
    if downloads and _hash(visit.place / "got") != hashlib.sha256(visit.large).hexdigest():
        wrong.append("what was downloaded is not what is on the server")
    if visit.cell.operation in EXPECTED:
        touched, right = _uploads(visit, homes)
        named["upload"] = "+".join(touched)
        if not right:
            wrong.append("what is on the server is not what was uploaded")
    if len(set(named.values()) - {""}) > 1:
        wrong.append("astray: " + ", ".join(f"{part} {server}" for part, server in named.items()))
    return wrong


EXPECTED = {
    "upload": lambda large, half: large,
    "resume-upload": lambda large, half: large,
    "append": lambda large, half: large[:half] + large,
}
"""Operation → what must be on the server afterwards."""


def _uploads(visit: Visit, homes: Mapping[str, Path]) -> tuple[list[str], bool]:
    """The servers whose file was made or changed, and whether it now is what it should be."""
    expected = EXPECTED[visit.cell.operation](visit.large, visit.half)
    before = b"" if visit.cell.operation == "upload" else visit.large[: visit.half]
    there = {name: home / visit.put for name, home in homes.items()}
    found = {name: path.read_bytes() if path.exists() else b"" for name, path in there.items()}
    touched = [name for name, content in found.items() if content != before]
    return touched, bool(touched) and all(found[name] == expected for name in touched)


def _server(path: Path) -> str:
    """The server that a marker or a listing names; empty when none."""
    text = path.read_text(errors="replace") if path.exists() else ""
    named = re.findall(r"i-am-(\w+)", text)
    return str(named[0]) if named else text.strip()


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "nothing"
