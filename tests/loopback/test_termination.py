"""TLS that ends at the balancer, on real sockets: sessions told apart by what is said inside, and
TLS of our own toward servers whose names are verified."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
import pytest_twisted

from tests.loopback.site import Site, Talk
from tests.loopback.tls_site import (
    AUTHORITY,
    FRONT,
    TlsHost,
    secure_client,
    serve_secured,
)
from twisted_lb.config.load import load
from twisted_lb.facts import ConnectionEnded
from twisted_lb.tls import ClientContext, Identity
from twisted_lb.wire.proxyheader import parse

from ..certificates import self_signed, written

ROLES = ("control", "data", "notification")
A, B, C = "127.0.0.2", "127.0.0.3", "127.0.0.4"
JOE, ANN = "joe-1", "ann-1"
KEYS = {
    "opening": r"""
key = ["opening"]
pattern.opening = '^LBP/1 (?P<role>\S+) (?P<session>\S+) '
""",
    "certificate": """
key = ["certificate"]
""",
    "alpn": """
key = ["alpn"]
pattern.alpn = 'lb-session/(?P<session>.+)'
""",
}


def ends(
    tmp_path: Path,
    listeners: dict[str, str],
    port: int,
    more: str = "",
    key: str = "opening",
    **tls: str,
) -> str:
    """A configuration whose frontends, name → role, end TLS and lead to group g on this port."""
    front = written(AUTHORITY.sign(FRONT), tmp_path / "front.pem")
    rest = "".join(f', {key} = "{value}"' for key, value in tls.items())
    frontends = "".join(
        f"""
[[frontend]]
name = "{name}"
listen = "127.0.0.1:0"
group = "g"
role = "{role}"
tls = {{ mode = "terminate", certificate = [{{ file = "{front}" }}]{rest} }}
"""
        for name, role in listeners.items()
    )
    roles = "".join(f"[group.g.role.{role}]\nserver_port = {port}\n" for role in ROLES)
    backend = f"""
[[backend]]
name = "pool"
check.type = "off"
timeout = {{ connect = "5s" }}
server = [{{ name = "a", host = "{A}" }}, {{ name = "b", host = "{B}" }}]
{more}
[limits]
drain = "0s"
"""
    group = f'[group.g]\nbackend = "pool"\nlinger = "0s"\n{KEYS[key]}{roles}'
    return frontends + group + backend


def speaks(who: str) -> ClientContext:
    """A user's TLS: shows a session, and a certificate of its own, which nobody vouches for."""
    pem, names = self_signed(who), (f"lb-session/{who}", "lb-proxy/1")
    return ClientContext(AUTHORITY.pem, identity=Identity.of(pem, pem, who), alpn=names)


async def come(site: Site, order: tuple[str, ...], who: str, one_port: bool) -> list[Talk]:
    """A user opens three channels in this order, and says the opening line on each."""
    channels, context = [], speaks(who)
    for role in order:
        channel = await secure_client(site, "in" if one_port else role, context)
        channel.says(f"LBP/1 {role} {who} token\r\n".encode())
        channels.append(channel)
    return channels


def reached(site: Site) -> dict[str, set[str]]:
    """User → the servers that got a channel of this user's."""
    found: dict[str, set[str]] = {}
    for host in site.hosts:
        for talk in host.talks:
            if talk.heard:
                found.setdefault(talk.heard.split()[2].decode(), set()).add(host.host)
    return found


def channels(site: Site) -> int:
    return sum(bool(talk.heard) for host in site.hosts for talk in host.talks)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("one_port", [True, False], ids=["one port", "three ports"])
@pytest.mark.parametrize("order", list(permutations(ROLES)), ids="-".join)
@pytest_twisted.ensureDeferred
async def test_two_users_behind_one_address_are_on_two_servers_each_with_all_channels(
    site: Site, tmp_path: Path, order: tuple[str, ...], one_port: bool, key: str
) -> None:
    """Whichever channel comes first; the opening line is relayed as it came."""
    listeners = {"in": "control"} if one_port else {role: role for role in ROLES}
    text = ends(tmp_path, listeners, site.serve(A, B), key=key, clients="any", alpn="lb-proxy/1")
    site.start(load(text, "lb.toml"))
    await come(site, order, JOE, one_port)
    await come(site, order, ANN, one_port)
    await site.until(lambda: channels(site) == 6)
    servers = reached(site)
    assert sorted(map(len, servers.values())) == [1, 1]
    assert servers[JOE] != servers[ANN]
    roles = sorted(t.heard.split()[1].decode() for host in site.hosts for t in host.talks)
    assert roles == sorted(ROLES * 2)


@pytest_twisted.ensureDeferred
async def test_re_encrypted_both_ways_and_every_byte_arrives(site: Site, tmp_path: Path) -> None:
    hosts = TlsHost(A, "servers.example"), TlsHost(B, "servers.example")
    ca = written(AUTHORITY.pem, tmp_path / "ca.pem")
    tls = f'tls = {{ mode = "on", ca = "{ca}", identity = "servers.example" }}'
    text = ends(tmp_path, {"in": "control"}, serve_secured(site, *hosts), tls)
    site.start(load(text, "lb.toml"))
    line = b"LBP/1 control joe-1 token\r\n"
    up, down = line + bytes(range(256)) * 4000, bytes(range(255, -1, -1)) * 4000
    client = await secure_client(site, "in")
    client.says(up)
    server = await hosts[0].talk()
    await server.hears(up)
    server.says(down)
    await client.hears(down)
    client.closes()
    await site.until(lambda: site.endings(ConnectionEnded) == ["done"])
    await server.ends("closed")


@pytest_twisted.ensureDeferred
async def test_a_server_of_another_name_never_hears_a_client(site: Site, tmp_path: Path) -> None:
    hosts = TlsHost(A, "other.example"), TlsHost(B, FRONT)
    ca = written(AUTHORITY.pem, tmp_path / "ca.pem")
    tls = f'balance = "first"\ntls = {{ mode = "on", ca = "{ca}", identity = "{FRONT}" }}'
    text = ends(tmp_path, {"in": "control"}, serve_secured(site, *hosts), tls)
    site.start(load(text, "lb.toml"))
    client = await secure_client(site, "in")
    line = b"LBP/1 control joe-1 token\r\n"
    client.says(line)
    await (await hosts[1].talk()).hears(line)
    assert all(talk.heard == b"" for talk in hosts[0].talks)


@pytest_twisted.ensureDeferred
async def test_when_no_server_is_who_it_should_be_the_log_says_so(
    site: Site, tmp_path: Path
) -> None:
    hosts = TlsHost(A, "other.example"), TlsHost(B, "other.example")
    ca = written(AUTHORITY.pem, tmp_path / "ca.pem")
    tls = f'tls = {{ mode = "on", ca = "{ca}", identity = "{FRONT}" }}'
    text = ends(tmp_path, {"in": "control"}, serve_secured(site, *hosts), tls)
    site.start(load(text, "lb.toml"))
    client = await secure_client(site, "in")
    client.says(b"LBP/1 control joe-1 token\r\n")
    await client.gone()
    [ended] = [fact for fact in site.facts if isinstance(fact, ConnectionEnded)]
    assert ended.ending == "no-server"
    assert "identity-mismatch: its certificate is for other.example" in ended.detail


@pytest_twisted.ensureDeferred
async def test_a_server_is_told_the_clients_certificate(site: Site, tmp_path: Path) -> None:
    port = site.serve(A, B)
    text = ends(tmp_path, {"in": "control"}, port, clients="any")
    site.start(load(text.replace(f'"{A}" }}', f'"{A}", send_proxy = "v2" }}'), "lb.toml"))
    client = await secure_client(site, "in", speaks("joe"))
    client.says(b"LBP/1 control joe-1 token\r\n")
    server = await site.hosts[0].talk()
    await server.until(lambda talk: talk.heard.endswith(b"token\r\n"))
    told = parse(server.heard)
    assert isinstance(told, tuple)
    header, length = told
    assert server.heard[length:] == b"LBP/1 control joe-1 token\r\n"
    assert header.ssl is not None and header.ssl.version == "TLSv1.3"
    assert header.client_certificate and header.role == "control"


@pytest_twisted.ensureDeferred
async def test_a_client_cut_off_is_not_a_client_that_closed(site: Site, tmp_path: Path) -> None:
    """T68: without close_notify the server must not take a part for the whole."""
    text = ends(tmp_path, {"in": "control"}, site.serve(A, B))
    site.start(load(text, "lb.toml"))
    client = await secure_client(site, "in")
    line = b"LBP/1 control joe-1 token\r\n"
    client.says(line)
    server = await site.hosts[0].talk()
    await server.hears(line)
    client.transport.transport.loseConnection()
    await server.ends("reset")
    await site.until(lambda: site.endings(ConnectionEnded) == ["client-left"])


@pytest_twisted.ensureDeferred
async def test_a_client_that_demands_another_name_shakes_no_hands(
    site: Site, tmp_path: Path
) -> None:
    text = ends(tmp_path, {"in": "control"}, site.serve(A, B), strict_sni="yes")
    site.start(load(text.replace('strict_sni = "yes"', "strict_sni = true"), "lb.toml"))
    client = await secure_client(site, "in", name="other.example")
    await client.gone()
    assert site.endings(ConnectionEnded) == ["no-route"]
    assert all(host.talks == [] for host in site.hosts)


@pytest_twisted.ensureDeferred
async def test_who_says_all_and_closes_at_once_is_heard_to_the_last_byte(
    site: Site, tmp_path: Path
) -> None:
    """Before a server was even dialled: a close_notify cannot end one direction alone."""
    text = ends(tmp_path, {"in": "control"}, site.serve(A, B), key="certificate", clients="any")
    site.start(load(text, "lb.toml"))
    client = await secure_client(site, "in", speaks(JOE))
    client.says(b"a print job" * 10_000)
    client.closes()
    await site.until(lambda: sum(len(t.heard) for h in site.hosts for t in h.talks) == 110_000)
    [server] = [talk for host in site.hosts for talk in host.talks]
    assert server.heard == b"a print job" * 10_000
    await server.until(lambda talk: bool(talk.ended))
    server.closes()
    await site.until(lambda: site.endings(ConnectionEnded) == ["done"])
