"""Behind `lb:`, an application hears of a client when it is known who that is, and never before."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint, serverFromString
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.fakes import WireTransport, tcp
from twisted_lb.config.settings import Frontend
from twisted_lb.endpoint import Arrival, BehindBalancer, behind_balancer
from twisted_lb.interfaces import IProxied
from twisted_lb.terms import Address
from twisted_lb.wire.proxyheader import (
    MAX_LENGTH,
    SIGNATURE,
    encode_local,
    encode_v1,
    encode_v2,
    session_tlv,
)

CLIENT, REACHED = Address("198.51.100.7", 50_000), Address("203.0.113.1", 21)
V1 = encode_v1(CLIENT, REACHED)
V2 = encode_v2(CLIENT, REACHED, [session_tlv("data", "a-7")], crc=True)
TRUSTED = "trusted=192.0.2.0/24"


class Application(Protocol):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def connectionMade(self) -> None:
        self.log.append("made")

    def dataReceived(self, data: bytes) -> None:
        self.log.append(data)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        self.log.append(reason.value)

    @property
    def heard(self) -> bytes:
        return b"".join(each for each in self.log if isinstance(each, bytes))


@implementer(IHalfCloseableProtocol)
class Patient(Application):
    """One that goes on when one direction is closed."""

    def readConnectionLost(self) -> None:
        self.log.append("eof")

    def writeConnectionLost(self) -> None:
        self.log.append("finished")


class Applications(Factory):
    """A factory that keeps what it made."""

    def __init__(self, make: Callable[[], Application | None] = Application) -> None:
        self.made: list[Any] = []
        self.addresses: list[Any] = []
        self.running = False
        self._make = make

    def startFactory(self) -> None:
        self.running = True

    def stopFactory(self) -> None:
        self.running = False

    def buildProtocol(self, addr: Any) -> Any:
        self.addresses.append(addr)
        application = self._make()
        if application is not None:
            self.made.append(application)
        return application


class Inside:
    """The endpoint inside ours; the test plays who connects to it."""

    def __init__(self) -> None:
        self.factory: Any = None

    def listen(self, factory: Any) -> Deferred[Any]:
        self.factory = factory
        return succeed(None)


class Server:
    """An application that listens behind `lb:`."""

    def __init__(
        self, options: str = TRUSTED, make: Callable[[], Application | None] = Application
    ) -> None:
        self.clock = Clock()
        self.applications = Applications(make)
        inside = Inside()
        BehindBalancer(inside, rule(options), self.clock).listen(self.applications)  # type: ignore[arg-type]
        self.factory = inside.factory

    def comes(self, peer: str = "192.0.2.7") -> Line | None:
        """Somebody connects; None when turned away."""
        arrival = self.factory.buildProtocol(tcp(peer, 40_000))
        return arrival and Line(arrival, peer)

    def arrives(self) -> Line:
        """The balancer connects."""
        line = self.comes()
        assert line is not None
        return line

    @property
    def application(self) -> Any:
        [application] = self.applications.made
        return application


class Line:
    """One connection to it."""

    def __init__(self, arrival: Arrival, peer: str) -> None:
        self.arrival = arrival
        self.transport = WireTransport(peer)
        arrival.makeConnection(self.transport)

    def says(self, data: bytes) -> None:
        self.arrival.dataReceived(data)

    def goes(self, why: Exception | None = None) -> None:
        self.arrival.connectionLost(Failure(why or ConnectionDone()))


def rule(options: str) -> Frontend:
    return described(f"tcp\\:0:{options}").rule


def described(text: str) -> BehindBalancer:
    endpoint = serverFromString(reactor, f"lb:{text}")
    assert isinstance(endpoint, BehindBalancer)
    return endpoint


# -- the header ------------------------------------------------------------------------------------


@given(st.sampled_from((V1, V2)), st.lists(st.integers(1, 120), max_size=12))
def test_the_header_may_come_in_any_pieces(header: bytes, cuts: list[int]) -> None:
    server = Server()
    line = server.arrives()
    whole = header + b"payload"
    edges = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    for start, end in pairwise(edges):
        line.says(whole[start:end])
    assert server.application.heard == b"payload"
    assert server.application.transport.getPeer().host == CLIENT.host
    assert server.clock.getDelayedCalls() == []


@pytest.mark.parametrize("header", [V1, V2])
def test_before_the_last_byte_of_the_header_there_is_no_application(header: bytes) -> None:
    """Attack 16: no banner goes out to whoever has not said who he is."""
    server = Server()
    line = server.arrives()
    for byte in header[:-1]:
        line.says(bytes((byte,)))
        assert server.applications.addresses == []
    line.says(header[-1:])
    assert server.application.log == ["made"]
    assert server.applications.addresses == [IPv4Address("TCP", CLIENT.host, CLIENT.port)]


def test_the_application_is_told_whose_session_it_serves() -> None:
    server = Server()
    server.arrives().says(V2)
    told = IProxied(server.application.transport)
    assert (told.session, told.role) == ("a-7", "data")


def test_a_check_of_the_balancer_is_served_under_its_own_address() -> None:
    server = Server()
    server.arrives().says(encode_local(2))
    assert server.application.transport.getPeer().host == "192.0.2.7"


def test_a_second_header_is_payload() -> None:
    server = Server()
    server.arrives().says(V1 + V1)
    assert server.application.heard == V1


def test_who_trickles_the_header_has_one_deadline_for_all_of_it() -> None:
    """Attack 11."""
    server = Server(f"{TRUSTED}:timeout=2.5")
    line = server.arrives()
    for byte in V2[:10]:
        line.says(bytes((byte,)))
        server.clock.advance(0.24)
    assert line.transport.endings == []
    server.clock.advance(0.2)
    assert line.transport.endings == ["abort"]
    line.says(V2[10:])
    assert server.applications.made == []


@pytest.mark.parametrize(
    "wrong",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n",
        V2[:-1] + bytes((V2[-1] ^ 1,)),
        SIGNATURE + b"\x21\x11" + (MAX_LENGTH + 1).to_bytes(2),
    ],
    ids=["none", "wrong port", "wrong checksum", "too long"],
)
def test_who_says_anything_else_is_closed_at_once_and_heard_no_more(wrong: bytes) -> None:
    server = Server()
    line = server.arrives()
    line.says(wrong)
    assert line.transport.endings == ["abort"]
    line.says(V1)
    assert server.applications.made == []
    assert server.clock.getDelayedCalls() == []


# -- who may come in, and how many -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "peer", "comes"),
    [
        (TRUSTED, "192.0.2.7", True),
        (TRUSTED, "198.51.100.1", False),
        (TRUSTED, "2001:db8::1", False),
        ("trusted=192.0.2.0/24,2001\\:db8\\:\\:/32", "2001:db8::1", True),
        (f"{TRUSTED}:deny=192.0.2.7", "192.0.2.7", True),  # it is for those whom it names
        ("proxy=off", "198.51.100.1", True),
        ("proxy=off:allow=10.0.0.0/8", "198.51.100.1", False),
        ("proxy=off:deny=198.51.100.0/24", "198.51.100.1", False),
    ],
)
def test_only_who_may_connect_is_let_in(options: str, peer: str, comes: bool) -> None:
    assert (Server(options).comes(peer) is not None) is comes


@pytest.mark.parametrize(
    ("options", "header", "comes"),
    [
        ("allow=203.0.113.0/24", b"PROXY TCP4 203.0.113.9 192.0.2.80 40000 443\r\n", True),
        ("allow=203.0.113.0/24", b"PROXY TCP4 203.0.114.9 192.0.2.80 40000 443\r\n", False),
        ("deny=203.0.113.9", b"PROXY TCP4 203.0.113.9 192.0.2.80 40000 443\r\n", False),
        ("allow=203.0.113.0/24", b"PROXY UNKNOWN\r\n", False),  # the peer's own address counts
        ("allow=192.0.2.7", b"PROXY UNKNOWN\r\n", True),
        ("allow=203.0.113.0/24", SIGNATURE + bytes((0x20, 0, 0, 0)), True),  # LOCAL: its check
    ],
)
def test_lists_are_for_those_whom_a_header_names(options: str, header: bytes, comes: bool) -> None:
    server = Server(f"{TRUSTED}:{options}")
    line = server.arrives()
    line.says(header)
    assert bool(server.applications.made) is comes
    assert line.transport.endings == ([] if comes else ["abort"])


def test_the_permissions_of_a_unix_socket_say_who_may_connect() -> None:
    assert Server().factory.buildProtocol(UNIXAddress(None)) is not None


def quietly(server: Server, line: Line) -> None:
    """It goes without a word: also a reset, of which no half-close tells beforehand."""


def amid_its_header(server: Server, line: Line) -> None:
    line.says(V1[:9])


def with_a_wrong_header(server: Server, line: Line) -> None:
    line.says(b"wrong")


def too_late(server: Server, line: Line) -> None:
    server.clock.advance(3)


def served(server: Server, line: Line) -> None:
    line.says(V1 + b"payload")


@pytest.mark.parametrize("how", [quietly, amid_its_header, with_a_wrong_header, too_late, served])
def test_who_has_gone_makes_room_for_the_next_however_he_went(
    how: Callable[[Server, Line], None],
) -> None:
    server = Server(f"{TRUSTED}:maxconn=2")
    stays = server.arrives()
    for _ in range(3):
        goes = server.arrives()
        assert server.comes() is None
        how(server, goes)
        goes.goes(ConnectionAborted())
    assert server.factory.door.connected == 1
    stays.goes()


def test_no_timer_is_left_of_who_leaves_before_the_header() -> None:
    server = Server()
    server.arrives().goes()
    assert server.clock.getDelayedCalls() == []


# -- the application's own -------------------------------------------------------------------------


def test_the_factory_is_started_and_stopped_with_the_listener() -> None:
    """twisted.web's Site opens its log there."""
    server = Server()
    server.factory.doStart()
    assert server.applications.running
    server.factory.doStop()
    assert not server.applications.running


def test_the_reason_of_the_end_is_told_as_it_is() -> None:
    server = Server()
    line = server.arrives()
    line.says(V1)
    why = ConnectionAborted()
    line.goes(why)
    assert server.application.log == ["made", why]


@pytest.mark.parametrize("options", [TRUSTED, "proxy=off"])
def test_an_application_that_half_closes_is_told_of_each_direction(options: str) -> None:
    server = Server(options, Patient)
    line = server.arrives()
    if options == TRUSTED:
        assert not IHalfCloseableProtocol.providedBy(line.arrival)
        line.says(V1)
    half = IHalfCloseableProtocol(line.arrival)
    half.readConnectionLost()
    half.writeConnectionLost()
    assert server.application.log == ["made", "eof", "finished"]


def test_for_an_application_that_does_not_an_end_is_the_end() -> None:
    """Twisted closes a connection whose protocol does not know of half-close."""
    server = Server()
    line = server.arrives()
    line.says(V1)
    assert not IHalfCloseableProtocol.providedBy(line.arrival)


def test_a_client_that_the_application_does_not_want_is_closed() -> None:
    server = Server(make=lambda: None)
    line = server.arrives()
    line.says(V1 + b"payload")
    assert line.transport.endings == ["close"]
    line.says(b"more")
    line.goes()
    assert server.factory.door.connected == 0


def test_an_application_that_fails_gives_its_place_back() -> None:
    def broken() -> Application:
        raise ZeroDivisionError

    server = Server(make=broken)
    line = server.arrives()
    with pytest.raises(ZeroDivisionError):  # the reactor logs it and closes the connection
        line.says(V1)
    line.goes()
    assert server.factory.door.connected == 0
    assert server.clock.getDelayedCalls() == []


# -- without headers -------------------------------------------------------------------------------


def test_with_proxy_off_nothing_is_read_first_and_nothing_is_told() -> None:
    server = Server("proxy=off")
    line = server.arrives()
    assert server.application.log == ["made"]
    assert server.application.transport is line.transport
    assert IProxied(server.application.transport, None) is None
    line.says(V1)
    assert server.application.heard == V1
    line.goes()
    assert server.clock.getDelayedCalls() == []


def test_with_proxy_off_connections_count_too() -> None:
    server = Server("proxy=off:maxconn=1")
    line = server.arrives()
    assert server.comes() is None
    line.goes()
    assert server.comes() is not None


def test_with_proxy_off_who_is_not_wanted_does_not_count() -> None:
    server = Server("proxy=off", make=lambda: None)
    assert server.comes() is None
    assert server.factory.door.connected == 0


# -- the words of the string -----------------------------------------------------------------------


def test_the_string_says_everything() -> None:
    endpoint = described(
        r"tcp\:8080\:interface\=127.0.0.1:trusted=10.0.0.0/8, 192.0.2.1"
        r":allow=10.1.0.0/16:deny=10.1.2.0/24:maxconn=7:timeout=0.5"
    )
    assert isinstance(endpoint.inner, TCP4ServerEndpoint)
    networks = [ipaddress.ip_network(text) for text in ("10.0.0.0/8", "192.0.2.1/32")]
    assert endpoint.rule.proxy.mode == "required"
    assert list(endpoint.rule.proxy.trusted) == networks
    assert [str(network) for network in endpoint.rule.allow] == ["10.1.0.0/16"]
    assert [str(network) for network in endpoint.rule.deny] == ["10.1.2.0/24"]
    assert (endpoint.rule.maxconn, endpoint.rule.timeout.proxy) == (7, 0.5)
    assert endpoint.clock is reactor


def test_what_the_string_does_not_say_has_the_balancers_own_defaults() -> None:
    said, default = rule(TRUSTED), Frontend("lb")
    assert said.maxconn == default.maxconn
    assert said.timeout == default.timeout


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (r"tcp\:0", "say trusted=NETWORK"),
        (r"tcp\:0:trusted=", "say trusted=NETWORK"),
        (r"tcp\:0:trusted=,", "say trusted=NETWORK"),
        (r"tcp\:0:trusted=10.0.0.1/8", "trusted=10.0.0.1/8: 10.0.0.1/8 has host bits set"),
        (r"tcp\:0:trusted=10.0.0.0/8:deny=home", "deny=home: 'home' does not appear to be"),
        (r"tcp\:0:trusted=10.0.0.0/8:maxconn=0", "maxconn=0: must be a number above zero"),
        (r"tcp\:0:trusted=10.0.0.0/8:maxconn=many", "maxconn=many: must be a number"),
        (r"tcp\:0:trusted=10.0.0.0/8:timeout=nan", "timeout=nan: must be a number above zero"),
        (r"tcp\:0:trusted=10.0.0.0/8:timeout=inf", "timeout=inf: must be a number above zero"),
        (r"tcp\:0:trusted=10.0.0.0/8:proxy=perhaps", "proxy=perhaps: required or off"),
        (r"tcp\:0:trusted=10.0.0.0/8:proxy=off", "trusted= goes with proxy=required"),
        (r"tcp:8080:trusted=10.0.0.0/8", r"write colons of the endpoint within as \\:"),
    ],
)
def test_a_string_that_cannot_be_meant_is_refused_by_name(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"^lb: {why}"):
        serverFromString(reactor, f"lb:{text}")


def test_an_option_that_there_is_not_is_refused() -> None:
    with pytest.raises(TypeError, match="trust"):
        behind_balancer(reactor, "tcp:0", trust="10.0.0.0/8")  # type: ignore[call-arg]
