"""The gateway's configurations: what a file means, and everything that is wrong with it at once."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from twisted_lb.errors import ConfigurationError
from twisted_lb.gateway.load import load_proxy, load_tunnel
from twisted_lb.terms import Address

PROXY = """
[tls]
certificate = "front.pem"

[tokens]
trusted = "mss.pem"
audience = "front.example.com"

[[listener]]
name = "main"
listen = "*:3000"

[[destination]]
host = "10.0.0.0/8"
ports = 23
"""

TUNNEL = """
[front]
address = "front.example.com:3000"

[token_server]
url = "https://mss.example.com/token"

[[local]]
name = "mainframe"
listen = "127.0.0.1:2323"
destination = "mainframe.example.com:23"
"""


def wrong(load: Any, text: str) -> dict[str, str]:
    """The message for each path."""
    try:
        load(text, "gateway.toml")
    except ConfigurationError as error:
        return {problem.path: problem.message for problem in error.problems}
    return {}


def test_a_small_configuration_of_the_proxy_is_enough() -> None:
    settings = load_proxy(PROXY, "proxy.toml")
    [listener] = settings.listeners
    assert listener.authorization
    assert listener.frontend.listen == (Address("*", 3000),)
    assert settings.destinations[0].ports == (23, 23)
    assert settings.tokens.trusted == ("mss.pem",)
    assert not settings.tokens.unbound
    assert (settings.timeout.opening, settings.timeout.ping) == (10.0, 30.0)


def test_a_small_configuration_of_the_tunnel_is_enough() -> None:
    settings = load_tunnel(TUNNEL, "tunnel.toml")
    [local] = settings.locals
    assert local.destination == Address("mainframe.example.com", 23)
    assert settings.front.address == Address("front.example.com", 3000)
    assert local.protocol == "terminal"


def test_everything_may_be_said() -> None:
    text = (
        PROXY
        + """
tls = "on"
ca = "ca.pem"
identity = "mainframe.example.com"
[[destination]]
host = "*.example.com"
ports = "1024-65535"
[[listener]]
name = "plain"
listen = ["127.0.0.1:23", "[::1]:23"]
authorization = false
destination = "a.example.com:2323"
startups = "unlimited"
proxy = { mode = "required", trusted = "10.0.0.1" }
[ftp]
data_ports = "40000-40999"
stall_timeout = "never"
grace = "0s"
"""
    )
    settings = load_proxy(text, "proxy.toml")
    assert settings.listeners[1].destination == Address("a.example.com", 2323)
    assert settings.listeners[1].startups is None
    assert settings.ftp.data_ports == (40_000, 40_999)
    assert settings.destinations[0].tls == "on"


def test_all_that_is_wrong_with_a_proxy_is_told_at_once() -> None:
    text = """
terminal_idle = "never"
[tls]
certficate = "front.pem"
[tokens]
unbound = "yes"
[[listener]]
name = "main"
listen = []
destination = "mainframe"
[[listener]]
name = "main"
listen = "*:3001"
authorization = false
[[listener]]
name = "third"
listen = "*:3002"
authorization = false
destination = "elsewhere.example.com:23"
[listener.proxy]
mode = "required"
[[destination]]
host = "not a host"
ports = 0
ca = "ca.pem"
"""
    found = wrong(load_proxy, text)
    assert set(found) == {
        "tls.certficate",
        "tokens.unbound",
        "tokens.trusted",
        "tokens.audience",
        "listener[main].listen",
        "listener[main].name",
        "listener[main].destination",
        "listener[third].proxy.trusted",
        "destination[#1].host",
        "destination[#1].ports",
        "destination[#1].ca",
    }
    assert 'did you mean "certificate"?' in found["tls.certficate"]


def test_a_proxy_needs_a_listener() -> None:
    assert "is missing" in wrong(load_proxy, '[tls]\ncertificate = "x"\n')["listener"]
    assert (
        "is missing" in wrong(load_proxy, 'listener = []\n[tls]\ncertificate = "x"\n')["listener"]
    )


def test_a_host_without_tokens_is_listed_like_any_other() -> None:
    text = PROXY.replace(
        '"*:3000"', '"*:3000"\nauthorization = false\ndestination = "elsewhere.example.com:23"'
    )
    assert "is not listed" in wrong(load_proxy, text)["listener[main].destination"]


def test_a_destination_beside_tokens_is_read_by_nobody() -> None:
    text = PROXY.replace('"*:3000"', '"*:3000"\ndestination = "10.0.0.1:23"')
    assert "tokens say where to" in wrong(load_proxy, text)["listener[main].destination"]


def test_authorities_of_a_host_without_tls_are_read_by_nobody() -> None:
    assert wrong(load_proxy, PROXY + 'identity = "a.example.com"\n') == {
        "destination[#1].identity": 'is read only with `tls = "on"`'
    }


@pytest.mark.parametrize("ports", ['"23"', "true", '"9-8"', "70000"])
def test_ports_are_a_number_or_a_range(ports: str) -> None:
    text = PROXY.replace("ports = 23", f"ports = {ports}")
    assert "a port or a range of ports" in wrong(load_proxy, text)["destination[#1].ports"]


@pytest.mark.parametrize("host", ["7", '"*"', '"10.0.0.1/8"'])
def test_hosts_are_names_or_networks(host: str) -> None:
    text = PROXY.replace('host = "10.0.0.0/8"', f"host = {host}")
    assert "or a network" in wrong(load_proxy, text)["destination[#1].host"]


def test_all_that_is_wrong_with_a_tunnel_is_told_at_once() -> None:
    text = """
[front]
address = "front.example.com"
[token_server]
user = "joe"
url = "http://mss.example.com/token"
[[local]]
name = "a"
listen = "*:2323"
destination = 7
token_file = "token"
token_command = "print-token"
[[local]]
name = "a"
listen = []
destination = "mainframe.example.com:23"
"""
    found = wrong(load_tunnel, text)
    assert set(found) == {
        "front.address",
        "token_server.url",
        "token_server.password_file",
        "local[a].name",
        "local[a].destination",
        "local[a].listen",
        "local[a].token_command",
        "local[a]",
    }
    assert "not https" in found["token_server.url"]


def test_a_tunnel_needs_a_local_port() -> None:
    front = '[front]\naddress = "a.example.com:3000"\n'
    assert "is missing" in wrong(load_tunnel, front)["local"]
    assert "is missing" in wrong(load_tunnel, "local = []\n" + front)["local"]


def test_a_port_that_others_reach_says_who_may_use_the_tokens() -> None:
    """Whoever can connect to it uses the tokens of whoever runs it."""
    text = TUNNEL.replace("127.0.0.1:2323", "10.0.0.1:2323")
    assert "open to other machines" in wrong(load_tunnel, text)["local[mainframe].listen"]
    assert not wrong(load_tunnel, text + 'allow = "10.0.0.0/24"\n')


@pytest.mark.parametrize("url", ["7", '"ftp://mss"', '"https:///token"', '"http://10.0.0.1/"'])
def test_passwords_go_to_token_servers_by_https_only(url: str) -> None:
    text = TUNNEL.replace('"https://mss.example.com/token"', url)
    assert "an address of the web" in wrong(load_tunnel, text)["token_server.url"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/token", "http://localhost/token"])
def test_but_for_this_machine(url: str) -> None:
    assert not wrong(load_tunnel, TUNNEL.replace("https://mss.example.com/token", url))


def test_settings_are_values() -> None:
    settings = load_tunnel(TUNNEL, "tunnel.toml")
    assert attrs.evolve(settings) == settings
