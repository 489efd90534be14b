"""The token server as a service: what its files must hold, and who may connect for how long."""

from __future__ import annotations

import socket
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import attrs
import pytest
from passlib.context import CryptContext  # type: ignore[import-untyped]
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from tests.certificates import self_signed, written
from twisted_lb.accept import Door
from twisted_lb.config.settings import Frontend, Startups
from twisted_lb.errors import ConfigurationError
from twisted_lb.facts import ConnectionEnded
from twisted_lb.gateway.tokenserver import LIFE, Parts, Visitors, read_parts
from twisted_lb.gateway.tokensettings import Issuer, Permitted, ServerTls, TokenServerSettings
from twisted_lb.terms import Address

from .tokens import FRONT, issuer

ANN = f"ann:{CryptContext(['bcrypt'], bcrypt__rounds=4).hash('anns')}\n".encode()


@pytest.fixture
def settings(tmp_path: Path) -> TokenServerSettings:
    """Everything is there and fits."""
    return TokenServerSettings(
        listen=(Address("127.0.0.1", 0),),
        users=written(ANN, tmp_path / "users"),
        issuer=Issuer("mss", written(issuer().private, tmp_path / "issuer.key"), (FRONT,)),
        destinations=(Permitted(Address("mainframe", 23), ("ann", "*")),),
        tls=ServerTls(certificate=written(self_signed("mss"), tmp_path / "mss.pem")),
    )


def wrong(settings: TokenServerSettings) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read_parts(settings, "t.toml")
    return str(caught.value).splitlines()


def test_files_that_fit_become_parts(settings: TokenServerSettings) -> None:
    parts = read_parts(settings, "t.toml")
    assert parts.key.id == issuer().key.id
    assert parts.users.check("ann", "anns")
    assert parts.context is not None


def test_without_tls_no_certificate_is_read(settings: TokenServerSettings) -> None:
    parts: Parts = read_parts(attrs.evolve(settings, tls=ServerTls("off")), "t.toml")
    assert parts.context is None


def test_every_file_that_is_missing_is_told_at_once(settings: TokenServerSettings) -> None:
    none = attrs.evolve(
        settings,
        users="/nowhere/users",
        issuer=attrs.evolve(settings.issuer, key="/nowhere/key"),
        tls=ServerTls(certificate="/nowhere/cert"),
    )
    assert wrong(none) == [
        "t.toml: issuer.key: /nowhere/key cannot be read: No such file or directory",
        "t.toml: users: /nowhere/users cannot be read: No such file or directory",
        "t.toml: tls.certificate: /nowhere/cert cannot be read: No such file or directory",
    ]


def test_every_file_that_holds_something_else_is_told(
    settings: TokenServerSettings, tmp_path: Path
) -> None:
    other = written(b"something else", tmp_path / "other")
    told = wrong(
        attrs.evolve(
            settings,
            users=other,
            issuer=attrs.evolve(settings.issuer, key=other),
            tls=ServerTls(certificate=settings.tls.certificate, key=other),
        )
    )
    assert [line.split(": ")[1] for line in told] == ["issuer.key", "users", "tls.certificate"]
    assert all(other in line for line in told)


def test_a_user_who_is_nobody_is_told(settings: TokenServerSettings) -> None:
    places = (*settings.destinations, Permitted(Address("h", 23), ("bob",)))
    assert wrong(attrs.evolve(settings, destinations=places)) == [
        f"t.toml: destination[#2].users: {settings.users} has no user 'bob'"
    ]


# -- who may connect -------------------------------------------------------------------------------


class Caller(StringTransport):
    """A connection from outside."""

    aborted = False

    def __init__(self, peer: IPv4Address) -> None:
        super().__init__(peerAddress=peer)

    def getHandle(self) -> object:
        return None

    def abortConnection(self) -> None:
        self.aborted = True


class Street:
    """A token server's door without a network."""

    def __init__(self, highest: int = 1 << 20, **rules: Any) -> None:
        self.clock = Clock()
        self.facts: list[Any] = []
        rule = Frontend(**{"name": "token-server", "startups": None, **rules})
        door = Door(rule, lambda count: 0, highest)
        factory = Factory.forProtocol(Protocol)
        self.visitors = Visitors(factory, door, self.clock, self.facts.append)

    def comes(self, host: str = "192.0.2.1", caller: type[Caller] = Caller) -> Any:
        """The protocol of one who is let in; None: turned away."""
        peer = IPv4Address("TCP", host, 40_000)
        protocol: Any = self.visitors.buildProtocol(peer)
        if protocol is not None:
            protocol.makeConnection(caller(peer))
        return protocol

    def leaves(self, protocol: Any) -> None:
        protocol.connectionLost(Failure(ConnectionDone()))

    @property
    def turned_away(self) -> list[tuple[str, str]]:
        assert all(isinstance(fact, ConnectionEnded) for fact in self.facts)
        return [(fact.client.host, fact.ending) for fact in self.facts]


def test_a_connection_ends_at_its_deadline_whatever_trickles() -> None:
    """Attack 11."""
    street = Street()
    visitor = street.comes()
    for _ in range(int(LIFE) - 1):
        street.clock.advance(1)
        visitor.dataReceived(b"P")
    assert not visitor.transport.aborted
    street.clock.advance(1)
    assert visitor.transport.aborted
    street.leaves(visitor)


def test_so_many_connect_at_once_and_no_more() -> None:
    street = Street(maxconn=2)
    first, second = street.comes(), street.comes("198.51.100.1")
    assert street.comes() is None
    assert street.turned_away == [("192.0.2.1", "full")]
    street.leaves(first)
    third = street.comes()
    for visitor in (second, third):
        street.leaves(visitor)
    assert not street.clock.getDelayedCalls()


def test_one_network_does_not_shut_out_the_others() -> None:
    """Attack 12: nor does it for longer than its connections last."""
    street = Street(startups=Startups(2, 100, 2))
    first, second = street.comes("192.0.2.1"), street.comes("192.0.2.2")
    assert street.comes("192.0.2.3") is None
    other = street.comes("198.51.100.1")
    assert street.turned_away == [("192.0.2.3", "full")]
    street.leaves(first)
    again = street.comes("192.0.2.3")
    for visitor in (second, other, again):
        street.leaves(visitor)


def test_sources_are_allowed_and_denied_as_at_a_frontend() -> None:
    street = Street(allow=(ip_network("192.0.2.0/24"),), deny=(ip_network("192.0.2.7"),))
    street.leaves(street.comes("192.0.2.1"))
    assert street.comes("192.0.2.7") is None
    assert street.comes("198.51.100.1") is None
    assert [word for _, word in street.turned_away] == ["refused-source"] * 2


def test_the_last_descriptors_are_kept_from_clients() -> None:
    """Attack 12."""
    with socket.socket() as last:

        class Numbered(Caller):
            def getHandle(self) -> object:
                return last

        street = Street(highest=last.fileno() - 1)
        visitor = street.comes(caller=Numbered)
        assert visitor.transport.aborted
        street.leaves(visitor)
    assert street.turned_away == [("192.0.2.1", "full")]
    assert not street.clock.getDelayedCalls()
