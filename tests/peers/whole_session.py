"""A long session of a real client: a large file up and down, then small ones, one after the other.

In: a visit. Out: why it failed, or nothing when every file arrived as it was sent.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from tests.peers import environment, program
from tests.peers.cells import Visit
from tests.peers.clients import CURL_MODES
from tests.peers.measure import see_to_its_end

LARGE = random.Random(3).randbytes(20_000_000)
SMALL = 25
"""Files of 4 KiB, each of which goes up and comes down again."""
TRANSFERS = 2 + 2 * SMALL


@attrs.frozen
class Step:
    """One transfer: names here and there, and which way."""

    here: str
    there: str
    up: bool


def steps(visit: Visit) -> Iterator[Step]:
    """The large file first."""
    yield Step("large", visit.put, True)
    yield Step("large.back", visit.put, False)
    for number in range(SMALL):
        there = f"{visit.put}-{number}"
        yield Step(f"small{number}", there, True)
        yield Step(f"small{number}.back", there, False)


def curl(visit: Visit) -> list[str]:
    """The command; curl keeps a control connection from one transfer to the next."""
    target = visit.target
    at = f"ftp://{target.host}:{target.port}"
    common = [f'user = "{target.user}:{target.password}"', "no-ftp-skip-pasv-ip"]
    common += ["ftp-method = nocwd", "connect-timeout = 10", *CURL_MODES[visit.cell.mode]]
    texts = [
        "\n".join(
            [
                *common,
                f'url = "{at}/{step.there}"',
                f'{"upload-file" if step.up else "output"} = "{step.here}"',
            ]
        )
        for step in steps(visit)
    ]
    (visit.place / "curlrc").write_text("\nnext\n".join(texts))
    return [program("curl"), "-q", "-sS", "--config", "curlrc"]


def lftp(visit: Visit) -> list[str]:
    """The command; lftp has one connection as long as it is asked for one thing at a time."""
    mode, target = visit.cell.mode, visit.target
    lines = [
        "set ftp:ssl-allow off",
        "set ftp:fix-pasv-address off",
        f"set ftp:passive-mode {'on' if mode in ('PASV', 'EPSV') else 'off'}",
        f"set ftp:prefer-epsv {'on' if mode == 'EPSV' else 'off'}",
        "set net:timeout 10",
        "set net:max-retries 1",
        f"open -p {target.port} -u {target.user},{target.password} {target.host}",
        *(
            f"put {step.here} -o {step.there}" if step.up else f"get {step.there} -o {step.here}"
            for step in steps(visit)
        ),
    ]
    (visit.place / "script").write_text("\n".join(lines) + "\n")
    return [program("lftp"), "--norc", "-f", "script"]


CLIENTS: dict[str, Callable[[Visit], list[str]]] = {"curl": curl, "lftp": lftp}


def whole_session(visit: Visit, home: Path) -> str:
    """Have the session with the server of this home; why it failed, or nothing."""
    visit.place.mkdir(parents=True)
    (visit.place / "large").write_bytes(visit.large)
    for number in range(SMALL):
        content = random.Random(f"{visit.put} {number}").randbytes(4096)
        (visit.place / f"small{number}").write_bytes(content)
    command, log = CLIENTS[visit.cell.client](visit), visit.place / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=visit.place,
            env={**environment(), "HOME": str(visit.place)}, start_new_session=True,
        )  # fmt: skip
    hung = see_to_its_end(process, None)
    wrong = [step.here for step in steps(visit) if not arrived(step, visit.place, home)]
    if hung or wrong or process.returncode:
        said = log.read_text(errors="replace").strip()
        return f"{hung} status {process.returncode}, wrong: {wrong}, said: {said[-300:]}"
    return ""


def arrived(step: Step, place: Path, home: Path) -> bool:
    """Whether what is at the end of this transfer is what its user has sent up before."""
    sent = place / step.here.removesuffix(".back")
    got = home / step.there if step.up else place / step.here
    return got.exists() and got.read_bytes() == sent.read_bytes()
