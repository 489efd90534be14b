"""A balancer whose configuration is a preset, before two security proxies: FTP sessions and
terminals of one user at once."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.loopback.farm import Farm
from tests.loopback.gateways import NAME, Gateways
from tests.loopback.test_gateway_balanced import (
    PROXIES,
    TRUSTED,
    astray,
    channels,
    gone,
    two_proxies,
)
from tests.loopback.test_gateway_ftp import ftp_local, leave, upload
from tests.loopback.test_gateway_terminal import a_host
from twisted_lb.config.load import load
from twisted_lb.gateway.settings import Local
from twisted_lb.service import balancer
from twisted_lb.terms import Address

BALANCER = """
[[frontend]]
name = "front"
listen = "127.0.0.9:{port}"
group = "gateway"
preset = "{preset}"
{frontend}
[group.gateway]
backend = "proxies"
preset = "{preset}"
[[backend]]
name = "proxies"
preset = "{preset}"
server = [
    {{ name = "a", host = "{hosts[0]}"{server} }},
    {{ name = "b", host = "{hosts[1]}"{server} }},
]
{backend}
[limits]
drain = "0s"
"""


def by_preset(gateways: Gateways, preset: str) -> Address:
    """A balancer with nothing but names, addresses and files beside the preset. It has the port
    of the proxies, which is where a preset looks for them."""
    written = {"frontend": "", "server": "", "backend": ""}
    listener = None
    if preset == "lb-gateway-terminated":
        listener = {"proxy": TRUSTED}
        written = {
            "frontend": f'tls.certificate = [{{ file = "{gateways.certificate}" }}]',
            "server": ', send_proxy = "v2"',
            "backend": f'tls.ca = "{gateways.ca}"\ntls.identity = "{NAME}"',
        }
    port = two_proxies(gateways, listener=listener)
    text = BALANCER.format(preset=preset, hosts=PROXIES, port=port, **written)
    gateways.balancer = balancer(load(text, "lb.toml"), reactor, gateways.facts.append)
    gateways.balancer.startService()
    return gateways.balancer.address("front")


@pytest.mark.parametrize("preset", ["lb-gateway", "lb-gateway-terminated"])
@pytest_twisted.ensureDeferred
async def test_the_presets_of_our_own_gateway_keep_sessions_together(
    gateways: Gateways, farm: Farm, preset: str
) -> None:
    host = Local("host", (Address("127.0.0.1", 0),), a_host(gateways))
    tunnel = gateways.tunnel(by_preset(gateways, preset), ftp_local(farm), host)
    visitors = [await gateways.logs_in(tunnel) for _ in range(2)]
    terminals = [await gateways.connect(tunnel.address("host"), "127.0.0.1") for _ in range(2)]
    for number, terminal in enumerate(terminals):
        terminal.says(b"user %d" % number)
    await gateways.until(
        lambda: sum(b"user" in t.heard for h in gateways.hosts for t in h.talks) == 2
    )
    for visitor in visitors:
        await upload(visitor, "EPSV", "up", b"content")
        await upload(visitor, "PORT", "down", b"content")
        await leave(visitor)
    for terminal in terminals:
        terminal.closes()
    await gone(gateways)
    assert astray(gateways) == 0
    assert sorted(map(len, channels(gateways).values())) == [1] * 4
    assert len(set.union(*channels(gateways).values())) == 2
