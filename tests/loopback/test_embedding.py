"""The balancer inside other programs: as a service, with plugins, and in front of an endpoint."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import pytest_twisted
from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, serverFromString
from twisted.internet.interfaces import IListeningPort

from tests.loopback.site import Host, Site, Talk
from twisted_lb import balancer, load
from twisted_lb.facts import ConnectionEnded
from twisted_lb.interfaces import IProxied
from twisted_lb.plugins import PluginError, added, installed
from twisted_lb.terms import Address
from twisted_lb.wire.proxyheader import encode_v1, encode_v2, session_tlv

EXAMPLES = Path(__file__).parents[2] / "examples"


def example_plugins() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_plugins", EXAMPLES / "plugins.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CONFIGURATION = """
[[frontend]]
name = "in"
listen = "127.0.0.1:0"
protocol = "greeted"
group = "even"
[group.even]
backend = "pool"
key = ["even-port"]
[group.even.role.any]
server_port = {port}
[[backend]]
name = "pool"
balance = "alphabetical"
check = {{ type = "off" }}
[[backend.server]]
name = "zebra"
host = "127.0.0.2"
[[backend.server]]
name = "ant"
host = "127.0.0.3"
[limits]
drain = "0s"
"""


@pytest_twisted.ensureDeferred
async def test_a_service_among_others_with_a_policy_a_key_and_a_protocol_of_ones_own(
    site: Site,
) -> None:
    port = site.serve("127.0.0.2", "127.0.0.3")
    module = example_plugins()
    plugins = [module.alphabetical, module.even_port, module.greeted]
    settings = load(CONFIGURATION.format(port=port), "own.toml", plugins=added(plugins).names)
    program = MultiService()
    site.balancer = balancer(settings, reactor, site.facts.append, plugins)
    site.balancer.setServiceParent(program)
    program.startService()
    for number in range(20):
        client = await site.client("in")
        if client.transport.getHost().port % 2:
            await client.hears(b"sorry: unkeyed\n")
        else:
            client.says(b"%d" % number)
            await site.until(
                lambda n=number: any(t.heard == b"%d" % n for t in site.hosts[1].talks)
            )
    assert site.hosts[0].talks == []
    await site.balancer.disownServiceParent()
    assert {"unkeyed"} <= set(site.endings(ConnectionEnded))


def test_a_plugin_that_takes_a_name_of_ours_is_refused_by_name() -> None:
    plugin = example_plugins().AlphabeticalPlugin()
    plugin.name = "round-robin"
    with pytest.raises(PluginError, match="'round-robin' is the balancer's own"):
        added([plugin])


def test_two_plugins_of_one_name_are_refused() -> None:
    module = example_plugins()
    with pytest.raises(PluginError, match="'alphabetical' is"):
        added([module.alphabetical, module.AlphabeticalPlugin()])


def test_a_thing_that_is_no_plugin_is_refused() -> None:
    with pytest.raises(PluginError, match="no interface"):
        added([object()])


def test_without_plugins_installed_nothing_is_added() -> None:
    assert installed().names == added([]).names


class Behind:
    """A Twisted server behind `lb:`, and a client that plays the balancer."""

    def __init__(self, site: Site, host: Host) -> None:
        self.site = site
        self.host = host
        self.port: IListeningPort

    async def listen(self, description: str) -> None:
        self.port = await serverFromString(reactor, description).listen(self.host)
        self.host.port = self.port
        self.site.hosts.append(self.host)

    async def connect(self) -> Talk:
        talk = Talk()
        self.site.clients.append(talk)
        at = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port)
        return await connectProtocol(at, talk)


TRUSTING = r"lb:tcp\:0\:interface\=127.0.0.1:trusted=127.0.0.0/8"
SOURCE, REACHED = Address("192.0.2.7", 50000), Address("198.51.100.1", 21)


@pytest_twisted.ensureDeferred
async def test_a_server_behind_the_balancer_sees_the_client_and_its_session(site: Site) -> None:
    behind = Behind(site, Host("127.0.0.1"))
    await behind.listen(TRUSTING)
    client = await behind.connect()
    for byte in encode_v2(SOURCE, REACHED, [session_tlv("data", "a-7")], crc=True):
        client.says(bytes((byte,)))
    client.says(b"payload")
    server = await behind.host.talk()
    await server.hears(b"payload")
    assert (server.peer.host, server.peer.port) == ("192.0.2.7", 50000)
    assert server.transport.getPeer().host == "192.0.2.7"
    assert server.transport.getHost().port == 21
    told = IProxied(server.transport)
    assert (told.session, told.role, told.header.version) == ("a-7", "data", 2)
    server.says(b"answer")
    await client.hears(b"answer")
    client.shuts()
    await server.ends("eof")
    server.closes()
    await client.ends("eof")


@pytest_twisted.ensureDeferred
async def test_the_application_hears_nothing_before_the_header_is_whole(site: Site) -> None:
    """Attack 16: no banner goes out to whoever has not said who he is."""
    behind = Behind(site, Host("127.0.0.1"))
    await behind.listen(TRUSTING + ":timeout=0.2")
    header = encode_v1(SOURCE, REACHED)
    client = await behind.connect()
    client.says(header[:-1])
    await client.gone()
    assert behind.host.talks == []


@pytest_twisted.ensureDeferred
async def test_who_sends_no_header_or_is_not_trusted_is_closed(site: Site) -> None:
    behind = Behind(site, Host("127.0.0.1"))
    await behind.listen(TRUSTING)
    client = await behind.connect()
    client.says(b"GET / HTTP/1.1\r\n\r\n")
    await client.gone()
    stranger = Behind(site, Host("127.0.0.1"))
    await stranger.listen(r"lb:tcp\:0\:interface\=127.0.0.1:trusted=10.0.0.0/8")
    client = await stranger.connect()
    await client.until(lambda talk: bool(talk.ended))
    assert behind.host.talks == stranger.host.talks == []


def test_an_endpoint_that_trusts_nobody_is_an_error() -> None:
    with pytest.raises(ValueError, match="trusted=NETWORK"):
        serverFromString(reactor, r"lb:tcp\:0")
