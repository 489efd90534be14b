"""When a session counts as passed: what its log, its files and the servers must say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.cells import Cell, Target, Visit, prepare, verdict

LARGE = bytes(range(256)) * 4
UPLOAD = Cell("curl", "PASV", "upload")
LOG = """\
> USER joe
> PASS secret
> PASV
> RETR get/a-marker
> STOR put/x
> LIST get/
"""


@pytest.fixture
def homes(tmp_path: Path) -> dict[str, Path]:
    homes = {name: tmp_path / name for name in "ab"}
    for home in homes.values():
        (home / "put").mkdir(parents=True)
    return homes


@pytest.fixture
def visit(tmp_path: Path, homes: dict[str, Path]) -> Visit:
    """An upload that went to server a, as all of its session did."""
    visit = Visit(UPLOAD, Target("127.0.0.1", 21, "joe", "secret"), tmp_path / "visit", LARGE)
    prepare(visit, homes)
    (visit.place / "before").write_text("a\n")
    (visit.place / "after").write_text("a\n")
    (visit.place / "listing").write_text("-rw-r--r-- 1 0 0 2 i-am-a\n")
    (homes["a"] / visit.put).write_bytes(LARGE)
    return visit


def test_a_session_that_was_on_one_server_passes(visit: Visit, homes: dict[str, Path]) -> None:
    assert verdict(visit, LOG, homes) == ""


@pytest.mark.parametrize(
    ("log", "complaint"),
    [
        (LOG + "> PASS secret\n", "2 logins"),
        (LOG.replace("PASV", "EPSV"), "used ['EPSV'] for PASV"),
        (LOG + "> PORT 127,0,0,1,4,5\n", "used ['PASV', 'PORT'] for PASV"),
        (LOG.replace("STOR", "STOU"), "STOR was never sent"),
    ],
)
def test_a_client_that_did_something_else_does_not_pass(
    visit: Visit, homes: dict[str, Path], log: str, complaint: str
) -> None:
    assert verdict(visit, log, homes) == complaint


@pytest.mark.parametrize("part", ["before", "after", "listing"])
def test_a_session_of_which_one_part_was_elsewhere_is_astray(
    visit: Visit, homes: dict[str, Path], part: str
) -> None:
    (visit.place / part).write_text("i-am-b" if part == "listing" else "b\n")
    assert verdict(visit, LOG, homes).startswith("astray")


def test_an_upload_to_another_server_is_astray(visit: Visit, homes: dict[str, Path]) -> None:
    (homes["a"] / visit.put).rename(homes["b"] / visit.put)
    assert verdict(visit, LOG, homes).startswith("astray")


def test_an_upload_that_arrived_at_two_servers_is_astray(
    visit: Visit, homes: dict[str, Path]
) -> None:
    (homes["b"] / visit.put).write_bytes(LARGE)
    assert verdict(visit, LOG, homes).startswith("astray")


def test_an_upload_that_lost_a_byte_does_not_pass(visit: Visit, homes: dict[str, Path]) -> None:
    (homes["a"] / visit.put).write_bytes(LARGE[:-1])
    assert verdict(visit, LOG, homes) == "what is on the server is not what was uploaded"


def test_a_session_of_which_nothing_is_left_does_not_pass(
    visit: Visit, homes: dict[str, Path]
) -> None:
    for part in ("before", "after", "listing"):
        (visit.place / part).unlink()
    (homes["a"] / visit.put).unlink()
    told = "no before; no after; no listing; what is on the server is not what was uploaded"
    assert verdict(visit, LOG, homes) == told


def test_a_download_that_is_another_file_does_not_pass(
    tmp_path: Path, homes: dict[str, Path]
) -> None:
    cell = Cell("lftp", "EPSV", "resume")
    visit = Visit(cell, Target("127.0.0.1", 21, "joe", "secret"), tmp_path / "visit", LARGE)
    prepare(visit, homes)
    for part in ("before", "after", "listing"):
        (visit.place / part).write_text("b\n")
    log = "---> PASS x\n---> EPSV\n---> REST 512\n---> RETR get/m-large\n"
    assert verdict(visit, log, homes) == "what was downloaded is not what is on the server"
    (visit.place / "got").write_bytes(LARGE)
    assert verdict(visit, log, homes) == ""
