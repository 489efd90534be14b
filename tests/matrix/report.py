"""What was measured, as people and programs read it: verdicts in, a page and a JSON file out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

from tests.matrix.plan import PASSED, SERVERS, VARIANTS, Trial, Variant, everything
from tests.peers import CHECKOUT, VERSIONS
from tests.peers.abilities import CANNOT, CANNOT_6
from tests.peers.cells import MODES
from tests.peers.clients import CLIENTS

JSON = CHECKOUT / "docs" / "compatibility.json"
PAGE = CHECKOUT / "docs" / "compatibility.md"
THROUGH = [variant for variant in VARIANTS if variant.through]

TITLES = {
    "same": 'IPv4, data connections to servers as the client asks (`server_data = "same"`)',
    "passive": "IPv4, data connections to servers always passive",
    "active": "IPv4, data connections to servers always active",
    "6-to-4": "Clients on IPv6, servers on IPv4",
    "6-to-6": "Clients and servers on IPv6",
    "4-to-6": "Clients on IPv4, servers on IPv6",
}
NAMES = {"proftpd": "ProFTPD", "vsftpd": "vsftpd", "pureftpd": "Pure-FTPd"}
PROGRAMS = (
    *("vsftpd", "proftpd-core", "pure-ftpd", "curl", "lftp", "ncftp", "tnftp", "wget"),
    *("ftplib", "aioftp", "basic-ftp"),
)
"""Whose versions are told."""


# -- verdicts -------------------------------------------------------------------------------------


def comparable(verdicts: Mapping[str, str]) -> list[Trial]:
    """Trials through the balancer that pass directly."""
    return [
        trial
        for trial in everything()
        if trial.variant.through
        and str(trial) in verdicts
        and verdicts.get(str(trial.directly)) == PASSED
    ]


def broken(verdicts: Mapping[str, str]) -> list[Trial]:
    """Those of them that do not pass through."""
    return [trial for trial in comparable(verdicts) if verdicts[str(trial)] != PASSED]


def summary(verdicts: Mapping[str, str]) -> str:
    direct = [name for name in verdicts if "/direct-" in name]
    passed = sum(verdicts[name] == PASSED for name in direct)
    compared = len(comparable(verdicts))
    through = compared - len(broken(verdicts))
    return f"directly: {passed} of {len(direct)}; through, of those: {through} of {compared}"


# -- files ----------------------------------------------------------------------------------------


def publish(verdicts: Mapping[str, str], size: int, network: str) -> None:
    """Write both files."""
    versions = json.loads(VERSIONS.read_text())
    ours = {name: metadata.version(name) for name in ("twisted-lb", "Twisted")}
    measured = {
        "versions": ours | {name: versions[name] for name in PROGRAMS},
        "bytes": size,
        "network": network,
        "verdicts": {str(trial): verdicts[str(trial)] for trial in everything()},
    }
    JSON.write_text(json.dumps(measured, indent=1) + "\n")
    PAGE.write_text(page(measured))


def page(measured: Mapping[str, Any]) -> str:
    """docs/compatibility.md, all of it."""
    verdicts = measured["verdicts"]
    versions = [f"{name} {version}" for name, version in measured["versions"].items()]
    parts = [
        INTRODUCTION.format(
            bytes=measured["bytes"] // 1_000_000,
            network=measured["network"],
            summary=summary(verdicts),
            versions=", ".join(versions),
        ),
        *(_table(variant, verdicts) for variant in THROUGH),
        _cannot(),
        _fails_directly(verdicts),
    ]
    return "\n".join(parts)


INTRODUCTION = """\
# Which clients and servers were tried

Written by `./run matrix`, together with [compatibility.json](compatibility.json) which has every
verdict. Two servers of a kind stand behind the balancer. Clients, balancer and servers are in
{network}, so that an address that leaks to the wrong side leads nowhere. One cell
is one session: it downloads a marker, does its operation with {bytes} MB, lists a directory and
downloads a second marker. It passes when the client's own log shows the commands that were meant
and one login, when hashes are equal, and when markers, listing and the place of an upload name the
same server. Each cell is measured directly, too: what a client cannot do without us does not count.

Operations: list, upload, download, resume (REST and RETR), resume an upload (REST and STOR),
append, abort.

**Sessions that pass {summary}.**

Versions: {versions}.
"""


def _table(variant: Variant, verdicts: Mapping[str, str]) -> str:
    lines = [f"## {TITLES[variant.name]}\n"]
    lines.append("| client | mode | " + " | ".join(NAMES[server] for server in SERVERS) + " |")
    lines.append("|---|---|" + "---|" * len(SERVERS))
    trials = [t for t in comparable(verdicts) if t.variant == variant]
    for client in CLIENTS:
        for mode in MODES:
            row = [t for t in trials if (t.cell.client, t.cell.mode) == (client, mode)]
            if row:
                counts = (_count((t for t in row if t.server == s), verdicts) for s in SERVERS)
                lines.append(f"| {client} | {mode} | {' | '.join(counts)} |")
    return "\n".join(lines) + "\n"


def _count(trials: Iterable[Trial], verdicts: Mapping[str, str]) -> str:
    """How many of them passed, and of how many; which did not."""
    some = list(trials)
    failed = [t.cell.operation for t in some if verdicts[str(t)] != PASSED]
    return f"{len(some) - len(failed)} of {len(some)}" + (
        f": not {', '.join(failed)}" * bool(failed)
    )


def _cannot() -> str:
    lines = [
        "## What clients cannot do\n",
        "| client | mode | operation | why |",
        "|---|---|---|---|",
    ]
    for table, where in ((CANNOT, ""), (CANNOT_6, "on IPv6: ")):
        for (client, mode, operation), why in table.items():
            every = [part.replace("*", "all") for part in (client, mode, operation)]
            lines.append(f"| {' | '.join(every)} | {where}{why} |")
    return "\n".join(lines) + "\n"


def _fails_directly(verdicts: Mapping[str, str]) -> str:
    """Cells that fail with no balancer between, and how."""
    lines = ["## What fails directly\n", "This does not count.\n"]
    lines += ["| server | client | operation | modes | how |", "|---|---|---|---|---|"]
    trials = [t for t in everything() if not t.variant.through and verdicts[str(t)] != PASSED]
    kinds: dict[tuple[str, str, str], list[Trial]] = {}
    for trial in trials:
        kind = (NAMES[trial.server], trial.cell.client, trial.cell.operation)
        kinds.setdefault(kind, []).append(trial)
    for kind, some in kinds.items():
        modes = " ".join(dict.fromkeys(trial.cell.mode for trial in some))
        how = verdicts[str(some[0])].replace("|", "\\|")
        lines.append(f"| {' | '.join(kind)} | {modes} | {how} |")
    return "\n".join(lines) + "\n"
