"""FTP's data channels on real sockets: whoever opens them, each reaches its session's server."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import pytest
import pytest_twisted

from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftp_talks import ACTIVE, Data
from twisted_lb.config.settings import ServerRule
from twisted_lb.facts import TransferEnded

LARGE = os.urandom(5_000_000)

FAMILIES = {"4": ("127.0.0.1", "127.0.0.2"), "6": ("::1", "::1")}
"""Where the balancer listens, and where its server is."""
VERBS = {"4": ("PASV", "EPSV", "PORT", "EPRT"), "6": ("EPSV", "EPRT")}
WAYS = [
    (client, verb, server)
    for client, verbs in VERBS.items()
    for verb in verbs
    for server in FAMILIES
]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def download(client: Any, server: Any, verb: str, data: bytes) -> Any:
    """RETR in the usual order; the client's end of the data channel, ended."""
    coming = await client.announces(verb)
    client.asks("RETR a")
    await server.asked("RETR a")
    server.says(b"150 Here it comes\r\n")
    far = await server.data()
    near = await coming
    far.says(data)
    far.closes()
    await near.gone()
    server.says(b"226 Done\r\n")
    await client.replies(150, 226)
    return near


async def upload(client: Any, server: Any, verb: str, data: bytes) -> Any:
    """STOR in the usual order; the server's end of the data channel, ended."""
    coming = await client.announces(verb)
    client.asks("STOR a")
    await server.asked("STOR a")
    server.says(b"150 Send it\r\n")
    far = await server.data()
    near = await coming
    near.says(data)
    near.closes()
    await far.until(lambda talk: bool(talk.ended))
    far.closes()
    await far.gone()
    server.says(b"226 Done\r\n")
    await client.replies(150, 226)
    return far


@pytest.mark.parametrize("server_data", ["passive", "active", "same"])
@pytest.mark.parametrize(("client_family", "verb", "server_family"), WAYS)
@pytest_twisted.ensureDeferred
async def test_every_byte_arrives_whoever_opens_either_leg_in_either_family(
    ftp_site: FtpSite, client_family: str, verb: str, server_family: str, server_data: str
) -> None:
    """T43: what the client says and what the server is told are independent."""
    (listen, _), (_, at) = FAMILIES[client_family], FAMILIES[server_family]
    port = ftp_site.serve_ftp(at)
    ftp_site.start(ftp(port, at, listen=listen, server_data=server_data))
    client, server = await ftp_site.session()
    near = await download(client, server, verb, LARGE)
    assert (near.ended, digest(near.heard)) == ("closed", digest(LARGE))
    far = await upload(client, server, verb, LARGE)
    assert (far.ended, digest(far.heard)) == ("closed", digest(LARGE))
    asked_to_dial = server.dials_back.__name__ != "talk"
    assert asked_to_dial == (server_data == "active" or (server_data == "same" and verb in ACTIVE))
    await ftp_site.until(lambda: len(ftp_site.of(TransferEnded)) == 2)
    assert [fact.bytes for fact in ftp_site.of(TransferEnded)] == [len(LARGE)] * 2


@pytest.mark.parametrize("told", [True, False])
@pytest_twisted.ensureDeferred
async def test_a_server_that_wants_proxy_is_told_of_the_client_on_data_only_where_configured(
    ftp_site: FtpSite, told: bool
) -> None:
    """A server that does not expect the header there would store it as the file's beginning."""
    at = "127.0.0.2"
    rule = ServerRule("a", at, send_proxy="v1")
    port = ftp_site.serve_ftp(at)
    ftp_site.start(ftp(port, at, backend={"servers": (rule,)}, proxy_data=told))
    client, server = await ftp_site.session("127.0.0.8")
    here, there = client.transport.getHost(), client.transport.getPeer()
    header = f"PROXY TCP4 {here.host} {there.host} {here.port} {there.port}"
    await server.asked(header)
    far = await upload(client, server, "EPSV", LARGE)
    assert far.heard == (header.encode() + b"\r\n" if told else b"") + LARGE


@pytest.mark.parametrize("verb", ["PASV", "EPSV"])
@pytest_twisted.ensureDeferred
async def test_two_clients_of_one_address_each_reach_their_own_server(
    ftp_site: FtpSite, verb: str
) -> None:
    """T90: behind one NAT; announced and opened in the order that could mix them up."""
    addresses = ("127.0.0.2", "127.0.0.3")
    port = ftp_site.serve_ftp(*addresses)
    ftp_site.start(ftp(port, *addresses, backend={"balance": "round-robin"}))
    pairs = [await ftp_site.session() for _ in addresses]
    assert {server.own for _, server in pairs} == set(addresses)
    invited = [await client.invited(verb) for client, _ in pairs]
    assert invited[0] != invited[1]
    ends = [await ftp_site.connect(at, pairs[0][0].own, Data()) for at in reversed(invited)]
    for (client, server), near in zip(pairs, reversed(ends), strict=True):
        client.asks("RETR a")
        await server.asked("RETR a")
        server.says(b"150 Here\r\n")
        far = await server.data()
        far.says(b"of " + server.own.encode())
        far.closes()
        await near.gone()
        assert near.heard == b"of " + server.own.encode()
        server.says(b"226 Done\r\n")
        await client.replies(150, 226)
