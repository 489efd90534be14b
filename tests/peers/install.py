"""./run peers: nothing in, real servers and clients in `.peers/` and their versions out.

Debian's packages are downloaded and unpacked, never installed: the FTP servers conflict with each
other, and no maintainer script runs that could start a daemon. Nothing outside `.peers/` changes,
and no root is needed; apt keeps its lists in there, too. Why so: docs/decisions/peers.md.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

from tests.peers import CHECKOUT, PEERS, ROOT, VERSIONS

PACKAGES = (
    ("vsftpd",),
    ("proftpd-core", "proftpd-mod-crypto", "proftpd-mod-proxy"),
    ("pure-ftpd",),
    ("curl", "lftp", "ncftp", "tnftp", "wget"),
    ("haproxy", "iproute2", "iptables", "nftables"),
    ("libnginx-mod-stream", "nginx-light", "stunnel4"),
    ("hercules", "inetutils-telnet", "inetutils-telnetd", "s3270"),
    ("bind9-dnsutils", "testssl.sh"),
    ("chromium", "fonts-dejavu-core"),
    ("libssl-dev",),
)
"""What is wanted of Debian; the packages of one line may be installed together."""

BASIC_FTP = "6.2.6"
AIOFTP = "0.28.3"
PYFTPDLIB = "2.2.0"
SCHEMATHESIS = "4.32.5"
PYFTPDLIB_SHA256 = "4ba0642078792df63dd3b2e9c8f838f2a3ecf428c7518d5921c0530d53512acf"

VENVS = {
    "aioftp": (f"aioftp=={AIOFTP}",),
    "pyftpdlib": (f"pyftpdlib=={PYFTPDLIB}", "pyopenssl", "psutil", "pytest", "setuptools"),
    "schemathesis": (f"schemathesis=={SCHEMATHESIS}",),
}

MEND = "apt-get install apt dpkg nodejs npm python3-venv"


def main() -> int:
    """Provide what is missing; what an earlier run provided stays."""
    missing = [tool for tool in ("apt-get", "dpkg", "node", "npm") if not shutil.which(tool)]
    if missing:
        print(f"./run peers needs {', '.join(missing)}; as root: {MEND}", file=sys.stderr)
        return 1
    stamp = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    if (PEERS / "stamp").exists() and (PEERS / "stamp").read_text() == stamp:
        return 0
    PEERS.mkdir(exist_ok=True)
    versions = {"ftplib": sys.version.split()[0]}
    for step in (debian, npm, venvs, sdist):
        print(f"peers: {step.__doc__}", file=sys.stderr)
        versions |= step()
    VERSIONS.write_text(json.dumps(versions, indent=2, sort_keys=True) + "\n")
    (PEERS / "stamp").write_text(stamp)
    return 0


def call(*command: str | Path, cwd: Path = PEERS) -> str:
    """What the command prints; its complaints are told when it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


# -- Debian's --------------------------------------------------------------------------------------


def apt(*arguments: str, cwd: Path = PEERS) -> str:
    """apt-get with lists and cache of our own."""
    state, cache = PEERS / "apt" / "lists", PEERS / "apt" / "cache"
    for directory in (state / "partial", cache / "archives" / "partial"):
        directory.mkdir(parents=True, exist_ok=True)
    places = ("-o", f"Dir::State::lists={state}", "-o", f"Dir::Cache={cache}")
    user = ("-o", "APT::Sandbox::User=", "-o", "Debug::NoLocking=1")
    return call("apt-get", "-q", *places, *user, *arguments, cwd=cwd)


def debian() -> dict[str, str]:
    """servers and clients of Debian"""
    versions = {}
    apt("update")
    archives = PEERS / "debs"
    shutil.rmtree(archives, ignore_errors=True)
    shutil.rmtree(ROOT, ignore_errors=True)
    archives.mkdir()
    apt("download", *sorted(wanted()), cwd=archives)
    for archive in sorted(archives.iterdir()):
        call("dpkg", "-x", archive, ROOT)
        name, version = call(
            "dpkg-deb", "--show", "--showformat=${Package} ${Version}", archive
        ).split()
        versions[name] = version
    shutil.rmtree(archives)
    shutil.rmtree(PEERS / "apt")
    return versions


def wanted() -> set[str]:
    """The packages and what they need that this machine does not have."""
    packages = {package for line in PACKAGES for package in line}
    for line in PACKAGES:
        plan = apt("--simulate", "--no-install-recommends", "install", *line)
        packages |= set(re.findall(r"^Inst (\S+)", plan, re.MULTILINE))
    return packages


# -- others' ---------------------------------------------------------------------------------------


def npm() -> dict[str, str]:
    """basic-ftp of npm"""
    prefix = PEERS / "npm"
    prefix.mkdir(exist_ok=True)
    call("npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts",
         "--prefix", prefix, f"basic-ftp@{BASIC_FTP}")  # fmt: skip
    return {"basic-ftp": BASIC_FTP, "node": call("node", "--version").strip().lstrip("v")}


def venvs() -> dict[str, str]:
    """aioftp, pyftpdlib and schemathesis of PyPI, each in an environment of its own"""
    for name, requirements in VENVS.items():
        venv.create(PEERS / name, clear=True, with_pip=True)
        pip(name, "install", "--constraint", CHECKOUT / "constraints.txt", *requirements)
    return {"aioftp": AIOFTP, "pyftpdlib": PYFTPDLIB, "schemathesis": SCHEMATHESIS}


def pip(name: str, *arguments: str | Path) -> None:
    call(PEERS / name / "bin" / "pip", "--quiet", "--disable-pip-version-check", *arguments)


def sdist() -> dict[str, str]:
    """pyftpdlib's own tests"""
    target = PEERS / f"pyftpdlib-{PYFTPDLIB}"
    archive = PEERS / f"{target.name}.tar.gz"
    pip("pyftpdlib", "download", "--no-deps", "--no-binary", "pyftpdlib",
        "--dest", PEERS, f"pyftpdlib=={PYFTPDLIB}")  # fmt: skip
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != PYFTPDLIB_SHA256:
        sys.exit(f"{archive} is not the one that is meant: sha256 {found}")
    shutil.rmtree(target, ignore_errors=True)
    with tarfile.open(archive) as packed:
        packed.extractall(PEERS, filter="data")
    archive.unlink()
    return {}


if __name__ == "__main__":
    sys.exit(main())
