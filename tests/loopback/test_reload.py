"""Other settings are put in force under connections that stand: nobody is cut off or refused."""

from __future__ import annotations

import gc
import socket
import weakref
from typing import Any

import attrs
import pytest
import pytest_twisted

from tests.loopback.site import LIMITS, Site, Talk, backend
from twisted_lb.config.settings import (
    BackendTimeout,
    Check,
    Frontend,
    Group,
    RoleRule,
    Settings,
)
from twisted_lb.facts import Announced, ConnectionEnded, ServerChanged, SessionEnded
from twisted_lb.listeners import CannotListen
from twisted_lb.terms import Address

ANYWHERE = (Address("127.0.0.1", 0),)


def site_of(port: int, *servers: str, linger: float = 0.0, **front: Any) -> Settings:
    """Frontend `in`, whose connections are one session by their source."""
    group = Group("in", "back", linger=linger, roles={"any": RoleRule(server_port=port)})
    frontend = Frontend("in", ANYWHERE, group="in", **front)
    return Settings((frontend,), {"in": group}, {"back": backend("back", *servers)}, LIMITS)


async def joined(site: Site, source: str = "127.0.0.1") -> tuple[Talk, Talk]:
    """A client, and the end of it at its server."""
    known = talks(site)
    client = await site.client("in", source)
    client.says(b"hello")
    await site.until(lambda: len(talks(site)) > len(known))
    [server] = talks(site) - known
    await server.hears(b"hello")
    return client, server


def talks(site: Site) -> set[Talk]:
    """Every connection that any server has had."""
    return {talk for host in site.hosts for talk in host.talks}


def whose(site: Site, talk: Talk) -> str:
    """The server that this connection came to."""
    return next(host.host for host in site.hosts if talk in host.talks)


async def speaks(client: Talk, server: Talk) -> None:
    """Bytes go both ways still."""
    heard, asked = client.heard, server.heard
    server.says(b"?")
    await client.hears(heard + b"?")
    client.says(b"!")
    await server.hears(asked + b"!")


@pytest_twisted.ensureDeferred
async def test_new_sessions_live_by_what_is_new_and_living_ones_by_what_they_began_with(
    site: Site,
) -> None:
    port = site.serve("127.0.0.2", "127.0.0.3")
    site.start(site_of(port, "127.0.0.2"))
    at = site.balancer.address("in")
    client, server = await joined(site)
    site.balancer.reload(site_of(port, "127.0.0.3"))
    assert site.balancer.address("in") == at
    await speaks(client, server)
    late, at_server = await joined(site)  # of the living session: its server takes it yet
    assert whose(site, at_server) == "127.0.0.2"
    fresh, at_new = await joined(site, source="127.0.0.9")
    assert whose(site, at_new) == "127.0.0.3"
    for talk in (client, late, fresh, server, at_server, at_new):
        talk.closes()
    await site.until(lambda: site.endings(ConnectionEnded) == ["done"] * 3)


@pytest_twisted.ensureDeferred
async def test_who_lingers_on_a_server_that_is_gone_goes_to_another(site: Site) -> None:
    port = site.serve("127.0.0.2", "127.0.0.3")
    site.start(site_of(port, "127.0.0.2", linger=600.0))
    client, server = await joined(site)
    client.closes()
    server.closes()
    await site.until(lambda: not site.balancer.stories)
    site.balancer.reload(site_of(port, "127.0.0.3", linger=600.0))
    assert site.endings(SessionEnded) == ["done"]
    assert whose(site, (await joined(site))[1]) == "127.0.0.3"


@pytest_twisted.ensureDeferred
async def test_who_lingers_comes_back_under_the_new_rules(site: Site) -> None:
    port = site.serve("127.0.0.2")
    site.start(site_of(port, "127.0.0.2", linger=600.0))
    client, server = await joined(site)
    client.closes()
    server.closes()
    await site.until(lambda: not site.balancer.stories)
    [session] = site.balancer.claims.sessions
    site.balancer.reload(site_of(port, "127.0.0.2", linger=300.0))
    await joined(site)
    assert [each.group.linger for each in site.balancer.claims.sessions] == [300.0]
    assert list(site.balancer.claims.sessions) == [session]


@pytest_twisted.ensureDeferred
async def test_a_server_that_is_taken_out_drains_by_its_deadline(site: Site) -> None:
    port = site.serve("127.0.0.2", "127.0.0.3")
    settings = site_of(port, "127.0.0.2")
    timeout = BackendTimeout(connect=2.0, queue=2.0, drain=0.3)
    back = attrs.evolve(settings.backends["back"], timeout=timeout)
    site.start(attrs.evolve(settings, backends={"back": back}))
    client, _ = await joined(site)
    site.balancer.reload(site_of(port, "127.0.0.3"))
    await client.gone()
    await site.until(lambda: site.endings(SessionEnded) == ["drained"])
    changes = [f for f in site.facts if isinstance(f, ServerChanged)]
    assert [(f.server, f.state) for f in changes] == [("back/a", "removed")]


@pytest_twisted.ensureDeferred
async def test_a_server_that_stays_keeps_how_it_stands(site: Site) -> None:
    """What an operator said of it outlives a reload; what the text says anew counts."""
    port = site.serve("127.0.0.2", "127.0.0.3")
    settings = site_of(port, "127.0.0.2", "127.0.0.3")
    site.start(settings)
    one, two = site.balancer.servers
    site.balancer.set_admin(one, "drain")
    two.up = False
    rules = settings.backends["back"].servers

    def changed(**how: Any) -> Settings:
        servers = tuple(attrs.evolve(rule, **how) for rule in rules)
        back = attrs.evolve(settings.backends["back"], servers=servers, check=Check("tcp", port=1))
        return attrs.evolve(settings, backends={"back": back})

    site.balancer.reload(changed(weight=7))
    assert list(site.balancer.servers) == [one, two]
    assert (one.admin, two.up, one.weight, two.weight) == ("drain", False, 7, 7)
    site.balancer.reload(changed(state="maintenance"))
    assert [one.admin, two.admin] == ["maintenance"] * 2
    site.balancer.reload(settings)
    assert [one.admin, two.admin, two.up] == ["ready", "ready", True], "nobody checks it now"


@pytest_twisted.ensureDeferred
async def test_who_queues_for_a_server_comes_in_when_it_may_have_more(site: Site) -> None:
    port = site.serve("127.0.0.2")
    settings = site_of(port, "127.0.0.2")

    def limited(maxconn: int) -> Settings:
        back = settings.backends["back"]
        servers = tuple(attrs.evolve(rule, maxconn=maxconn) for rule in back.servers)
        timeout = BackendTimeout(connect=2.0, queue=60.0)
        return attrs.evolve(
            settings, backends={"back": attrs.evolve(back, servers=servers, timeout=timeout)}
        )

    site.start(limited(1))
    await joined(site)
    waiting = await site.client("in")
    waiting.says(b"late")
    queued = site.balancer.claims.sessions
    await site.until(lambda: [len(session.channels) for session in queued] == [2])
    site.balancer.reload(limited(2))
    await (await site.hosts[0].talk(2)).hears(b"late")


@pytest_twisted.ensureDeferred
async def test_a_server_that_comes_back_is_the_same_one(site: Site) -> None:
    port = site.serve("127.0.0.2", "127.0.0.3")
    site.start(site_of(port, "127.0.0.2"))
    [server] = site.balancer.servers
    client, talk = await joined(site)
    site.balancer.reload(site_of(port, "127.0.0.3"))
    assert list(site.balancer.servers) != [server]
    site.balancer.reload(site_of(port, "127.0.0.2"))
    assert list(site.balancer.servers) == [server]
    assert (server.admin, server.sessions) == ("ready", 1)
    await speaks(client, talk)


@pytest_twisted.ensureDeferred
async def test_frontends_come_and_go_and_those_that_stay_never_stop_listening(site: Site) -> None:
    port = site.serve("127.0.0.2")
    settings = site_of(port, "127.0.0.2")
    site.start(settings)
    [(_, listening)] = site.balancer.listening
    with socket.create_server(("127.0.0.1", 0)) as free:
        more = Address(*free.getsockname())
    added = Frontend("more", (more,), group="in")
    site.balancer.reload(attrs.evolve(settings, frontends=(*settings.frontends, added)))
    assert [name for name, _ in site.balancer.listening] == ["in", "more"]
    client = await site.connect(more)
    client.says(b"hello")
    server = await site.hosts[0].talk()
    await server.hears(b"hello")
    site.balancer.reload(settings)
    assert site.balancer.listening == [("in", listening)]
    await speaks(client, server)
    assert (await site.tries(more)).ended == "reset"
    renamed = attrs.evolve(added, name="renamed")
    site.balancer.reload(attrs.evolve(settings, frontends=(renamed,)))
    assert site.balancer.address("renamed") == more


@pytest.mark.parametrize("fault", ["port", "file"])
@pytest_twisted.ensureDeferred
async def test_what_fails_changes_nothing(site: Site, fault: str) -> None:
    port = site.serve("127.0.0.2")
    settings = site_of(port, "127.0.0.2")
    site.start(settings)
    before, listening = site.balancer.generation, site.balancer.listening
    with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("", 0)) as busy:
        fine = Frontend("fine", (Address(*free.getsockname()),), group="in")
        free.close()
        taken = Frontend("taken", (Address("127.0.0.1", busy.getsockname()[1]),), group="in")
        new = attrs.evolve(settings, frontends=(fine, taken))
        if fault == "file":
            check = Check("ftp", port=1, user="u", password_file="/nowhere")
            back = attrs.evolve(settings.backends["back"], check=check)
            new = attrs.evolve(settings, frontends=(fine,), backends={"back": back})
        with pytest.raises((CannotListen, OSError)):
            site.balancer.reload(new)
    assert site.balancer.generation is before
    assert site.balancer.listening == listening
    await speaks(*await joined(site))
    again = await site.tries(fine.listen[0])
    assert again.ended == "reset", "nothing of it was left listening"


@pytest_twisted.ensureDeferred
async def test_what_is_unchanged_is_not_made_again(site: Site) -> None:
    port = site.serve("127.0.0.2")
    settings = site_of(port, "127.0.0.2")
    site.start(settings)
    before = site.balancer.generation
    other = Settings((), {}, {"other": backend("other", "127.0.0.3")}, LIMITS)
    both = attrs.evolve(settings, backends={**settings.backends, **other.backends})
    after = site.balancer.reload(both)
    assert after.number == before.number + 1
    assert after.fronts["in"] is before.fronts["in"]
    assert after.backends["back"] is before.backends["back"]
    wider = attrs.evolve(settings.frontends[0], maxconn=7)
    last = site.balancer.reload(attrs.evolve(both, frontends=(wider,)))
    assert last.fronts["in"].door is before.fronts["in"].door
    assert last.fronts["in"].door.frontend.maxconn == 7


@pytest_twisted.ensureDeferred
async def test_a_generation_is_gone_with_its_last_session(site: Site) -> None:
    port = site.serve("127.0.0.2")
    settings = site_of(port, "127.0.0.2")
    site.start(settings)
    client, server = await joined(site)
    old = site.balancer.generation
    parts = weakref.ref(old.fronts["in"].parts)
    live = weakref.ref(old.backends["back"].live)
    del old
    back = attrs.evolve(settings.backends["back"], slow_start=9.0)
    site.balancer.reload(attrs.evolve(settings, backends={"back": back}))
    gc.collect()
    assert parts() is not None and live() is not None, "a session began with them"
    await speaks(client, server)
    client.closes()
    server.closes()
    await site.until(lambda: not site.balancer.stories)
    await client.gone()
    await server.gone()
    del client, server
    gc.collect()
    assert parts() is None and live() is None


@pytest_twisted.ensureDeferred
async def test_a_reload_is_told(site: Site) -> None:
    settings = site_of(site.serve("127.0.0.2"), "127.0.0.2")
    site.start(settings)
    site.balancer.reload(settings)
    assert Announced("reloaded", "generation 2") in site.facts


def test_a_balancer_that_does_not_run_takes_other_settings_and_opens_nothing() -> None:
    from tests.fakes import World
    from twisted_lb.service import balancer

    settings = site_of(1, "127.0.0.2")
    service = balancer(settings, World())  # type: ignore[arg-type]
    service.reload(attrs.evolve(settings, frontends=()))
    assert service.listening == []
