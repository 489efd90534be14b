"""Real FTP clients: a visit in, the program that makes it out.

Each is told to believe the address in a 227 reply, as far as it can be told: a leaked address must
not be mended by the client.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import attrs

from tests.peers import PEERS, program
from tests.peers.cells import Target, Visit

PROGRAMS = Path(__file__).parent / "programs"


@attrs.frozen
class Run:
    """How to start a client, what to type, and whether the user interrupts the download."""

    command: list[str | Path]
    typed: str = ""
    interrupted: bool = False


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
    common += curl_tls(target)
    texts = ["\n".join((*common, *lines)) for lines in transfers]
    scheme = "ftps" if target.tls is not None and target.tls.implicit else "ftp"
    text = "\nnext\n".join(texts).replace("ftp://", f"{scheme}://{host}:{target.port}/")
    (visit.place / "curlrc").write_text(text)
    return Run([program("curl"), "-q", "-sS", "--config", "curlrc"])


def curl_tls(target: Target) -> list[str]:
    if target.tls is None:
        return []
    required = "ssl-reqd" if target.tls.private else "ftp-ssl-control"
    version = target.tls.version
    trust = [f'cacert = "{target.ca}"', required, f"tlsv{version}", f"tls-max = {version}"]
    return [*trust, "fail-early", "max-time = 15"]  # 7.88 waits for ever when active data fail


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
    scheme = "ftps://" if target.tls is not None and target.tls.implicit else ""
    script = f"""
        debug 9
        {lftp_tls(target)}
        set ftp:fix-pasv-address off
        set ftp:passive-mode {passive}
        set ftp:prefer-epsv {"on" if cell.mode == "EPSV" else "off"}
        set net:timeout 10
        set net:max-retries 1
        set xfer:clobber on
        open -p {target.port} -u {target.user},{target.password} {scheme}{target.host}
        get get/a-marker -o before
        {operation}
        cls get > listing
        get get/z-marker -o after
        """
    (visit.place / "script").write_text(script)
    return Run([program("lftp"), "--norc", "-f", "script"])


def lftp_tls(target: Target) -> str:
    if target.tls is None:
        return "set ftp:ssl-allow off"
    private = "true" if target.tls.private else "false"
    return f"""set ssl:ca-file {target.ca}
        set ssl:priority NORMAL:-VERS-ALL:+VERS-TLS{target.tls.version}
        set ftp:ssl-force true
        set ftp:ssl-protect-list {private}
        set ftp:ssl-protect-data {private}"""


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
