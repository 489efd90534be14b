"""How a server stands, from the configuration to what its sessions notice, on real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IHostnameResolver
from zope.interface import implementer

from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.site import Site, Talk
from tests.loopback.test_ftp_channels import download
from tests.loopback.test_opaque import one_frontend
from twisted_lb.config.settings import BackendTimeout, Check, Settings
from twisted_lb.facts import Announced, ServerChanged, SessionEnded

ONE, OTHER = "127.0.0.2", "127.0.0.3"
OFTEN = Check(type="tcp", interval=0.02, fast_interval=0.02, rise=1, fall=1, timeout=1.0)


def pool(settings: Settings, **backend: Any) -> Settings:
    """The same, with these settings of its backend."""
    changed = attrs.evolve(settings.backends["back"], **backend)
    return attrs.evolve(settings, backends={"back": changed})


async def joined(site: Site, host: int = 0) -> tuple[Talk, Talk]:
    """A client, and its connection at this host: checks may connect there all the time."""
    before = list(site.hosts[host].talks)
    client = await site.client("in")
    client.says(b"hello")

    def arrived() -> list[Talk]:
        return [t for t in site.hosts[host].talks if t not in before and t.heard == b"hello"]

    await site.until(lambda: bool(arrived()))
    return client, arrived()[0]


async def logged_in(site: FtpSite) -> tuple[Any, Any]:
    """As `session`, where checks connect all the time: the server's end is the one that was asked
    for a user."""
    visitor = await site.visit()
    await visitor.login()
    site.watch()
    [served] = [talk for host in site.hosts for talk in host.talks if b"USER" in talk.heard]
    return visitor, served


async def goes_down(site: Site, host: int = 0) -> None:
    """Nobody new reaches this server; whoever is connected to it stays so."""
    port = site.hosts[host].port
    assert port is not None
    site.hosts[host].port = None
    await port.stopListening()
    await changed(site, "down")


async def changed(site: Site, state: str) -> None:
    facts = site.facts
    await site.until(
        lambda: any(isinstance(fact, ServerChanged) and fact.state == state for fact in facts)
    )


class TestADrain:
    @pytest_twisted.ensureDeferred
    async def test_ends_who_is_left_at_its_deadline(self, site: Site) -> None:
        settings = one_frontend(site.serve(ONE), ONE)
        site.start(pool(settings, timeout=BackendTimeout(drain=0.1)))
        client, server = await joined(site)
        site.balancer.set_admin(site.balancer.server("back", "a"), "drain")
        await client.ends("reset")
        await server.ends("reset")
        assert site.endings(SessionEnded) == ["drained"]

    @pytest_twisted.ensureDeferred
    async def test_says_421_to_ftp_clients(self, ftp_site: FtpSite) -> None:
        """T85."""
        settings = ftp(ftp_site.serve_ftp(ONE), ONE)
        ftp_site.start(pool(settings, timeout=BackendTimeout(drain=0.1)))
        client, _ = await ftp_site.session()
        ftp_site.balancer.set_admin(ftp_site.balancer.server("back", "a"), "drain")
        assert (await client.reply()).startswith(b"421 Going down for maintenance")
        await ftp_site.until(lambda: ftp_site.endings(SessionEnded) == ["drained"])

    @pytest_twisted.ensureDeferred
    async def test_that_is_taken_back_ends_nobody(self, site: Site) -> None:
        settings = one_frontend(site.serve(ONE), ONE)
        site.start(pool(settings, timeout=BackendTimeout(drain=3600.0)))
        client, server = await joined(site)
        one = site.balancer.server("back", "a")
        site.balancer.set_admin(one, "drain")
        site.balancer.set_admin(one, "ready")
        server.says(b"still here")
        await client.hears(b"still here")
        await joined(site)

    def test_is_asked_for_by_its_name(self, site: Site) -> None:
        site.start(one_frontend(1, ONE))
        one = site.balancer.server("back", "a")
        with pytest.raises(ValueError, match="'drian': a server is ready, drain, maintenance"):
            site.balancer.set_admin(one, "drian")  # type: ignore[arg-type]
        assert one.admin == "ready"


class TestACheckThatSaysDown:
    """T84: what it does to living sessions is the backend's `on_down`."""

    @pytest.mark.parametrize("on_down", ["keep", None])
    @pytest_twisted.ensureDeferred
    async def test_lets_terminals_be(self, site: Site, on_down: Any) -> None:
        """Without a word, too: a check that fails for a moment must not cost a screen."""
        settings = one_frontend(site.serve(ONE), ONE)
        site.start(pool(settings, check=OFTEN, on_down=on_down))
        client, server = await joined(site)
        await goes_down(site)
        server.says(b"still here")
        await client.hears(b"still here")
        assert site.endings(SessionEnded) == []

    @pytest_twisted.ensureDeferred
    async def test_ends_them_where_that_is_asked_for(self, site: Site) -> None:
        settings = one_frontend(site.serve(ONE), ONE)
        site.start(pool(settings, check=OFTEN, on_down="end"))
        client, server = await joined(site)
        await goes_down(site)
        await client.ends("reset")
        await server.ends("reset")
        assert site.endings(SessionEnded) == ["server-down"]

    @pytest_twisted.ensureDeferred
    async def test_ends_ftp_sessions_without_being_asked(self, ftp_site: FtpSite) -> None:
        settings = ftp(ftp_site.serve_ftp(ONE), ONE)
        ftp_site.start(pool(settings, check=OFTEN))
        client, _ = await logged_in(ftp_site)
        await goes_down(ftp_site)
        assert (await client.reply()).startswith(b"421 ")
        await ftp_site.until(lambda: ftp_site.endings(SessionEnded) == ["server-down"])

    @pytest_twisted.ensureDeferred
    async def test_lets_ftp_sessions_be_where_that_is_asked_for(self, ftp_site: FtpSite) -> None:
        """T84: with `keep`, new data channels of theirs still go there."""
        settings = ftp(ftp_site.serve_ftp(ONE), ONE)
        ftp_site.start(pool(settings, check=OFTEN, on_down="keep"))
        client, server = await logged_in(ftp_site)
        await goes_down(ftp_site)
        assert (await download(client, server, "EPSV", b"data")).heard == b"data"


class TestAPrimary:
    """`balance = "first"`: where new sessions go when it is back."""

    async def away_and_back(self, site: Site, failback: str) -> None:
        """One session is on the standby, and the primary takes new ones again."""
        port = site.serve(ONE, OTHER)
        site.start(pool(one_frontend(port, ONE, OTHER), balance="first", failback=failback))
        primary = site.balancer.server("back", "a")
        site.balancer.set_admin(primary, "drain")
        await joined(site, 1)
        site.balancer.set_admin(primary, "ready")

    @pytest_twisted.ensureDeferred
    async def test_is_returned_to_at_once(self, site: Site) -> None:
        await self.away_and_back(site, "at-once")
        await joined(site, 0)

    @pytest_twisted.ensureDeferred
    async def test_is_returned_to_when_nobody_is_left_on_the_standby(self, site: Site) -> None:
        await self.away_and_back(site, "when-idle")
        await joined(site, 1)
        for client in site.clients:
            client.resets()
        standby = site.balancer.server("back", "b")
        await site.until(lambda: not standby.sessions)
        await joined(site, 0)

    @pytest_twisted.ensureDeferred
    async def test_is_returned_to_by_an_operators_word_only(self, site: Site) -> None:
        await self.away_and_back(site, "manual")
        await joined(site, 1)
        site.balancer.fail_back("back")
        await joined(site, 0)
        assert Announced("failed-back", "back") in site.facts

    def test_is_nobody_where_the_policy_knows_none(self, site: Site) -> None:
        site.start(one_frontend(1, ONE))
        with pytest.raises(ValueError, match="knows no primary"):
            site.balancer.fail_back("back")


@pytest_twisted.ensureDeferred
async def test_a_server_that_came_up_is_spared_at_first(site: Site) -> None:
    """`slow_start`: of twenty sessions one that is cold gets its floor, not its half."""
    port = site.serve(ONE, OTHER)
    site.start(pool(one_frontend(port, ONE, OTHER), balance="round-robin", slow_start=3600.0))
    cold = site.balancer.server("back", "b")
    cold.up_since = site.balancer._reactor.seconds()
    for _ in range(20):
        await site.client("in")
    await site.until(lambda: sum(len(host.talks) for host in site.hosts) == 20)
    assert len(site.hosts[1].talks) <= 2


@implementer(IHostnameResolver)
class Dns:
    """Knows the addresses of every name."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    def resolveHostName(self, receiver: Any, hostName: str, *more: Any, **named: Any) -> Any:
        receiver.resolutionBegan(None)
        for address in self._addresses:
            receiver.addressResolved(IPv4Address("TCP", address, 0))
        receiver.resolutionComplete()


@pytest.fixture
def several_addresses() -> Iterator[None]:
    """A name stands for a machine where nobody listens, and for one that is there."""
    before = reactor.installNameResolver(Dns(OTHER, ONE))
    yield
    reactor.installNameResolver(before)


class TestANameOfSeveralAddresses:
    @pytest_twisted.ensureDeferred
    async def test_is_up_while_any_of_them_takes_channels(
        self, site: Site, several_addresses: None
    ) -> None:
        """Checks asked the first address only: down, while every session would have been served."""
        check = attrs.evolve(OFTEN, fall=2)  # the first one may come before the name's answer
        site.start(pool(one_frontend(site.serve(ONE), "front.example"), check=check))
        await site.until(lambda: len(site.hosts[0].talks) > 3)
        client, server = await joined(site)
        server.says(b"welcome")
        await client.hears(b"welcome")
        assert all(fact.state != "down" for fact in site.facts if isinstance(fact, ServerChanged))
        await goes_down(site)
        [why] = [
            fact.reason
            for fact in site.facts
            if isinstance(fact, ServerChanged) and fact.state == "down"
        ]
        refused = "Connection refused"
        assert why == f"connect: {OTHER}: {refused}; {ONE}: {refused}"
