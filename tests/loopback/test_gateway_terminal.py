"""Terminals through a security proxy, with a tunnel and without; and everyone it must refuse."""

from __future__ import annotations

import pytest
import pytest_twisted

from tests.loopback.gateways import NAME, Gateways, mint, new_key
from tests.loopback.site import Talk
from twisted_lb.errors import Ended
from twisted_lb.facts import AttackSeen, ConnectionEnded
from twisted_lb.gateway.openingline import Opening
from twisted_lb.gateway.settings import Destination, Local
from twisted_lb.terms import Address


class Greets(Talk):
    """A host that speaks first, and says everything back."""

    def connectionMade(self) -> None:
        self.says(b"login: ")

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.says(data.upper())

    def readConnectionLost(self) -> None:
        super().readConnectionLost()
        self.closes()


def a_host(gateways: Gateways) -> Address:
    return Address("127.0.0.2", gateways.serve("127.0.0.2", protocol=Greets))


@pytest_twisted.ensureDeferred
async def test_a_terminal_reaches_its_host_through_tunnel_and_proxy(gateways: Gateways) -> None:
    host = a_host(gateways)
    local = Local("mainframe", (Address("127.0.0.1", 0),), host)
    tunnel = gateways.tunnel(gateways.proxy(), local)
    client = await gateways.connect(tunnel.address("mainframe"))
    await client.hears(b"login: ")
    client.says(b"joe")
    await client.hears(b"login: JOE")
    client.closes()
    await gateways.hosts[0].talks[0].gone()
    await gateways.until(lambda: len(gateways.endings(ConnectionEnded)) == 2)
    assert gateways.endings(ConnectionEnded) == ["done", "done"]


@pytest_twisted.ensureDeferred
async def test_terminals_are_sessions_of_their_own_and_come_back(gateways: Gateways) -> None:
    """Each shows another id to a balancer; one that comes back uses the token that is there."""
    host = a_host(gateways)
    local = Local("mainframe", (Address("127.0.0.1", 0),), host)
    tunnel = gateways.tunnel(gateways.proxy(), local)
    first = await gateways.connect(tunnel.address("mainframe"))
    second = await gateways.connect(tunnel.address("mainframe"))
    for client in (first, second):
        await client.hears(b"login: ")
    first.closes()
    await gateways.until(lambda: len(gateways.endings(ConnectionEnded)) == 2)
    third = await gateways.connect(tunnel.address("mainframe"))
    await third.hears(b"login: ")
    for client in (second, third):
        client.closes()
    await gateways.until(lambda: len(gateways.endings(ConnectionEnded)) == 6)
    ended = [fact for fact in gateways.facts if isinstance(fact, ConnectionEnded)]
    assert sorted({fact.session for fact in ended}) == ["mainframe1", "mainframe1.1"]


@pytest_twisted.ensureDeferred
async def test_the_user_of_a_terminal_reads_why_it_is_refused(gateways: Gateways) -> None:
    local = Local("nobody", (Address("127.0.0.1", 0),), Address("127.0.0.2", 9))
    tunnel = gateways.tunnel(gateways.proxy(), local)
    client = await gateways.connect(tunnel.address("nobody"))
    await client.hears(b"lb-tunnel: the host did not take the connection\r\n")
    client.closes()
    await client.gone()


@pytest_twisted.ensureDeferred
async def test_a_tunnel_asks_for_another_token_when_one_is_not_taken(gateways: Gateways) -> None:
    local = Local("mainframe", (Address("127.0.0.1", 0),), a_host(gateways))
    tunnel = gateways.tunnel(gateways.proxy(), local)
    gateways.stolen = True
    first = await gateways.connect(tunnel.address("mainframe"))
    await first.hears(b"lb-tunnel: the token was not accepted\r\n")
    gateways.stolen = False
    second = await gateways.connect(tunnel.address("mainframe"))
    await second.hears(b"login: ")
    for client in (first, second):
        client.closes()
    await gateways.hosts[0].talks[0].gone()


# -- who is refused --------------------------------------------------------------------------------


def attacks(gateways: Gateways) -> list[str]:
    return [fact.kind for fact in gateways.facts if isinstance(fact, AttackSeen)]


@pytest_twisted.ensureDeferred
async def test_a_token_is_no_good_without_its_key(gateways: Gateways) -> None:
    """Attack 17: a token that was seen on its way is shown by another party."""
    host, proxy = a_host(gateways), gateways.proxy()
    stolen = mint(new_key(), host)
    assert await gateways.asks(proxy, stolen) == "the token was not accepted"
    assert attacks(gateways) == ["token-wrong-key"]
    assert gateways.hosts[0].talks == []
    mine = mint(gateways.key, host)
    assert [await gateways.asks(proxy, mine) for _ in range(2)] == ["welcome"] * 2


@pytest_twisted.ensureDeferred
async def test_a_token_that_is_bound_to_no_key_is_no_good(gateways: Gateways) -> None:
    host, proxy = a_host(gateways), gateways.proxy()
    assert await gateways.asks(proxy, mint(None, host)) == "the token was not accepted"
    assert attacks(gateways) == ["token-unbound"]


@pytest_twisted.ensureDeferred
async def test_a_token_is_good_for_its_roles_only(gateways: Gateways) -> None:
    host, proxy = a_host(gateways), gateways.proxy()
    token = mint(gateways.key, host, roles=("control",))
    assert await gateways.asks(proxy, token) == "the token was not accepted"
    assert attacks(gateways) == ["token-wrong-role"]


@pytest_twisted.ensureDeferred
async def test_a_good_token_leads_to_allowed_hosts_only(gateways: Gateways) -> None:
    host = a_host(gateways)
    proxy = gateways.proxy(destinations=(Destination("127.0.0.3", (23, 23)),))
    token = mint(gateways.key, host)
    assert await gateways.asks(proxy, token) == "the proxy does not allow this destination"
    assert attacks(gateways) == ["destination"]
    assert gateways.hosts[0].talks == []


@pytest_twisted.ensureDeferred
async def test_a_channel_of_an_unknown_session_is_refused_and_counted(gateways: Gateways) -> None:
    """How a misrouting by a balancer would show."""
    proxy = gateways.proxy()
    for opening in (Opening("data", "s1", "0" * 32, 1024), Opening("notification", "s1", "x")):
        with pytest.raises(Ended, match="the proxy does not know the session"):
            await gateways.opens(proxy, opening)
    assert gateways.proxies[0].roles.unknown_sessions == 2
    assert attacks(gateways) == ["unknown-session"] * 2


# -- without client authorization ------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_port_for_one_host_asks_for_no_token(gateways: Gateways) -> None:
    host = a_host(gateways)
    proxy = gateways.proxy(listener={"authorization": False, "destination": host})
    end = await gateways.speaks_tls(proxy)
    while bytes(end.held) != b"login: ":
        await end.more()


@pytest_twisted.ensureDeferred
async def test_a_host_may_be_spoken_to_by_tls(gateways: Gateways) -> None:
    """End-to-end encryption: the host's certificate is verified before a byte of the client's."""
    behind = gateways.proxy(
        "127.0.0.3", listener={"authorization": False, "destination": a_host(gateways)}
    )
    entry = Destination("127.0.0.3", (1, 65_535), tls="on", ca=gateways.ca, identity=NAME)
    wrong = Destination(
        "127.0.0.3", (1, 65_535), tls="on", ca=gateways.ca, identity="other.example"
    )
    right = gateways.proxy(destinations=(entry,))
    other = gateways.proxy(destinations=(wrong,))
    token = mint(gateways.key, behind)
    end, _ = await gateways.opens(right, Opening("terminal", "s1", token))
    while bytes(end.held) != b"login: ":
        await end.more()
    assert await gateways.asks(other, token) == "the host did not take the connection"


@pytest_twisted.ensureDeferred
async def test_a_session_is_one_terminal(gateways: Gateways) -> None:
    """`par` says how many there may be, of terminals as of FTP sessions."""
    host, proxy = a_host(gateways), gateways.proxy()
    token = mint(gateways.key, host, par=2)
    first, _ = await gateways.opens(proxy, Opening("terminal", "s1", token))
    await gateways.opens(proxy, Opening("terminal", "s1.1", token))
    assert await gateways.asks(proxy, token) == "the session is in use"
    first.abort()
    await gateways.until(lambda: len(gateways.endings(ConnectionEnded)) == 2)
    assert await gateways.asks(proxy, token) == "welcome"


@pytest_twisted.ensureDeferred
async def test_a_terminal_that_comes_back_is_let_in_though_its_host_goes_on(
    gateways: Gateways,
) -> None:
    """A host that does not end when its client does: it is given two minutes."""
    host = Address("127.0.0.2", gateways.serve("127.0.0.2"))
    at, token = gateways.proxy(), mint(gateways.key, host)
    first, _ = await gateways.opens(at, Opening("terminal", "s1", token))
    first.close()
    [visit] = gateways.proxies[0].visits
    await gateways.until(lambda: visit.end.lost)
    assert await gateways.asks(at, token) == "welcome"
    assert visit in list(gateways.proxies[0].visits)


class Counts(Talk):
    """A host that answers when it has been told everything."""

    def readConnectionLost(self) -> None:
        super().readConnectionLost()
        self.says(b"%d bytes" % len(self.heard))
        self.closes()


@pytest_twisted.ensureDeferred
async def test_a_close_notify_ends_the_channel(gateways: Gateways) -> None:
    """What was said arrives; nobody is there for the answer."""
    host = Address("127.0.0.2", gateways.serve("127.0.0.2", protocol=Counts))
    opening = Opening("terminal", "s1", mint(gateways.key, host))
    end, _ = await gateways.opens(gateways.proxy(), opening)
    end.write(b"question")
    end.finish()
    [talk] = gateways.hosts[0].talks
    await talk.gone()
    assert talk.heard == b"question"
    await gateways.until(lambda: end.lost)
    assert bytes(end.held) == b""


@pytest_twisted.ensureDeferred
async def test_a_port_that_asks_for_no_token_drains_too(gateways: Gateways) -> None:
    proxy = gateways.proxy(listener={"authorization": False, "destination": a_host(gateways)})
    gateways.proxies[0].roles.draining = True
    end = await gateways.speaks_tls(proxy)
    while not (end.eof or end.lost):
        await end.more()
    assert bytes(end.held) == b""
    await gateways.until(lambda: gateways.endings(ConnectionEnded) == ["drained"])
