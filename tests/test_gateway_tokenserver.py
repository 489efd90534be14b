"""The token server as a service: what its files must hold, and who may connect for how long."""

from __future__ import annotations

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
from twisted_lb.errors import ConfigurationError
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

    def abortConnection(self) -> None:
        self.aborted = True


def test_a_connection_ends_at_its_deadline_whatever_trickles() -> None:
    """Attack 11."""
    clock, caller = Clock(), Caller()
    protocol: Any = Visitors(Factory.forProtocol(Protocol), 1, clock).buildProtocol(PEER)
    protocol.makeConnection(caller)
    for _ in range(int(LIFE) - 1):
        clock.advance(1)
        protocol.dataReceived(b"P")
    assert not caller.aborted
    clock.advance(1)
    assert caller.aborted
    protocol.connectionLost(Failure(ConnectionDone()))


def test_so_many_connect_at_once_and_no_more() -> None:
    clock = Clock()
    visitors = Visitors(Factory.forProtocol(Protocol), 2, clock)
    first, second = visitors.buildProtocol(PEER), visitors.buildProtocol(PEER)
    first.makeConnection(Caller())
    second.makeConnection(Caller())
    assert visitors.buildProtocol(PEER) is None
    first.connectionLost(Failure(ConnectionDone()))
    assert visitors.buildProtocol(PEER) is not None
    second.connectionLost(Failure(ConnectionDone()))
    assert not clock.getDelayedCalls()


PEER = IPv4Address("TCP", "192.0.2.1", 40_000)
