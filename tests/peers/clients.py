"""Real FTP clients: a visit in, the program that makes it out; and what each cannot do, and why.

Each is told to believe the address in a 227 reply, as far as it can be told: a leaked address must
not be mended by the client.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from itertools import product, starmap
from pathlib import Path

import attrs

from tests.peers import PEERS, environment, program
from tests.peers.cells import MODES, OPERATIONS, Cell, Visit, prepare, verdict

PATIENCE = 40.0
"""Seconds after which a client that has not ended hangs."""

PROGRAMS = Path(__file__).parent / "programs"


@attrs.frozen
class Run:
    """How to start a client, what to type, and whether the user interrupts the download."""

    command: list[str | Path]
    typed: str = ""
    interrupted: bool = False


# -- the clients -----------------------------------------------------------------------------------


def curl(visit: Visit) -> Run:
    """One configuration of several transfers: one connection serves them all."""
    cell, target = visit.cell, visit.target
    host = f"[{target.host}]" if ":" in target.host else target.host
    common = ["verbose", f'user = "{target.user}:{target.password}"', "no-ftp-skip-pasv-ip"]
    common += ["ftp-method = nocwd", "connect-timeout = 10", *CURL_MODES[cell.mode]]
    transfers = [transfer("get/a-marker", 'output = "before"')]
    transfers += [transfer(*CURL_OPERATIONS[cell.operation](visit))]
    transfers += [
        transfer("get/", 'output = "listing"'),
        transfer("get/z-marker", 'output = "after"'),
    ]
    if cell.operation == "list":
        del transfers[1]
    if cell.operation == "abort":
        transfers.append(transfers.pop(1))  # curl closes the session after ABOR
    texts = ["\n".join((*common, *lines)) for lines in transfers]
    text = "\nnext\n".join(texts).replace("ftp://", f"ftp://{host}:{target.port}/")
    (visit.place / "curlrc").write_text(text)
    return Run([program("curl"), "-q", "-sS", "--config", "curlrc"])


def transfer(path: str, *options: str) -> list[str]:
    return [f'url = "ftp://{path}"', *options]


CURL_MODES = {
    "PASV": ["disable-epsv"],
    "EPSV": [],
    "PORT": ["disable-eprt", 'ftp-port = "-"'],
    "EPRT": ['ftp-port = "-"'],
}
CURL_OPERATIONS: dict[str, Callable[[Visit], tuple[str, ...]]] = {
    "list": lambda visit: ("",),
    "upload": lambda visit: (visit.put, 'upload-file = "up"'),
    "append": lambda visit: (visit.put, 'upload-file = "up"', "append"),
    "download": lambda visit: ("get/m-large", 'output = "got"'),
    "resume": lambda visit: ("get/m-large", 'output = "got"', "continue-at = -"),
    "abort": lambda visit: ("get/m-large", 'output = "got"', 'range = "0-9999"'),
}


def lftp(visit: Visit) -> Run:
    cell, target = visit.cell, visit.target
    passive = "on" if cell.mode in ("PASV", "EPSV") else "off"
    operation = {
        "list": "",
        "upload": f"put up -o {visit.put}",
        "resume-upload": f"put -c up -o {visit.put}",
        "download": "get get/m-large -o got",
        "resume": "get -c get/m-large -o got",
        "abort": "cat get/m-large | head -c 10000 > got",
    }[cell.operation]
    script = f"""
        debug 9
        set ftp:ssl-allow off
        set ftp:fix-pasv-address off
        set ftp:passive-mode {passive}
        set ftp:prefer-epsv {"on" if cell.mode == "EPSV" else "off"}
        set net:timeout 10
        set net:max-retries 1
        set xfer:clobber on
        open -p {target.port} -u {target.user},{target.password} {target.host}
        get get/a-marker -o before
        {operation}
        cls get > listing
        get get/z-marker -o after
        """
    (visit.place / "script").write_text(script)
    return Run([program("lftp"), "--norc", "-f", "script"])


def ncftp(visit: Visit) -> Run:
    cell, target = visit.cell, visit.target
    operation = {
        "list": [],
        "upload": [f"put -z up {visit.put}"],
        "append": [f"put -A -f -z up {visit.put}"],
        "resume-upload": [f"put -z up {visit.put}"],
        "download": ["get -z get/m-large got"],
        "resume": ["get -z get/m-large got"],
    }[cell.operation]
    lines = [
        "debug 9",
        f"set passive {'on' if cell.mode == 'PASV' else 'off'}",
        "set confirm-close no",
        f"open -u {target.user} -p {target.password} -P {target.port} {target.host}",
        "get -z get/a-marker before",
        *operation,
        "ls get",
        "get -z get/z-marker after",
        "quit",
    ]
    return Run(["sh", "-c", NCFTP, program("ncftp3")], "\n".join(lines) + "\n")


NCFTP = '"$0" > output; status=$?; cat output; grep -a i-am- output > listing; exit $status'
"""Its listings go nowhere but to its output."""


def tnftp(visit: Visit) -> Run:
    cell, target = visit.cell, visit.target
    operation = {
        "list": [],
        "upload": [f"put up {visit.put}"],
        "append": [f"append up {visit.put}"],
        "resume-upload": [f"restart {visit.half}", f"put up {visit.put}"],
        "download": ["get get/m-large got"],
        "resume": ["reget get/m-large got"],
        "abort": ["rate get 100000", "get get/m-large got", "rate get 0"],
    }[cell.operation]
    family = "epsv6" if ":" in target.host else "epsv4"
    lines = [
        "prompt off",
        "preserve off",
        f"open {target.host} {target.port}",
        f"user {target.user} {target.password}",
        "binary",
        f"{family} {'on' if cell.mode.startswith('E') else 'off'}",
        f"passive {'on' if cell.mode in ('PASV', 'EPSV') else 'off'}",
        "get get/a-marker before",
        *operation,
        "dir get listing",
        "get get/z-marker after",
        "quit",
    ]
    command = [program("tnftp"), "-d", "-n", "-v"]
    return Run(command, "\n".join(lines) + "\n", interrupted=cell.operation == "abort")


def wget(visit: Visit) -> Run:
    """A pattern: one session lists the directory and downloads what matches, in order of names."""
    cell, target = visit.cell, visit.target
    host = f"[{target.host}]" if ":" in target.host else target.host
    pattern = "*-marker" if cell.operation == "list" else "*"
    passive = [] if cell.mode in ("PASV", "EPSV") else ["--no-passive-ftp"]
    return Run(
        ["sh", "-c", WGET, program("wget"), "--debug", "--no-verbose", "--tries=1", "--timeout=10",
         "--no-config", "--no-hsts", "--no-remove-listing", "--no-directories", "--continue",
         f"--user={target.user}", f"--password={target.password}", *passive,
         f"ftp://{host}:{target.port}/get/{pattern}"]
    )  # fmt: skip


WGET = """
    [ ! -f got ] || mv got m-large
    "$0" "$@" 2>&1; status=$?
    mv .listing listing; mv a-marker before; mv z-marker after
    [ ! -f m-large ] || mv m-large got
    exit $status
"""
"""The names that the other clients give to what they download."""


def ftplib(visit: Visit) -> Run:
    return Run([sys.executable, PROGRAMS / "ftplib_cell.py", visit.task()])


def aioftp(visit: Visit) -> Run:
    python = PEERS / "aioftp" / "bin" / "python"
    return Run([python, PROGRAMS / "aioftp_cell.py", visit.task()])


def basicftp(visit: Visit) -> Run:
    library = PEERS / "npm" / "node_modules" / "basic-ftp"
    return Run([program("node"), PROGRAMS / "basicftp_cell.js", library, visit.task()])


CLIENTS: dict[str, Callable[[Visit], Run]] = {
    "curl": curl,
    "lftp": lftp,
    "ncftp": ncftp,
    "tnftp": tnftp,
    "wget": wget,
    "ftplib": ftplib,
    "aioftp": aioftp,
    "basic-ftp": basicftp,
}

# -- what they cannot do ---------------------------------------------------------------------------

IPV4 = "is a command of IPv4"

CANNOT = {
    ("curl", "*", "resume-upload"): "resumes an upload by APPE",
    ("lftp", "EPRT", "*"): "uses PORT on IPv4",
    ("lftp", "*", "append"): "has no APPE",
    ("ncftp", "EPSV", "*"): "has no EPSV",
    ("ncftp", "EPRT", "*"): "has no EPRT",
    ("ncftp", "*", "abort"): "aborts only at a terminal",
    ("wget", "EPSV", "*"): "uses PASV on IPv4",
    ("wget", "EPRT", "*"): "uses PORT on IPv4",
    ("wget", "*", "upload"): "only downloads",
    ("wget", "*", "append"): "only downloads",
    ("wget", "*", "resume-upload"): "only downloads",
    ("wget", "*", "abort"): "never aborts",
    ("aioftp", "PORT", "*"): "has no active mode",
    ("aioftp", "EPRT", "*"): "has no active mode",
    ("basic-ftp", "PORT", "*"): "has no active mode",
    ("basic-ftp", "EPRT", "*"): "has no active mode",
    ("basic-ftp", "*", "resume-upload"): "resumes an upload by APPE",
    ("basic-ftp", "*", "abort"): "aborts by closing the session",
}
"""(client, mode, operation) → why it has no such cell."""

CANNOT_6 = {("ncftp", "*", "*"): "has no IPv6", ("*", "PASV", "*"): IPV4, ("*", "PORT", "*"): IPV4}
"""The same on IPv6, where what CANNOT says of IPv4 does not hold."""


def cannot(cell: Cell) -> str:
    """Why the client has no such cell; empty when it has."""
    only = {key: why for key, why in CANNOT.items() if "IPv4" not in why}
    table = CANNOT if cell.family == 4 else only | CANNOT_6
    asked = product((cell.client, "*"), (cell.mode, "*"), (cell.operation, "*"))
    return next((table[key] for key in asked if key in table), "")


def cells(family: int = 4) -> list[Cell]:
    """Every cell that some client has."""
    every = starmap(Cell, product(CLIENTS, MODES, OPERATIONS, [family]))
    return [cell for cell in every if not cannot(cell)]


# -- running ---------------------------------------------------------------------------------------


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
