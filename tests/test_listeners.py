"""A frontend listens at all of its addresses, or at none and says why."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory

from tests.fakes import Listening, World
from twisted_lb import listeners
from twisted_lb.config.document import Document, WrittenFrontend
from twisted_lb.config.meaning import Meaning
from twisted_lb.config.settings import Frontend, Settings
from twisted_lb.listeners import CannotListen, foreign, listen, taken, unparsed
from twisted_lb.terms import Address


def at(*addresses: tuple[str, int], **rules: Any) -> Frontend:
    return Frontend("in", listen=tuple(Address(*each) for each in addresses), **rules)


def opened(frontend: Frontend, world: World) -> list[Listening]:
    listen(world, frontend, ServerFactory())
    return world.listeners


def test_every_address_is_listened_at_with_the_backlog_that_is_configured() -> None:
    frontend = at(("192.0.2.1", 3000), ("2001:db8::1", 3000), backlog=77)
    found = opened(frontend, World())
    assert [(port.host, port.port, port.backlog) for port in found] == [
        ("192.0.2.1", 3000, 77),
        ("2001:db8::1", 3000, 77),
    ]


@pytest.mark.parametrize(("dual", "host"), [(True, "::"), (False, "")])
def test_a_star_is_every_address_of_both_families(
    dual: bool, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: dual)
    [port] = opened(at(("*", 3000)), World())
    assert port.host == host


def test_a_port_that_is_taken_fails_the_start_and_leaves_none_open() -> None:
    """Twisted's own service only logs it and stays up."""
    world = World()
    world.taken = {3001}
    with pytest.raises(CannotListen) as why:
        opened(at(("192.0.2.1", 3000), ("192.0.2.1", 3001)), world)
    assert str(why.value) == (
        "frontend in: cannot listen on 192.0.2.1:3001: Address already in use"
    )
    assert world.listeners == []


def test_urgent_data_stays_in_line_from_the_first_byte() -> None:
    """The option is inherited by what is accepted."""
    world, ours = World(), socket.socket()
    listening = world.listenTCP

    def with_socket(*args: Any, **keywords: Any) -> Listening:
        port = listening(*args, **keywords)
        port.socket = ours  # type: ignore[attr-defined]
        return port

    world.listenTCP = with_socket  # type: ignore[method-assign]
    opened(at(("192.0.2.1", 3000)), world)
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE)
    ours.close()


# -- what is told before the start -----------------------------------------------------------------


def test_an_address_of_another_machine_is_found_before_the_start() -> None:
    """192.0.2.0/24 is documentation's: no machine has one of it."""
    ours = WrittenFrontend("ours", listen=(Address("127.0.0.1", 3000), Address("::1", 0)))
    theirs = (Address("192.0.2.1", 3000), Address("192.0.2.1", 3001), Address("*", 3000))
    frontends = (ours, WrittenFrontend("theirs", listen=theirs))
    [found] = foreign(Meaning.of(Document(frontends)))
    assert found.path == ("frontend", 1, "listen")
    assert found.message == "cannot listen on 192.0.2.1: Cannot assign requested address"


def test_a_port_that_somebody_has_is_told_once_for_its_range() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        frontend = at(("127.0.0.1", port), ("127.0.0.1", 0), ("192.0.2.1", 3000))
        [found] = taken(Settings((frontend,), {}, {}))
    assert found.path == "frontend[in].listen"
    assert found.message == (f"cannot listen on 127.0.0.1:{port} now: Address already in use")


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("tpc:80", "Unknown endpoint type: 'tpc'"),
        ("tcp:eighty", "invalid literal for int() with base 10: 'eighty'"),
        ("tcp:80:interfac=all", "unexpected keyword argument 'interfac'"),
        ("ssl:443:privateKey=/nowhere.pem", "[Errno 2] No such file or directory: '/nowhere.pem'"),
    ],
)
def test_an_endpoint_that_says_nothing_is_found_before_the_start(endpoint: str, why: str) -> None:
    frontends = (WrittenFrontend("a"), WrittenFrontend("b", endpoint=endpoint))
    [found] = unparsed(World(), Meaning.of(Document(frontends)))
    assert found.path == ("frontend", 1, "endpoint")
    assert found.message.startswith(f'"{endpoint}" is no endpoint: ')
    assert why in found.message


@pytest.mark.parametrize("endpoint", ["tcp:80", "systemd:domain=INET:index=0"])
def test_what_only_the_start_can_tell_of_an_endpoint_is_left_to_it(endpoint: str) -> None:
    """Sockets of systemd are given to the service, and not to the shell of whoever checks."""
    frontends = (WrittenFrontend("a", endpoint=endpoint),)
    assert not list(unparsed(World(), Meaning.of(Document(frontends))))


# -- endpoint strings ------------------------------------------------------------------------------


class Endpoint:
    """Stands in for any of Twisted's server endpoints."""

    def __init__(self, answer: Deferred[Any]) -> None:
        self.answer = answer

    def listen(self, factory: ServerFactory) -> Deferred[Any]:
        return self.answer


def with_endpoint(monkeypatch: pytest.MonkeyPatch, answer: Deferred[Any]) -> None:
    monkeypatch.setattr(listeners, "serverFromString", lambda reactor, text: Endpoint(answer))


def test_an_endpoint_string_is_listened_at_beside_the_addresses() -> None:
    world = World()
    found = listen(world, at(("192.0.2.1", 3000), endpoint="tcp:3001:interface=192.0.2.2"), None)
    assert [(port.host, port.port) for port in world.listeners] == [
        ("192.0.2.2", 3001),
        ("192.0.2.1", 3000),
    ]
    assert len(found) == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tcp:3001", "Address already in use"),
        ("tcp", "takes at least 1|missing 1 required"),
        ("nonsense:1", "Unknown endpoint type"),
    ],
)
def test_an_endpoint_that_cannot_listen_fails_the_start(text: str, why: str) -> None:
    world = World()
    world.taken = {3001}
    with pytest.raises(CannotListen, match=f"frontend in: '{text}': .*({why})"):
        opened(at(endpoint=text), world)


def test_an_endpoint_that_does_not_listen_at_once_fails_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_endpoint(monkeypatch, Deferred())
    with pytest.raises(CannotListen, match="does not listen at once"):
        opened(at(endpoint="slow:"), World())


def test_ftp_is_not_listened_for_on_a_unix_socket_whatever_its_endpoint_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its data connections would have no address to come to."""
    stopped: list[bool] = []

    class Unix:
        def getHost(self) -> UNIXAddress:
            return UNIXAddress(b"/run/ftp")

        def stopListening(self) -> None:
            stopped.append(True)

    with_endpoint(monkeypatch, succeed(Unix()))
    with pytest.raises(CannotListen, match=r"frontend in: 'systemd:0': a unix socket has no addr"):
        opened(at(endpoint="systemd:0", protocol="ftp"), World())
    assert stopped == [True]
    assert len(listen(World(), at(endpoint="systemd:0"), ServerFactory())) == 1


def test_a_low_port_without_the_privilege_says_who_may_have_it() -> None:
    world = World()

    def refuse(port: int, *_: object) -> None:
        raise CannotListenError(
            "192.0.2.1", port, PermissionError(errno.EACCES, "Permission denied")
        )

    world.listenTCP = refuse  # type: ignore[method-assign,assignment]
    with pytest.raises(CannotListen, match=r"Permission denied; .*CAP_NET_BIND_SERVICE"):
        opened(at(("192.0.2.1", 21)), world)
    with pytest.raises(CannotListen, match=r"Permission denied$"):
        opened(at(("192.0.2.1", 2121)), world)
