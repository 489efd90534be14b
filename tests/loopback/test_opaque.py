"""Opaque frontends on real sockets: one connection, its server, its ending."""

import pytest_twisted

from tests.loopback.site import LIMITS, Site, backend
from twisted_lb.config.settings import Frontend, Group, RoleRule, Settings
from twisted_lb.facts import ConnectionEnded, SessionEnded
from twisted_lb.terms import Address


def one_frontend(port: int, *addresses: str, **group: object) -> Settings:
    """A frontend whose every connection is a session of its own, unless `group` says otherwise."""
    rules = {
        "key": ("connection",),
        "linger": 0.0,
        "roles": {"any": RoleRule(server_port=port)},
        **group,
    }
    return Settings(
        frontends=(Frontend("in", listen=(Address("127.0.0.1", 0),), group="in"),),
        groups={"in": Group("in", "back", **rules)},
        backends={"back": backend("back", *addresses)},
        limits=LIMITS,
    )


@pytest_twisted.ensureDeferred
async def test_bytes_pass_untouched_and_the_log_says_how_it_ended(site: Site) -> None:
    port = site.serve("127.0.0.2")
    site.start(one_frontend(port, "127.0.0.2"))
    client = await site.client("in")
    client.says(b"question")
    server = await site.hosts[0].talk()
    await server.hears(b"question")
    server.says(b"answer")
    await client.hears(b"answer")
    client.closes()
    await server.ends("eof")
    server.closes()
    await site.until(lambda: bool(site.endings(SessionEnded)))
    [ended] = [fact for fact in site.facts if isinstance(fact, ConnectionEnded)]
    assert (ended.ending, ended.from_client, ended.from_server) == ("done", 8, 6)
    assert (ended.server, ended.role, ended.client.host) == ("back/a", "any", "127.0.0.1")
    assert site.endings(SessionEnded) == ["done"]


@pytest_twisted.ensureDeferred
async def test_the_answer_to_a_half_closed_request_arrives(site: Site) -> None:
    port = site.serve("127.0.0.2")
    site.start(one_frontend(port, "127.0.0.2"))
    client = await site.client("in")
    client.says(b"request")
    client.shuts()
    server = await site.hosts[0].talk()
    await server.ends("eof")
    assert server.heard == b"request"
    server.says(b"answer")
    server.closes()
    await client.ends("eof")
    assert client.heard == b"answer"


@pytest_twisted.ensureDeferred
async def test_a_server_that_refuses_is_passed_by(site: Site) -> None:
    port = site.serve("127.0.0.3")
    site.start(one_frontend(port, "127.0.0.2", "127.0.0.3"))
    for number in (1, 2, 3):
        client = await site.client("in")
        client.says(b"hello")
        server = await site.hosts[0].talk(number)
        await server.hears(b"hello")


@pytest_twisted.ensureDeferred
async def test_when_no_server_answers_the_client_is_closed_with_no_server(site: Site) -> None:
    port = site.serve("127.0.0.4")
    site.start(one_frontend(port, "127.0.0.2", "127.0.0.3"))
    client = await site.tries(site.balancer.address("in"))
    await client.gone()
    assert site.endings(ConnectionEnded) == ["no-server"]


@pytest_twisted.ensureDeferred
async def test_a_server_hears_when_nobody_listens_to_it_any_more(site: Site) -> None:
    """A client that reads no more says that it ends, and then breaks off."""
    site.start(one_frontend(site.serve("127.0.0.2"), "127.0.0.2"))
    client = await site.client("in")
    client.says(b"all of it")
    server = await site.hosts[0].talk()
    client.transport.pauseProducing()
    server.says(bytes(16_000_000))
    client.shuts()
    await server.ends("eof")
    client.resets()
    await server.gone()


@pytest_twisted.ensureDeferred
async def test_a_reset_by_the_server_resets_the_client(site: Site) -> None:
    port = site.serve("127.0.0.2")
    site.start(one_frontend(port, "127.0.0.2"))
    client = await site.client("in")
    server = await site.hosts[0].talk()
    server.resets()
    await client.ends("reset")
    assert site.endings(ConnectionEnded) == ["server-closed"]


@pytest_twisted.ensureDeferred
async def test_two_clients_of_one_address_are_together_while_a_source_key_holds(site: Site) -> None:
    """A coarse key is one shared session: together, on one server, then kept for the linger."""
    port = site.serve("127.0.0.2", "127.0.0.3")
    settings = one_frontend(port, "127.0.0.2", "127.0.0.3", key=("source",), linger=30.0)
    site.start(settings)
    for _ in range(4):
        client = await site.client("in")
        client.says(b"x")
        await site.until(lambda: sum(len(host.talks) for host in site.hosts) == len(site.clients))
    assert sorted(len(host.talks) for host in site.hosts) == [0, 4]
    await site.client("in", source="127.0.0.9")
    await site.until(lambda: sum(len(host.talks) for host in site.hosts) == 5)
    assert sorted(len(host.talks) for host in site.hosts) == [1, 4]
