"""What was measured, as people and programs read it: verdicts in, a page and a JSON file out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import attrs

from tests.matrix.plan import (
    CLIENT_WAYS,
    PASSED,
    SERVERS,
    TLS_SERVERS,
    TLS_VARIANTS,
    VARIANTS,
    Trial,
    Variant,
    everything,
    everything_in_tls,
)
from tests.peers import CHECKOUT, VERSIONS
from tests.peers.abilities import CANNOT, CANNOT_6, CANNOT_CLEAR, CANNOT_TLS
from tests.peers.cells import MODES, Tls
from tests.peers.clients import CLIENTS

TITLES = {
    "same": 'IPv4, data connections to servers as the client asks (`server_data = "same"`)',
    "passive": "IPv4, data connections to servers always passive",
    "active": "IPv4, data connections to servers always active",
    "6-to-4": "Clients on IPv6, servers on IPv4",
    "6-to-6": "Clients and servers on IPv6",
    "4-to-6": "Clients on IPv4, servers on IPv6",
}
NAMES = {
    "proftpd": "ProFTPD",
    "vsftpd": "vsftpd",
    "pureftpd": "Pure-FTPd",
    "pyftpdlib": "pyftpdlib",
}
PROGRAMS = (
    *("vsftpd", "proftpd-core", "pure-ftpd", "curl", "lftp", "ncftp", "tnftp", "wget"),
    *("ftplib", "aioftp", "basic-ftp"),
)
TLS_PROGRAMS = (
    *("vsftpd", "proftpd-core", "pure-ftpd", "pyftpdlib", "curl", "lftp"),
    *("ftplib", "aioftp", "basic-ftp"),
)
"""Whose versions are told."""


@attrs.frozen
class Publication:
    """One page of the documentation, and the JSON file beside it."""

    name: str
    introduction: str
    planned: Callable[[], list[Trial]]
    servers: tuple[str, ...]
    groups: Mapping[str, tuple[Variant, ...]]
    """Title of a table → the variants that are counted in it."""
    programs: tuple[str, ...]
    cannot: Mapping[str, Mapping[tuple[str, str, str], str]]
    """What clients cannot do: where → client, mode, operation → why."""

    @property
    def page(self) -> Path:
        return CHECKOUT / "docs" / f"{self.name}.md"

    @property
    def json(self) -> Path:
        return self.page.with_suffix(".json")


# -- verdicts -------------------------------------------------------------------------------------


def comparable(verdicts: Mapping[str, str]) -> list[Trial]:
    """Trials through the balancer that pass directly."""
    return [
        trial
        for trial in (*everything(), *everything_in_tls())
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


def publish(it: Publication, verdicts: Mapping[str, str], size: int, network: str) -> None:
    """Write both files."""
    versions = json.loads(VERSIONS.read_text())
    ours = {name: metadata.version(name) for name in ("twisted-lb", "Twisted")}
    measured = {
        "versions": ours | {name: versions[name] for name in it.programs},
        "bytes": size,
        "network": network,
        "verdicts": {str(trial): verdicts[str(trial)] for trial in it.planned()},
    }
    it.json.write_text(json.dumps(measured, indent=1) + "\n")
    it.page.write_text(page(it, measured))


def page(it: Publication, measured: Mapping[str, Any]) -> str:
    """The page, all of it."""
    verdicts = measured["verdicts"]
    versions = [f"{name} {version}" for name, version in measured["versions"].items()]
    parts = [
        it.introduction.format(
            bytes=measured["bytes"] // 1_000_000,
            network=measured["network"],
            summary=summary(verdicts),
            versions=", ".join(versions),
        ),
        *(_table(it, title, verdicts) for title in it.groups),
        _cannot(it),
        _fails_directly(it, verdicts),
    ]
    return "\n".join(parts)


def _table(it: Publication, title: str, verdicts: Mapping[str, str]) -> str:
    lines = [f"## {title}\n"]
    lines.append("| client | mode | " + " | ".join(NAMES[server] for server in it.servers) + " |")
    lines.append("|---|---|" + "---|" * len(it.servers))
    trials = [t for t in comparable(verdicts) if t.variant in it.groups[title]]
    for client in CLIENTS:
        for mode in MODES:
            row = [t for t in trials if (t.cell.client, t.cell.mode) == (client, mode)]
            if row:
                counts = (_count((t for t in row if t.server == s), verdicts) for s in it.servers)
                lines.append(f"| {client} | {mode} | {' | '.join(counts)} |")
    return "\n".join(lines) + "\n"


def _count(trials: Iterable[Trial], verdicts: Mapping[str, str]) -> str:
    """How many of them passed, and of how many; which did not."""
    some = list(trials)
    failed = [t for t in some if verdicts[str(t)] != PASSED]
    names = ", ".join(f"{t.cell.operation} ({t.variant.name})" for t in failed)
    if not some:
        return "–"
    return f"{len(some) - len(failed)} of {len(some)}" + f": not {names}" * bool(failed)


def _cannot(it: Publication) -> str:
    lines = [
        "## What clients cannot do\n",
        "| client | mode | operation | why |",
        "|---|---|---|---|",
    ]
    for where, table in it.cannot.items():
        for (client, mode, operation), why in table.items():
            every = [part.replace("*", "all") for part in (client, mode, operation)]
            lines.append(f"| {' | '.join(every)} | {where}{why} |")
    return "\n".join(lines) + "\n"


def _fails_directly(it: Publication, verdicts: Mapping[str, str]) -> str:
    """Cells that fail with no balancer between, and how."""
    lines = ["## What fails directly\n", "This does not count.\n"]
    lines += ["| server | client | operation | modes | ways | how |", "|---|---|---|---|---|---|"]
    trials = [t for t in it.planned() if not t.variant.through and verdicts[str(t)] != PASSED]
    kinds: dict[tuple[str, str, str], list[Trial]] = {}
    for trial in trials:
        kind = (NAMES[trial.server], trial.cell.client, trial.cell.operation)
        kinds.setdefault(kind, []).append(trial)
    for kind, some in kinds.items():
        modes = " ".join(dict.fromkeys(trial.cell.mode for trial in some))
        ways = " ".join(dict.fromkeys(t.variant.name.removeprefix("direct-") for t in some))
        how = verdicts[str(some[0])].replace("|", "\\|")
        lines.append(f"| {' | '.join(kind)} | {modes} | {ways} | {how} |")
    return "\n".join(lines) + "\n"


# -- what is published ----------------------------------------------------------------------------

INTRODUCTION = """\
# Which clients and servers were tried

Written by `./run matrix`, together with [compatibility.json](compatibility.json) which has every
verdict. The same in TLS: [compatibility-ftps.md](compatibility-ftps.md). Two servers of a kind
stand behind the balancer. Clients, balancer and servers are in {network}, so that an address that
leaks to the wrong side leads nowhere. One cell is one session: it downloads a marker, does its
operation with {bytes} MB, lists a directory and downloads a second marker. It passes when the
client's own log shows the commands that were meant and one login, when hashes are equal, and when
markers, listing and the place of an upload name the same server. Each cell is measured directly,
too: what a client cannot do without us does not count.

Operations: list, upload, download, resume (REST and RETR), resume an upload (REST and STOR),
append, abort.

**Sessions that pass {summary}.**

Versions: {versions}.
"""

TLS_INTRODUCTION = """\
# Which clients and servers were tried in TLS

Written by `./run matrix`, together with [compatibility-ftps.json](compatibility-ftps.json) which
has every verdict. How a cell is measured: [compatibility.md](compatibility.md). The network is
{network}, the file has {bytes} MB, and is uploaded and downloaded.

Clients have eight ways: explicit or implicit TLS, TLS 1.2 or 1.3, data protected (`PROT P`) or in
the clear (`PROT C`). Each is taken to servers in three of four ways: `starttls` (AUTH TLS) or `on`
(implicit), data protected or not. vsftpd is set to `require_ssl_reuse` and `strict_ssl_read_eof`,
ProFTPD requires reuse as it does by itself, pyftpdlib requires TLS. Pure-FTPd has no implicit TLS:
a client of implicit TLS is compared there with the same one of explicit TLS.

**Sessions that pass {summary}.**

Versions: {versions}.
"""


def _told(tls: Tls) -> str:
    kind, private = ("Implicit" if tls.implicit else "Explicit"), "P" if tls.private else "C"
    return f"{kind} TLS {tls.version}, `PROT {private}`"


PUBLICATIONS = (
    Publication(
        "compatibility",
        INTRODUCTION,
        everything,
        SERVERS,
        {TITLES[v.name]: (v,) for v in VARIANTS if v.through},
        PROGRAMS,
        {"": CANNOT, "on IPv6: ": CANNOT_6},
    ),
    Publication(
        "compatibility-ftps",
        TLS_INTRODUCTION,
        everything_in_tls,
        TLS_SERVERS,
        {
            _told(tls): tuple(v for v in TLS_VARIANTS if v.through and v.tls == tls)
            for tls in CLIENT_WAYS
        },
        TLS_PROGRAMS,
        {"": CANNOT_TLS, "with `PROT C`: ": CANNOT_CLEAR},
    ),
)
