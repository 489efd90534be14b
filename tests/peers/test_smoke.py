"""One session of each client, and one with each kind of server, through the balancer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.matrix.network import the_best
from tests.matrix.plan import PASSED, VARIANTS, Trial
from tests.matrix.stage import Stage, staged
from tests.peers.cells import Cell
from tests.peers.servers import KINDS

pytestmark = pytest.mark.peers

THROUGH = next(variant for variant in VARIANTS if variant.through)
LARGE = random.Random(1).randbytes(1_000_000)

SESSIONS = [
    Cell("curl", "EPRT", "resume"),
    Cell("lftp", "PASV", "upload"),
    Cell("ncftp", "PORT", "append"),
    Cell("tnftp", "EPRT", "resume-upload"),
    Cell("wget", "PORT", "download"),
    Cell("ftplib", "PORT", "upload"),
    Cell("aioftp", "EPSV", "abort"),
    Cell("basic-ftp", "PASV", "append"),
]


@pytest.fixture(scope="module")
def proftpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    visits = tmp_path_factory.mktemp("proftpd")
    with staged(the_best(), "lb", [THROUGH], "proftpd", LARGE, visits) as stage:
        yield stage


@pytest.mark.parametrize("cell", SESSIONS, ids=str)
def test_a_client_has_its_session_on_one_server(proftpd: Stage, cell: Cell) -> None:
    assert proftpd.have(Trial("proftpd", THROUGH, cell)) == PASSED


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"proftpd"}))
def test_a_kind_of_server_serves_sessions(tmp_path: Path, kind: str) -> None:
    with staged(the_best(), "lb", [THROUGH], kind, LARGE, tmp_path) as stage:
        for mode in ("EPSV", "PORT"):
            assert stage.have(Trial(kind, THROUGH, Cell("curl", mode, "upload"))) == PASSED
