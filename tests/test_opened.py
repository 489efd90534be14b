"""Which listeners stay, and which may not be opened twice."""

from __future__ import annotations

import pytest
from twisted.internet.protocol import ServerFactory

from tests.fakes import World
from twisted_lb import opened
from twisted_lb.config.settings import Frontend
from twisted_lb.listeners import CannotListen
from twisted_lb.opened import Listeners
from twisted_lb.terms import Address


def test_a_socket_of_systemds_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its descriptor was closed with the listener: the number may be a client's by now."""
    world = World()
    monkeypatch.setattr(
        opened, "listen_at", lambda reactor, frontend, place, way: world.listenTCP(0, way)
    )
    listeners = Listeners(world)  # type: ignore[arg-type]
    systemd = Frontend("in", endpoint="systemd:domain=INET:name=ftp")
    other = Frontend("other", listen=(Address("127.0.0.1", 80),))

    def wants(*frontends: Frontend) -> list[str]:
        listeners.change([(frontend, ServerFactory()) for frontend in frontends])
        return [listener.frontend for listener in listeners]

    assert wants(systemd) == ["in"]
    assert wants(systemd, other) == ["in", "other"]
    assert wants(other) == ["other"]
    with pytest.raises(CannotListen, match=r"systemd has given it .* once"):
        wants(systemd, other)
    assert wants(other) == ["other"]
