"""Attack 15, beside those whom people use today: HAProxy and nginx route a ClientHello by its name
however it is cut, and so do we, to the same server."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import deferLater

from tests.loopback.conftest import site
from tests.loopback.site import PATIENCE, Site
from tests.loopback.test_hello import BLUE, RED, by_name, hellos
from tests.peers import ROOT, environment, program
from tests.peers.ready import until_it_accepts
from twisted_lb.terms import Address

__all__ = ["site"]

NOBODY = "nobody"
CANNOT = {
    "haproxy": ("three records", "three records, cut in their headers", "16 KiB"),
    "nginx": ("16 KiB",),
}
"""Ways of cutting that they do not route at all (HAProxy 2.6.12, nginx 1.22.1)."""


def beyond(kind: str, ways: Iterable[str]) -> set[str]:
    """Those of these ways that a rival does not manage."""
    return {way for way in ways if way.endswith(CANNOT[kind])}


HAPROXY = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 10s
    timeout server 10s
frontend in
    bind 127.0.0.1:{port}
    tcp-request inspect-delay 5s
    tcp-request content accept if {{ req.ssl_hello_type 1 }}
    use_backend red if {{ req.ssl_sni -i red.example }}
    use_backend blue if {{ req.ssl_sni -m end .blue.example }}
backend red
    server red {red}:{server}
backend blue
    server blue {blue}:{server}
"""
NGINX = """
daemon off;
pid {place}/nginx.pid;
error_log {place}/nginx.log;
load_module {module};
events {{}}
stream {{
    map $ssl_preread_server_name $there {{
        hostnames;
        red.example {red}:{server};
        *.blue.example {blue}:{server};
    }}
    server {{
        listen 127.0.0.1:{port};
        ssl_preread on;
        proxy_pass $there;
    }}
}}
"""


@contextmanager
def rival(kind: str, place: Path, server: int) -> Iterator[Address]:
    """One of them, listening."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    module = next(ROOT.glob("usr/lib/nginx/modules/ngx_stream_module.so"), None)
    facts = {"port": port, "server": server, "red": RED, "blue": BLUE, "place": place}
    text = {"haproxy": HAPROXY, "nginx": NGINX}[kind].format(**facts, module=module)
    (place / "rival.conf").write_text(text)
    commands = {
        "haproxy": [program("haproxy"), "-db", "-f", place / "rival.conf"],
        "nginx": [program("nginx"), "-p", place, "-c", place / "rival.conf"],
    }
    with (place / "rival.log").open("wb") as log:
        process = subprocess.Popen(
            commands[kind], env=environment(), stdout=log, stderr=log, cwd=place
        )
    try:
        until_it_accepts(("127.0.0.1", port), process, place / "rival.log")
        yield Address("127.0.0.1", port)
    finally:
        process.terminate()
        process.wait(10)


async def routed(site: Site, at: Address, patience: float) -> dict[str, str]:
    """Way of cutting → the server that got the whole hello, or nobody."""
    return {
        f"{name.decode()}, {how}": await reached(site, at, parts, patience)
        for name in (b"red.example", b"www.blue.example")
        for how, parts in hellos(name)
    }


async def reached(site: Site, at: Address, parts: list[bytes], patience: float) -> str:
    before = {host.host: len(host.talks) for host in site.hosts}
    client = await site.connect(at)
    client.transport.setTcpNoDelay(True)
    for part in parts:
        client.says(part)
        await deferLater(reactor, 0)
    whole = b"".join(parts)

    def got() -> list[str]:
        talks = ((h.host, talk) for h in site.hosts for talk in h.talks[before[h.host] :])
        return [host for host, talk in talks if talk.heard == whole]

    deadline = reactor.seconds() + patience
    while not got() and not client.ended and reactor.seconds() < deadline:
        await deferLater(reactor, 0.002)
    client.resets()
    return "".join(got()) or NOBODY


@pytest.mark.peers("haproxy", "nginx")
@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
@pytest_twisted.ensureDeferred
async def test_every_way_of_cutting_leads_to_the_same_server(
    site: Site,
    tmp_path: Path,
    kind: str,
) -> None:
    server = site.serve(RED, BLUE)
    site.start(by_name(server))
    ours = await routed(site, site.balancer.address("in"), PATIENCE)
    assert {host for how, host in ours.items() if how.startswith("red")} == {RED}
    assert {host for how, host in ours.items() if how.startswith("www")} == {BLUE}
    with rival(kind, tmp_path, server) as at:
        theirs = await routed(site, at, 2.0)
    assert {how for how in theirs if theirs[how] == NOBODY} == beyond(kind, theirs)
    assert all(theirs[how] in (ours[how], NOBODY) for how in theirs)
