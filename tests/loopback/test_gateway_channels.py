"""The channels of an FTP session at the security proxy: who may join, and what follows when one
does not come or goes away."""

from __future__ import annotations

import ipaddress

import pytest
import pytest_twisted

from tests.loopback.farm import Farm
from tests.loopback.ftp_talks import Served
from tests.loopback.gateways import Gateways, mint
from tests.loopback.test_gateway_ftp import a_tunnel, upload
from twisted_lb.ends import End
from twisted_lb.errors import Ended
from twisted_lb.facts import AttackSeen, ConnectionEnded, SessionEnded
from twisted_lb.gateway.openingline import Opening
from twisted_lb.gateway.sessionid import PROTOCOL, alpn
from twisted_lb.gateway.settings import ProxyTimeout
from twisted_lb.terms import Address

SHORT = ProxyTimeout(opening=1.0, host=2.0, ping=0.2, notification=0.1)


class Client:
    """A client that speaks the gateway's protocol by itself, line by line."""

    def __init__(self, gateways: Gateways, at: Address, secret: str, control: End) -> None:
        self.gateways = gateways
        self.at = at
        self.secret = secret
        self.control = control
        self.notification: End

    async def joins(self, role: str, transfer: int | None = None, secret: str = "") -> End:
        opening = Opening(role, "s1", secret or self.secret, transfer)
        return (await self.gateways.opens(self.at, opening))[0]

    async def refused(self, role: str, transfer: int | None = None, secret: str = "") -> str:
        with pytest.raises(Ended) as why:
            await self.joins(role, transfer, secret)
        return why.value.detail

    async def asks(self, line: str, code: str) -> str:
        """A command on control; its reply, which has this code."""
        self.control.write(f"{line}\r\n".encode())
        reply = await self.line(self.control)
        assert reply.startswith(code), reply
        return reply

    async def line(self, end: End) -> str:
        while b"\r\n" not in end.held:
            assert not end.lost, bytes(end.held)
            await end.more()
        line, _, _ = bytes(end.held).partition(b"\r\n")
        end.consume(len(line) + 2)
        return line.decode()

    async def rest(self, end: End) -> bytes:
        """What is left to read until it is closed."""
        while not end.lost:
            await end.more()
        return bytes(end.held)


async def begins(gateways: Gateways, farm: Farm, **timeout: ProxyTimeout) -> Client:
    """A session with its control channel, logged in."""
    return await enters(gateways, gateways.proxy(**timeout), farm.port)


async def enters(gateways: Gateways, at: Address, port: int) -> Client:
    """The same at a proxy that runs, with the host's port."""
    token = mint(gateways.key, Address("127.0.0.2", port))
    control, answer = await gateways.opens(at, Opening("control", "s1", token))
    client = Client(gateways, at, answer.join, control)
    assert (await client.line(control)).startswith("220")
    await client.asks("USER joe", "331")
    await client.asks("PASS secret", "230")
    return client


async def a_session(gateways: Gateways, farm: Farm, **timeout: ProxyTimeout) -> Client:
    """The same with its notification channel."""
    client = await begins(gateways, farm, **timeout)
    client.notification = await client.joins("notification")
    return client


def attacks(gateways: Gateways) -> list[str]:
    return [fact.kind for fact in gateways.facts if isinstance(fact, AttackSeen)]


@pytest_twisted.ensureDeferred
async def test_a_passive_transfer_is_notified_and_joined(gateways: Gateways, farm: Farm) -> None:
    client = await a_session(gateways, farm)
    assert "(|||1024|)" in await client.asks("EPSV", "229")
    assert await client.line(client.notification) == "TRANSFER 1024 passive-ready"
    data = await client.joins("data", 1024)
    await client.asks("RETR who", "1")
    assert await client.rest(data) == b"127.0.0.2"
    assert (await client.line(client.control)).startswith("226")
    assert await client.line(client.notification) == "TRANSFER 1024 ended 9"


@pytest_twisted.ensureDeferred
async def test_an_active_transfer_is_asked_for_when_the_host_is_there(
    gateways: Gateways, farm: Farm
) -> None:
    client = await a_session(gateways, farm)
    await client.asks("EPRT |1|127.0.0.1|1025|", "200")
    client.control.write(b"RETR who\r\n")
    assert await client.line(client.notification) == "TRANSFER 1025 host-connected"
    data = await client.joins("data", 1025)
    assert await client.rest(data) == b"127.0.0.2"


@pytest_twisted.ensureDeferred
async def test_nobody_joins_without_the_secret(gateways: Gateways, farm: Farm) -> None:
    """The id of a session is in every ClientHello: it joins nothing (attack 6)."""
    client = await a_session(gateways, farm)
    await client.asks("EPSV", "229")
    unknown = "the proxy does not know the session"
    assert await client.refused("data", 1024, "0" * 32) == unknown
    assert await client.refused("notification", secret="0" * 32) == unknown
    assert attacks(gateways) == ["wrong-secret"] * 2
    assert gateways.proxies[0].roles.unknown_sessions == 0


@pytest_twisted.ensureDeferred
async def test_a_channel_that_comes_when_its_session_has_ended_is_late_and_no_attack(
    gateways: Gateways, farm: Farm
) -> None:
    """Nor a misrouting, which is what it would look like."""
    client = await a_session(gateways, farm)
    await client.asks("EPSV", "229")
    await client.asks("QUIT", "221")
    proxy = gateways.proxies[0]
    await gateways.until(lambda: not proxy.roles.sessions)
    unknown = "the proxy does not know the session"
    assert await client.refused("data", 1024) == unknown
    assert proxy.roles.unknown_sessions == 0
    assert not attacks(gateways)
    await gateways.until(lambda: not len(proxy.visits))
    told = [f.detail for f in gateways.facts if isinstance(f, ConnectionEnded) and f.role == "data"]
    assert told == ["late-channel: its session has just ended"]
    assert await client.refused("data", 1024, "0" * 32) == unknown
    assert attacks(gateways) == ["unknown-session"]


@pytest_twisted.ensureDeferred
async def test_a_transfer_is_joined_once(gateways: Gateways, farm: Farm) -> None:
    client = await a_session(gateways, farm)
    await client.asks("EPSV", "229")
    await client.joins("data", 1024)
    assert await client.refused("data", 1024) == "the session is in use"
    assert await client.refused("data", 1026) == "the session is in use"


@pytest_twisted.ensureDeferred
async def test_a_session_has_one_control_and_one_notification_channel(
    gateways: Gateways, farm: Farm
) -> None:
    client = await a_session(gateways, farm)
    assert await client.refused("notification") == "the session is in use"
    token = mint(gateways.key, Address("127.0.0.2", farm.port))
    assert await client.refused("control", secret=token) == "the session is in use"
    await client.asks("NOOP", "200")


@pytest_twisted.ensureDeferred
async def test_who_comes_back_has_the_session_though_the_host_still_owes_its_last_reply(
    gateways: Gateways,
) -> None:
    """A program that was stopped while its host took its time, and is started again."""
    port, at = gateways.serve_each({"127.0.0.2": Served}), gateways.proxy()
    [proxy], gone = gateways.proxies, await enters(gateways, at, port)
    gone.control.write(b"STAT\r\n")  # never answered
    gone.control.close()
    await gateways.until(lambda: all(visit.end.lost for visit in proxy.visits))
    back = await enters(gateways, at, port)
    assert await gone.refused("data", 1024) == "the proxy does not know the session"
    assert attacks(gateways) == []
    await gateways.until(lambda: len(gateways.endings(SessionEnded)) == 1)  # after ftp.grace
    assert list(proxy.roles.sessions) == ["s1"]
    await back.asks("NOOP", "200")


@pytest_twisted.ensureDeferred
async def test_a_data_channel_that_does_not_come_fails_its_transfer_only(
    gateways: Gateways, farm: Farm
) -> None:
    client = await a_session(gateways, farm)
    await client.asks("EPSV", "229")
    await client.line(client.notification)
    client.control.write(b"RETR who\r\n")
    client.notification.write(b"CANCEL 1024\r\n")
    reply = await client.line(client.control)
    if reply.startswith("1"):  # the host may accept before it finds that nobody comes
        reply = await client.line(client.control)
    assert reply.startswith("42"), reply
    assert await client.refused("data", 1024) == "the session is in use"
    await client.asks("NOOP", "200")


@pytest_twisted.ensureDeferred
async def test_a_session_that_loses_its_notification_channel_ends(
    gateways: Gateways, farm: Farm
) -> None:
    client = await a_session(gateways, farm, timeout=SHORT)
    client.notification.abort()
    assert b"421" in await client.rest(client.control)
    assert gateways.endings(SessionEnded) == ["client-left"]


@pytest_twisted.ensureDeferred
async def test_a_notification_channel_may_come_anew_within_the_grace(
    gateways: Gateways, farm: Farm
) -> None:
    """It is told what the old one may not have heard."""
    short = ProxyTimeout(opening=5.0, host=2.0, ping=30.0, notification=5.0)
    client = await a_session(gateways, farm, timeout=short)
    await client.asks("EPSV", "229")
    client.notification.abort()
    [proxy] = gateways.proxies
    await gateways.until(lambda: "notification" not in [v.role for v in proxy.visits])
    client.notification = await client.joins("notification")
    assert await client.line(client.notification) == "TRANSFER 1024 passive-ready"
    await client.asks("NOOP", "200")


@pytest_twisted.ensureDeferred
async def test_a_session_without_a_notification_channel_ends(
    gateways: Gateways, farm: Farm
) -> None:
    client = await begins(gateways, farm, timeout=SHORT)
    assert b"421" in await client.rest(client.control)


@pytest_twisted.ensureDeferred
async def test_a_client_that_does_not_answer_is_gone(gateways: Gateways, farm: Farm) -> None:
    client = await a_session(gateways, farm, timeout=SHORT)
    assert await client.line(client.notification) == "PING"
    client.notification.write(b"PONG\r\n")
    assert await client.line(client.notification) == "PING"
    await client.rest(client.notification)
    assert b"421" in await client.rest(client.control)
    ended = {f.role: f.ending for f in gateways.facts if isinstance(f, ConnectionEnded)}
    assert ended["notification"] == "too-slow"


@pytest_twisted.ensureDeferred
async def test_the_end_of_a_session_is_notified(gateways: Gateways, farm: Farm) -> None:
    client = await a_session(gateways, farm)
    await client.asks("QUIT", "221")
    assert await client.line(client.notification) == "SESSION closing done"
    await client.rest(client.notification)


@pytest_twisted.ensureDeferred
async def test_a_host_that_dies_ends_the_session_with_421(gateways: Gateways, farm: Farm) -> None:
    visitor = await gateways.logs_in(a_tunnel(gateways, farm))
    await upload(visitor, "EPSV", "mine", b"content")
    farm.at("127.0.0.2").kill()
    assert (await visitor.reply()).startswith(b"421")
    visitor.closes()
    await gateways.until(lambda: len(gateways.endings(SessionEnded)) == 2)


@pytest.mark.parametrize("role", ["control", "notification", "data", "terminal"])
@pytest_twisted.ensureDeferred
async def test_a_client_that_shows_one_session_and_says_another_is_refused(
    gateways: Gateways, farm: Farm, role: str
) -> None:
    """A balancer went by the ClientHello. Neither a good token nor the secret helps."""
    client = await a_session(gateways, farm)
    await client.asks("EPSV", "229")
    token = mint(gateways.key, Address("127.0.0.2", farm.port))
    joins = role in ("data", "notification")
    credential, number = (client.secret, 1024) if joins else (token, None)
    opening = Opening(
        role, "s1" if joins else "s1.1", credential, number if role == "data" else None
    )
    with pytest.raises(Ended, match="did not understand the opening line"):
        await gateways.opens(client.at, opening, names=(alpn("s1.2"), PROTOCOL))
    assert attacks(gateways) == ["two-sessions"]
    assert gateways.endings(ConnectionEnded) == ["wire-error"]
    await client.asks("NOOP", "200")


@pytest_twisted.ensureDeferred
async def test_a_client_need_not_show_its_session(gateways: Gateways, farm: Farm) -> None:
    """Behind a balancer that ends TLS, or with one proxy, it is nobody's business."""
    at = gateways.proxy()
    opening = Opening("control", "s1", mint(gateways.key, Address("127.0.0.2", farm.port)))
    for names in ((), (PROTOCOL,)):
        control, _ = await gateways.opens(at, opening, names=names)
        control.abort()
        await gateways.until(lambda: not gateways.proxies[0].roles.sessions)


# -- before it is known what a client wants --------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_client_that_says_nothing_is_not_waited_for(gateways: Gateways) -> None:
    at = gateways.proxy(timeout=ProxyTimeout(opening=0.2))
    silent = await gateways.connect(at, "127.0.0.1")
    await silent.gone()
    shaken = await gateways.speaks_tls(at)
    while not shaken.lost:
        await shaken.more()
    assert gateways.endings(ConnectionEnded) == ["too-slow"] * 2


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\n\r\n", b"x" * 9000, b"LBP/1 data s1 x\r\n"])
@pytest_twisted.ensureDeferred
async def test_what_is_no_opening_line_is_answered_400(gateways: Gateways, line: bytes) -> None:
    end = await gateways.speaks_tls(gateways.proxy())
    end.write(line)
    while not end.lost:
        await end.more()
    assert bytes(end.held) == b"400 malformed\r\n"
    assert gateways.endings(ConnectionEnded) == ["wire-error"]


@pytest_twisted.ensureDeferred
async def test_a_source_that_may_not_connect_is_not_spoken_to(gateways: Gateways) -> None:
    deny = (ipaddress.ip_network("127.0.0.1"),)
    talk = await gateways.tries(gateways.proxy(listener={"deny": deny}))
    await talk.until(lambda talk: bool(talk.ended))
    talk.closes()
    assert talk.heard == b""
    assert gateways.endings(ConnectionEnded) == ["refused-source"]
