"""Real FTP servers and clients: where they come from, how they run, what they are asked.

`./run peers` provides them in `.peers/`; what is not there is found on the machine's own PATH.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PEERS = CHECKOUT / ".peers"
ROOT = PEERS / "root"
VERSIONS = PEERS / "versions.json"


def environment() -> dict[str, str]:
    """The environment in which unpacked programs find each other and their libraries."""
    bins = [ROOT / part for part in ("usr/sbin", "usr/bin", "sbin", "bin")]
    libraries = [*ROOT.glob("usr/lib/*-linux-gnu*"), *ROOT.glob("lib/*-linux-gnu*")]
    plugins = [("XTABLES_LIBDIR", str(found)) for found in ROOT.glob("usr/lib/*/xtables")]
    return {
        **os.environ,
        **dict(plugins),
        "PATH": os.pathsep.join([*map(str, bins), os.environ.get("PATH", os.defpath)]),
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
        "LC_ALL": "C.UTF-8",
    }


def program(name: str) -> str:
    """Where this program is. Raises FileNotFoundError when it is nowhere."""
    path = shutil.which(name, path=environment()["PATH"])
    if path is None:
        raise FileNotFoundError(f"{name}: ./run peers provides it")
    return path
