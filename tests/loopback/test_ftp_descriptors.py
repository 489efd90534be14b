"""Attack 14: a process that runs out of descriptors serves those who are in, and recovers."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from tests.loopback.farm import Farm
from tests.loopback.ftp_site import FtpSite
from tests.loopback.ftp_talks import Visitor
from twisted_lb.terms import Address

DESCRIPTORS = 256
FLOOD = 300

CONFIGURATION = """\
[[frontend]]
name = "ftp"
listen = "127.0.0.1:{port}"
protocol = "ftp"
backend = "back"
server_port = {farm.port}
ftp.passive_ports = "20000-24999"
[[backend]]
name = "back"
check = {{ type = "off" }}
server = [{{ name = "a", host = "127.0.0.2" }}]
[limits]
drain = "0s"
[log]
access = "{log}"
"""


@attrs.frozen
class Front:
    """A balancer that is a process with few descriptors."""

    address: Address
    process: subprocess.Popen[bytes]
    access: Path

    @property
    def told(self) -> str:
        """What its access log says."""
        return self.access.read_text() if self.access.exists() else ""

    @property
    def processor_time(self) -> int:
        """What it has used so far, in hundredths of a second."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])


def few_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


@pytest_twisted.async_yield_fixture()
async def front(ftp_site: FtpSite, farm: Farm, tmp_path: Path) -> AsyncIterator[Front]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        at = Address("127.0.0.1", free.getsockname()[1])
    access, errors = tmp_path / "access", tmp_path / "log"
    (tmp_path / "lb.toml").write_text(CONFIGURATION.format(port=at.port, farm=farm, log=access))
    twistd = Path(sys.executable).with_name("twistd")
    command = [twistd, "-n", "--pidfile=", "lb-proxy", "--config", tmp_path / "lb.toml"]
    with errors.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=few_descriptors)
    front = Front(at, process, access)
    try:
        await ftp_site.until(lambda: "listening" in front.told)
        yield front
    finally:
        process.terminate()
        process.wait(20)
    assert "Traceback" not in errors.read_text()


async def comes(site: FtpSite, at: Address) -> Visitor:
    """A client that was greeted, or closed."""
    visitor: Visitor = await site.connect(at, "127.0.0.1", Visitor(site))
    await visitor.until(lambda _: bool(visitor.rest or visitor.ended))
    return visitor


async def fetches(client: Visitor) -> None:
    coming = await client.announces("EPSV")
    client.asks("RETR who")
    data = await coming
    await data.gone()
    assert data.heard == b"127.0.0.2"
    await client.replies(1, 226)


async def announces(client: Visitor) -> int:
    await client.login()
    client.asks("EPSV")
    return int((await client.reply())[:3])


@pytest_twisted.ensureDeferred
async def test_who_is_in_is_served_who_comes_is_closed_and_later_let_in(
    ftp_site: FtpSite, front: Front
) -> None:
    early = await comes(ftp_site, front.address)
    await early.login()
    flood = await gatherResults(
        [Deferred.fromCoroutine(comes(ftp_site, front.address)) for _ in range(FLOOD)]
    )
    inside = [client for client in flood if not client.ended]
    assert DESCRIPTORS / 3 < len(inside) < DESCRIPTORS / 2
    await fetches(early)
    # Now the ones who are in take what is left, by a port each.
    codes = await gatherResults([Deferred.fromCoroutine(announces(client)) for client in inside])
    count = Counter(codes)
    assert set(count) == {229, 425}
    assert count[229] >= DESCRIPTORS / 20
    late = await comes(ftp_site, front.address)
    assert late.ended
    before, began = front.processor_time, reactor.seconds()
    for _ in range(100):
        await early.does("NOOP", 200)
    await ftp_site.until(lambda: reactor.seconds() - began > 0.5)
    assert front.processor_time - before < 40
    for client in inside:
        client.resets()
    await ftp_site.until(lambda: front.told.count('"session-ended"') == len(inside))
    await fetches(early)
    again = await comes(ftp_site, front.address)
    await again.login()
    await fetches(again)
