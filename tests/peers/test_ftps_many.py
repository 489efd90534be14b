"""Many transfers in many FTPS sessions at once while certificates change: each data connection goes
on with its own session, on either side, as servers tell that demand it.
"""

from __future__ import annotations

import ftplib
import os
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import LoopingCall, deferLater

from tests.certificates import Authority, written
from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftps_clients import Way, download, upload
from tests.peers.servers import KINDS, Server, Site, running
from twisted_lb.config.settings import BackendTls, FrontendTls, FtpTls, ShownCertificate
from twisted_lb.facts import Announced, TransferEnded
from twisted_lb.terms import Address

pytestmark = pytest.mark.peers

HOST = "127.0.0.2"
SMALL, FULL = (4, 10), (20, 100)
"""Sessions at once, and transfers of each."""
SIZE = 10_000


@attrs.frozen
class Front:
    """A server of this kind in TLS, and what stands before it."""

    authority: Authority
    ca: str
    pem: Path
    server: Server

    def renew(self) -> None:
        """Another certificate for the front, in one step."""
        newer = self.pem.with_suffix(".new")
        newer.write_bytes(self.authority.sign("front.example"))
        newer.rename(self.pem)


@pytest.fixture(params=["vsftpd", "proftpd", "pyftpdlib"])
def front(request: pytest.FixtureRequest) -> Iterator[Front]:
    authority = Authority()
    with TemporaryDirectory(prefix="lb-many-") as name:
        place = Path(name)
        place.chmod(0o755)
        ca = written(authority.pem, place / "ca.pem")
        pem = written(authority.sign("ftp.example"), place / "server.pem")
        with socket.create_server((HOST, 0)) as free:
            port = free.getsockname()[1]
        site = Site("a", HOST, port, place / "a", "explicit", pem)
        with running(request.param, site, b"") as server:
            made = Front(authority, ca, place / "front.pem", server)
            made.renew()
            yield made


def balanced(site: FtpSite, front: Front, version: str) -> Way:
    settings = ftp(
        front.server.site.port,
        HOST,
        frontend={"tls": FrontendTls("starttls", certificates=(ShownCertificate(str(front.pem)),))},
        backend={"tls": BackendTls("starttls", ca=front.ca, identity="ftp.example")},
        tls=FtpTls(reuse="required"),
    )
    site.start(settings)
    at, user = site.balancer.address("ftp"), KINDS[front.server.kind][1]
    return Way(at, front.ca, version=version, user=user)


def visit(way: Way, number: int, transfers: int) -> int:
    """One session, whose transfers go up and come down in turn; how many came whole."""
    whole = 0
    with way.session() as client:
        for turn in range(0, transfers, 2):
            content, name = os.urandom(SIZE), f"put/{number}-{turn}"
            whole += upload(client, name, content).startswith("226")
            whole += download(client, name) == content
    return whole


RESUMED = {
    "vsftpd": (r"SSL version: .*, reused", r"SSL version: .*, not reused"),
    "proftpd": (r"client reused TLS session for data", r"[Cc]lient did not reuse TLS"),
    "pyftpdlib": (r"^data resumed", r"^data new"),
}
"""Kind → what it logs of a connection that goes on with a TLS session, and of one that does not.

The latter includes one that goes on with another FTP session's, which ProFTPD tells of as both.
vsftpd alone does not know the difference: it takes any that it has given to anybody.
"""


def told(server: Server) -> tuple[int, int]:
    """How many connections went on with a TLS session, and how many did not, as it logs."""
    resumed, others = RESUMED[server.kind]
    log = server.log
    return len(re.findall(resumed, log, re.MULTILINE)), len(re.findall(others, log, re.MULTILINE))


async def many(site: FtpSite, front: Front, version: str, sessions: int, transfers: int) -> int:
    """Have them; how often the certificate was taken anew meanwhile."""
    way = balanced(site, front, version)
    renewing = LoopingCall(front.renew)
    renewing.start(1.0, now=False)
    with ThreadPoolExecutor(sessions) as pool:
        doing = [pool.submit(visit, way, number, transfers) for number in range(sessions)]
        while not all(each.done() for each in doing):
            await deferLater(reactor, 0.05)
    renewing.stop()
    assert [each.result() for each in doing] == [transfers] * sessions
    ended = [fact.ending for fact in site.of(TransferEnded)]
    assert ended == ["done"] * sessions * transfers
    resumed, others = told(front.server)
    assert resumed == sessions * transfers
    assert others == (sessions if front.server.kind == "vsftpd" else 0)  # its control connections
    taken = [fact.what for fact in site.of(Announced) if fact.what.startswith("certificates-")]
    assert set(taken) <= {"certificates-renewed"}
    return len(taken)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest_twisted.ensureDeferred
async def test_each_data_connection_goes_on_with_its_session(
    ftp_site: FtpSite, front: Front, version: str
) -> None:
    """T65 on both sides: servers and front demand it, or tell."""
    await many(ftp_site, front, version, *SMALL)


@pytest.mark.soak
@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest_twisted.ensureDeferred
async def test_also_a_hundred_times_while_certificates_change_each_second(
    ftp_site: FtpSite, front: Front, version: str
) -> None:
    """Attack 7."""
    renewed = await many(ftp_site, front, version, *FULL)
    print(f"certificates taken anew {renewed} times")
    assert renewed > 3


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("front", ["proftpd", "pyftpdlib"], indirect=True)
def test_what_these_servers_tell_is_of_the_own_session(front: Front, version: str) -> None:
    """T67, without a balancer: they know when one goes on with another FTP session's."""
    site = front.server.site
    way = Way(Address(HOST, site.port), front.ca, "ftp.example", version=version)
    context = way.context()
    with way.session(context) as other:
        assert upload(other, "put/own", b"own").startswith("226")
        with suppress(ftplib.error_temp, OSError), way.session(context) as client:
            secured: Any = other.sock
            client.resumes = secured.session
            upload(client, "put/foreign", b"foreign")  # ProFTPD refuses, pyftpdlib does not
    assert told(front.server)[1] == 1
