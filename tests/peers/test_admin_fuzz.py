"""schemathesis asks the admin endpoint whatever its own document allows, and what it does not."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.loopback.admins import Admin, socket_in
from tests.loopback.ftp_site import FtpSite
from tests.loopback.test_admin import ANYWHERE, session, settings
from tests.peers import PEERS
from twisted_lb.terms import Address

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "unsupported_method",
)


KNOWN = """
[parameters]
"path.backend" = "pool"
"path.server" = "a"
"""
"""Names of what is there: chance would never find them."""


def fuzz(
    at: Address, examples: int, place: Path, config: Path | None, *options: str
) -> subprocess.CompletedProcess[str]:
    named = ["--config-file", config] if config is not None else []
    asks = [
        PEERS / "schemathesis" / "bin" / "schemathesis", *named, "--no-color", "run",
        f"http://{at}/v1/openapi.json", "--checks", ",".join(CHECKS), "--workers", "1",
        "--max-examples", str(examples), "--seed", "1", "--generation-database", "none",
        "--phases", "examples,coverage,fuzzing", "--request-timeout", "10", *options,
    ]  # fmt: skip
    return subprocess.run(asks, cwd=place, capture_output=True, text=True, timeout=500, check=False)


async def prove(site: FtpSite, place: Path, examples: int) -> None:
    site.start(settings(site.serve("127.0.0.2", "127.0.0.3")))
    admin = Admin(site, attrs.evolve(socket_in(place), listen=ANYWHERE, allow="act"))
    try:
        await session(site)
        await site.until(lambda: len(site.balancer.stories) == 2)
        [at] = admin.endpoint.addresses
        before = standing(admin)
        known = place / "known.toml"
        known.write_text(KNOWN)
        for config in (None, known):
            await passes(
                deferToThread(fuzz, at, examples, place, config, "--include-method", "GET")
            )
        assert standing(admin) == before, "what only looks has changed something"
        for config in (None, known):
            await passes(deferToThread(fuzz, at, examples, place, config))
        assert admin.stopped, "the fuzzer has reached what acts"
        assert len([s for s in site.balancer.servers if s.weight != 100]) == 1
    finally:
        await admin.stop()


def standing(admin: Admin) -> Sequence[object]:
    """All that could be changed."""
    balancer = admin.site.balancer
    servers = [(str(s), s.admin, s.weight, s.sessions) for s in balancer.servers]
    sessions = [session.id for session in balancer.claims.sessions]
    return servers, sessions, balancer.generation.number, list(admin.stopped)


async def passes(running: Any) -> None:
    done = await running
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


@pytest.mark.peers
@pytest_twisted.ensureDeferred
async def test_no_request_breaks_it_and_no_look_changes_it(
    ftp_site: FtpSite, tmp_path: Path
) -> None:
    await prove(ftp_site, tmp_path, 20)


@pytest.mark.soak
@pytest.mark.peers
@pytest_twisted.ensureDeferred
async def test_nor_do_a_great_many_requests(ftp_site: FtpSite, tmp_path: Path) -> None:
    await prove(ftp_site, tmp_path, 500)
