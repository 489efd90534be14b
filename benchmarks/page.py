"""What a full run leaves: docs/benchmarks.md, the same as JSON, and the picture."""

from __future__ import annotations

import json
import platform
import re
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from string import Template

import attrs
from OpenSSL import SSL

from benchmarks import plot, report
from benchmarks.figures import Results
from benchmarks.report import Rows
from tests.peers import environment, program

PAGE = Template(Path(__file__).with_name("page.md").read_text())
OWN = ("twisted-lb", "Twisted", "pyOpenSSL")
PROGRAMS = {"HAProxy": "haproxy", "nginx": "nginx", "mod_proxy": "proftpd"}
"""Rival → who knows its version."""


@attrs.frozen
class Run:
    """A run that is over."""

    about: dict[str, str]
    """The machine, and the day."""
    versions: dict[str, str]
    results: Results
    rows: Rows
    rivals: Sequence[str]


def write(docs: Path, run: Run) -> None:
    """All three, into this directory."""
    references = {row.name: row.against for row in run.rows}
    drawn = list(plot.lines(run.results, run.rivals, references))
    everything = {"machine": run.about, "versions": run.versions, "rounds": run.results}
    (docs / "images").mkdir(exist_ok=True)
    (docs / "images/benchmarks.svg").write_text(plot.svg(drawn, run.rivals))
    (docs / "benchmarks.json").write_text(json.dumps(everything, indent=1) + "\n")
    (docs / "benchmarks.md").write_text(page(run))


def page(run: Run) -> str:
    """The page; its words are in page.md."""
    tables = []
    for some, names in report.groups(run.results, run.rows, run.rivals):
        tables.append(report.markdown(report.table(run.results, some, names)))
        tables.append(f"As ratios to {some[0].against}:")
        tables.append(report.markdown(report.ratios(run.results, some, names)))
    most = max(len(rounds) for rivals in run.results.values() for rounds in rivals.values())
    return PAGE.substitute(
        day=run.about["day"],
        rounds=most,
        goals=report.markdown(report.goals(run.results, run.rivals)),
        tables="\n\n".join(tables),
        machine="; ".join(f"{key}: {value}" for key, value in run.about.items()) + ".",
        versions="; ".join(f"{key} {value}" for key, value in run.versions.items()) + ".",
    )


def told_versions(rivals: Sequence[str]) -> dict[str, str]:
    """Of all that took part."""
    openssl = SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode().split()[1]
    return {
        **{name: version(name) for name in OWN},
        "OpenSSL of Python": openssl,
        "Python": platform.python_version(),
        **{name: _asked(program(word)) for name, word in PROGRAMS.items() if name in rivals},
    }


def _asked(path: str) -> str:
    done = subprocess.run([path, "-v"], env=environment(), capture_output=True, text=True)
    found = re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr)
    return found[0] if found else "?"
