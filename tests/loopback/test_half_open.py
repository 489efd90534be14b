"""Attack 13: a client that vanishes without a word is found out, and its session with it."""

from __future__ import annotations

import gc
import socket
from typing import Any

import attrs
import pytest
import pytest_twisted

from tests.loopback.site import Site, Talk
from tests.loopback.test_opaque import one_frontend
from twisted_lb.config.settings import Settings
from twisted_lb.facts import ConnectionEnded, SessionEnded
from twisted_lb.sockets import Bare

TCP_REPAIR = 19
"""Linux: a socket in repair is closed without a word to its peer."""


def tuned(port: int, **rules: Any) -> Settings:
    settings = one_frontend(port, "127.0.0.2")
    return attrs.evolve(settings, frontends=(attrs.evolve(settings.frontends[0], **rules),))


def vanish(talk: Talk) -> None:
    """The client's machine loses its power."""
    handle = talk.transport.getHandle()
    try:
        handle.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    except PermissionError:
        pytest.skip("only root can let a socket vanish")
    talk.transport.abortConnection()


@pytest_twisted.ensureDeferred
async def test_a_silent_client_that_vanished_is_reaped_by_keepalive(site: Site) -> None:
    """After a second of silence TCP asks; nobody knows of the connection any more."""
    site.start(tuned(site.serve("127.0.0.2"), keepalive=1.0))
    client = await site.client("in")
    client.says(b"hello")
    server = await site.hosts[0].talk()
    await server.hears(b"hello")
    vanish(client)
    await site.until(lambda: site.endings(ConnectionEnded) == ["client-left"])
    await server.ends("reset")
    await site.until(lambda: len(site.endings(SessionEnded)) == 1)
    assert len(site.balancer.claims.sessions) == 0
    [server_state] = site.balancer.servers
    assert (server_state.sessions, server_state.connections) == (0, 0)


@pytest_twisted.ensureDeferred
async def test_both_legs_carry_the_settings_of_the_frontend(site: Site) -> None:
    site.start(tuned(site.serve("127.0.0.2"), keepalive=7.0, user_timeout=9.0))
    await site.client("in")
    await site.hosts[0].talk()
    await site.until(lambda: len(ours(site)) == 2)
    for handle in ours(site):
        assert handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7
        assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 10
        assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 4
        assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 9_000
        assert handle.getsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE) == 1


def ours(site: Site) -> list[socket.socket]:
    """Our sockets of the connections that are joined."""
    bare = [each for each in gc.get_objects() if isinstance(each, Bare)]
    return [each for each in bare if each.fileno() >= 0]
