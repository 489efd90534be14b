"""Attacks 11 and 22: whoever does not read, and whoever says too much, costs a bounded amount."""

import pytest
import pytest_twisted

from tests.loopback.ftp_site import ftp
from tests.loopback.site import Host, Site, listen_alike
from tests.loopback.streams import Sink, resident, small_window, source, stands_still
from tests.loopback.test_opaque import one_frontend
from twisted_lb.config.settings import Frontend, Settings
from twisted_lb.facts import ConnectionEnded

MB = 1 << 20
KERNEL = 40 * MB
"""More than the kernel holds for four sockets, at its defaults, for a peer that does not read."""
FLAT = 6 * MB
"""Less than any of these tests would hold if it held what it was sent."""


async def unread(site: Site, total: int) -> None:
    """A server sends this much to a client that reads nothing."""
    port = site.serve("127.0.0.2", protocol=source(total))
    site.start(one_frontend(port, "127.0.0.2"))
    before = resident()
    client = await site.client("in")
    small_window(client)
    client.transport.pauseProducing()
    server = await site.hosts[0].talk()
    await stands_still(lambda: server.sent)
    assert 65_536 < server.sent < min(total, KERNEL)
    assert resident() - before < FLAT


@pytest_twisted.ensureDeferred
async def test_a_client_that_never_reads_stops_its_server(site: Site) -> None:
    """The producer is paused; we hold a buffer, not the file. 64 MB."""
    await unread(site, 64 * MB)


@pytest.mark.soak
@pytest_twisted.ensureDeferred
async def test_a_client_that_never_reads_stops_a_server_that_has_a_gigabyte(site: Site) -> None:
    await unread(site, 1024 * MB)


async def read(site: Site, total: int) -> None:
    """A server sends this much to a client that reads it."""
    port = site.serve("127.0.0.2", protocol=source(total))
    site.start(one_frontend(port, "127.0.0.2"))
    before = resident()
    client = Sink()
    await site.connect(site.balancer.address("in"), talk=client)
    await site.until(lambda: client.count == total)
    assert resident() - before < FLAT
    client.closes()
    await site.until(lambda: bool(site.endings(ConnectionEnded)))
    [ended] = [fact for fact in site.facts if isinstance(fact, ConnectionEnded)]
    assert (ended.ending, ended.from_server) == ("done", total)


@pytest_twisted.ensureDeferred
async def test_a_long_transfer_leaves_memory_flat(site: Site) -> None:
    await read(site, 64 * MB)


@pytest.mark.soak
@pytest_twisted.ensureDeferred
async def test_a_gigabyte_leaves_memory_flat(site: Site) -> None:
    await read(site, 1024 * MB)


@pytest_twisted.ensureDeferred
async def test_a_client_that_refuses_to_read_is_reset_after_the_time_that_is_set(
    site: Site,
) -> None:
    """TCP_USER_TIMEOUT of the frontend: the kernel ends it, and the ending is the client's."""
    port = site.serve("127.0.0.2", protocol=source(64 * MB))
    settings = one_frontend(port, "127.0.0.2")
    [frontend] = settings.frontends
    listen = frontend.listen
    patient = Frontend("in", listen=listen, group="in", user_timeout=0.3)
    site.start(Settings((patient,), settings.groups, settings.backends, settings.limits))
    client = await site.client("in")
    small_window(client)
    client.transport.pauseProducing()
    await site.until(lambda: site.endings(ConnectionEnded) == ["client-left"])


@pytest_twisted.ensureDeferred
async def test_a_server_that_greets_without_an_end_is_passed_by_with_421(site: Site) -> None:
    """Attack 22: 100 MB without CRLF are not read; the client is told in FTP's words."""
    port = site.serve("127.0.0.2", protocol=source(100 * MB))
    site.start(ftp(port, "127.0.0.2"))
    before = resident()
    client = await site.client("ftp")
    await client.ends("eof")
    assert client.heard.startswith(b"421 ")
    client.closes()
    [server] = site.hosts[0].talks
    await server.gone()
    assert server.sent < KERNEL
    assert resident() - before < FLAT
    await site.until(lambda: site.endings(ConnectionEnded) == ["no-server"])


class Babbler(source(100 * MB)):  # type: ignore[misc]
    """Greets, and answers the first command with 100 MB without a line end."""

    def connectionMade(self) -> None:
        self.says(b"220 hello\r\n")

    def dataReceived(self, data: bytes) -> None:
        self.transport.registerProducer(self, True)
        self.resumeProducing()


@pytest_twisted.ensureDeferred
async def test_a_server_that_answers_without_an_end_loses_its_client_with_421(site: Site) -> None:
    """Attack 22."""
    port = site.serve("127.0.0.2", protocol=Babbler)
    site.start(ftp(port, "127.0.0.2"))
    before = resident()
    client = await site.client("ftp")
    await client.hears(b"220 hello\r\n")
    client.says(b"USER joe\r\n")
    await client.ends("eof")
    assert client.heard.endswith(b"\r\n") and b"\r\n421 " in client.heard
    client.closes()
    await site.until(lambda: site.endings(ConnectionEnded) == ["wire-error"])
    assert resident() - before < FLAT


@pytest_twisted.ensureDeferred
async def test_a_server_that_talks_before_its_client_is_joined_is_held_to_a_cap(
    site: Site,
) -> None:
    """Attack 22: a babbling server beside a good one costs a hold, not a heap."""
    bad, good = Host("127.0.0.2", source(100 * MB)), Host("127.0.0.3")
    port = listen_alike([bad, good])
    site.hosts += [bad, good]
    site.start(ftp(port, "127.0.0.2", "127.0.0.3", backend={"balance": "first"}))
    before = resident()
    client = await site.client("ftp")
    server = await good.talk()
    server.says(b"220 hello\r\n")
    await client.hears(b"220 hello\r\n")
    assert resident() - before < FLAT
