"""The whole chain as programs of their own: twistd lb-tunnel, lb-proxy, two times security-proxy.

Between curl, lftp and vsftpd, with a token that lb-proxyctl could have issued, and a balancer whose
configuration is a preset. What came to which proxy is read in their access logs.
"""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread

from tests.loopback.ftp_site import FtpSite
from tests.loopback.test_gateway_presets import BALANCER
from tests.loopback.test_gateway_programs import NAME, PROXY, TUNNEL, Files, Running, running
from tests.peers.cells import Cell, Target, Visit
from tests.peers.servers import PASSWORD, Server
from tests.peers.whole_session import LARGE, TRANSFERS, whole_session
from twisted_lb.terms import Address

pytestmark = pytest.mark.peers

PROXIES = ("127.0.0.5", "127.0.0.6")
LOG = '[log]\naccess = "{log}"\n'


@attrs.frozen
class Programs:
    """All of them, in the order in which they may stop."""

    tunnel: Running
    balancer: Running
    proxies: list[Running]

    def __iter__(self) -> Iterator[Running]:
        return iter((self.tunnel, self.balancer, *self.proxies))


def a_free_port() -> int:
    """One that both proxies and the balancer can have."""
    with ExitStack() as stack:
        first = stack.enter_context(socket.create_server((PROXIES[0], 0)))
        port = int(first.getsockname()[1])
        for host in (PROXIES[1], "127.0.0.9"):
            stack.enter_context(socket.create_server((host, port)))
        return port


def a_proxy(files: Files, at: Address, terminated: bool) -> str:
    """Its configuration."""
    about = {"front": files.front, "issuer": files.issuer, "drain": "5s", "log": "{log}"}
    listens = f'listen = "{at}"'
    if terminated:
        listens += '\nproxy = { mode = "required", trusted = "127.0.0.0/8" }'
    return PROXY.format_map(about).replace('listen = "127.0.0.1:0"', listens)


def a_balancer(files: Files, port: int, terminated: bool) -> str:
    """Its configuration: a preset, and what no preset knows."""
    written = {"frontend": "", "server": "", "backend": ""}
    if terminated:
        written = {
            "frontend": f'tls.certificate = [{{ file = "{files.front}" }}]',
            "server": ', send_proxy = "v2"',
            "backend": f'tls.ca = "{files.ca}"\ntls.identity = "{NAME}"',
        }
    preset = "lb-gateway-terminated" if terminated else "lb-gateway"
    return BALANCER.format(preset=preset, hosts=PROXIES, port=port, **written) + LOG


def start(stack: ExitStack, home: Path, host: Address, terminated: bool) -> Programs:
    """All at once: none needs another one to start."""
    files, port = Files(home), a_free_port()
    about = {"front": f"127.0.0.9:{port}", "ca": files.ca, "key": files.key, "host": str(host)}
    about |= {"token": files.token(host), "log": "{log}"}
    proxies = []
    for name, address in zip("ab", PROXIES, strict=True):
        (home / name).mkdir()
        text = a_proxy(files, Address(address, port), terminated)
        proxies.append(stack.enter_context(running(home / name, "security-proxy", text)))
    text = a_balancer(files, port, terminated)
    balancer = stack.enter_context(running(home, "lb-proxy", text))
    tunnel = stack.enter_context(running(home, "lb-tunnel", TUNNEL.format_map(about)))
    return Programs(tunnel, balancer, proxies)


def ended(program: Running) -> list[dict[str, str]]:
    """The channels of sessions that it tells of: checks have no role."""
    return [f for f in program.facts if f["fact"] == "connection-ended" and f.get("role")]


@pytest.mark.parametrize("terminated", [False, True], ids=["passed through", "terminated"])
@pytest_twisted.ensureDeferred
async def test_curl_and_lftp_at_once_on_two_proxies(
    ftp_site: FtpSite, vsftpd: Server, tmp_path: Path, terminated: bool
) -> None:
    """20 MB up and down and 50 small transfers each, one in passive and one in active mode."""
    with ExitStack() as stack:
        host = Address(vsftpd.site.host, vsftpd.site.port)
        programs = start(stack, tmp_path, host, terminated)
        for program in programs:
            await program.address(ftp_site)
        at = await programs.tunnel.address(ftp_site)
        visits = [
            Visit(
                Cell(client, mode, "whole"),
                Target(at.host, at.port, vsftpd.user, PASSWORD),
                tmp_path / f"{client}-{terminated}",
                LARGE,
            )
            for client, mode in (("curl", "EPSV"), ("lftp", "PORT"))
        ]
        spent = [deferToThread(whole_session, visit, vsftpd.site.home) for visit in visits]
        assert await gatherResults(spent) == ["", ""]
        for program in programs:
            os.kill(program.process.pid, signal.SIGTERM)
            assert await program.ends(ftp_site) == 0
        everything = Counter(control=1, notification=1, data=TRANSFERS)
        for proxy in programs.proxies:
            assert Counter(fact["role"] for fact in ended(proxy)) == everything
            assert len({fact["session"] for fact in ended(proxy)}) == 1
        assert not [f for each in programs for f in each.facts if f["fact"] == "attack-seen"]
