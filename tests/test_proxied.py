"""What an application sees of its transport behind `lb:`: the real one, but for what was told."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IConsumer, IHalfCloseableProtocol, ISSLTransport, ITransport
from twisted.internet.protocol import Protocol
from zope.interface import alsoProvides

from tests.fakes import WireTransport
from twisted_lb.interfaces import IProxied
from twisted_lb.proxied import Proxied
from twisted_lb.terms import Address
from twisted_lb.wire.proxyheader import UNIQUE_ID, Header, session_tlv

CLIENT, REACHED = Address("198.51.100.7", 50_000), Address("203.0.113.1", 21)
TOLD = Header(2, False, CLIENT, REACHED, ((UNIQUE_ID, b"3fa9c1.2b"), session_tlv("data", "a-7")))


class Application(Protocol):
    """Writes down what it hears; at the start it does what the test says."""

    def __init__(self, first: str = "") -> None:
        self.log: list[bytes | str] = []
        self._first = first

    def connectionMade(self) -> None:
        self.log.append("made")
        if self._first:
            getattr(self.transport, self._first)()

    def dataReceived(self, data: bytes) -> None:
        self.log.append(data)


class Deciphering(Protocol):
    """What a real transport puts between itself and its protocol when TLS starts."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def dataReceived(self, data: bytes) -> None:
        self._application.dataReceived(b"deciphered " + data)


class Wired(WireTransport):
    """A transport that can start TLS, and that closes like a real one."""

    protocol: Protocol
    application: Application

    def startTLS(self, *args: Any) -> None:
        self.protocol = Deciphering(self.application)
        alsoProvides(self, ISSLTransport)

    def loseConnection(self) -> None:
        super().loseConnection()
        self.disconnecting = True


def carried(first: str = "", rest: bytes = b"rest", header: Header = TOLD) -> tuple[Wired, Any]:
    """The real transport, and an application behind it that begins with this call."""
    real = Wired()
    real.application = Application(first)
    Proxied(real, header).carry(real.application, rest)
    return real, real.application


# -- what was told ---------------------------------------------------------------------------------


def test_the_addresses_are_the_clients() -> None:
    transport = Proxied(Wired(), TOLD)
    assert transport.getPeer() == IPv4Address("TCP", CLIENT.host, CLIENT.port)
    assert transport.getHost() == IPv4Address("TCP", REACHED.host, REACHED.port)


def test_an_ipv6_client_has_an_ipv6_address() -> None:
    header = Header(2, False, Address("2001:db8::7", 50_000), Address("2001:db8::1", 21))
    transport = Proxied(Wired(), header)
    assert transport.getPeer() == IPv6Address("TCP", "2001:db8::7", 50_000)
    assert transport.getHost() == IPv6Address("TCP", "2001:db8::1", 21)


def test_session_role_and_the_connections_id_are_told() -> None:
    told = IProxied(Proxied(Wired(), TOLD))
    assert (told.session, told.role, told.unique_id) == ("a-7", "data", "3fa9c1.2b")
    assert told.header is TOLD


def test_what_was_not_told_is_empty_and_the_addresses_are_the_real_ones() -> None:
    """A balancer's own check (LOCAL), and one that does not know its client (UNKNOWN)."""
    for header in (Header(2, True), Header(1, False), Header(2, True, CLIENT, REACHED)):
        real = Wired()
        told = Proxied(real, header)
        assert (told.getPeer(), told.getHost()) == (real.getPeer(), real.getHost())
        assert (told.session, told.role, told.unique_id) == ("", "", "")


def test_an_id_that_is_no_text_can_be_shown_all_the_same() -> None:
    header = Header(2, False, tlvs=((UNIQUE_ID, b"\xff7"),))
    assert Proxied(Wired(), header).unique_id == "\\xff7"


def test_it_provides_and_does_what_the_real_one_does() -> None:
    real = Wired()
    transport: Any = Proxied(real, TOLD)
    assert ITransport.providedBy(transport) and IConsumer.providedBy(transport)
    assert not IHalfCloseableProtocol.providedBy(transport)
    transport.write(b"answer")
    transport.loseConnection()
    assert (real.value(), real.endings) == (b"answer", ["close"])


# -- what was read along with the header -----------------------------------------------------------


def test_it_comes_after_the_application_knows_of_its_connection() -> None:
    _, application = carried()
    assert application.log == ["made", b"rest"]


def test_nothing_comes_when_nothing_was_read_along() -> None:
    _, application = carried(rest=b"")
    assert application.log == ["made"]


def test_it_waits_while_the_application_does_not_want_to_read() -> None:
    """Port forwarders pause until they have reached somebody; bytes before that would be lost."""
    real, application = carried("pauseProducing")
    assert application.log == ["made"]
    assert real.producerState == "paused"
    application.transport.resumeProducing()
    assert application.log == ["made", b"rest"]
    assert real.producerState == "producing"
    application.transport.pauseProducing()
    application.transport.resumeProducing()
    assert application.log == ["made", b"rest"]


def test_an_application_that_pauses_again_when_it_comes_stays_paused() -> None:
    real, application = carried("pauseProducing")
    application.dataReceived = lambda data: application.transport.pauseProducing()
    application.transport.resumeProducing()
    assert real.producerState == "paused"


def test_an_application_that_has_closed_hears_no_more() -> None:
    real, application = carried("loseConnection")
    assert (application.log, real.endings) == (["made"], ["close"])


def test_with_tls_started_at_once_it_is_deciphered_first() -> None:
    """What follows the header is a ClientHello then, and not the application's."""
    _, application = carried("startTLS")
    assert application.log == ["made", b"deciphered rest"]
    assert ISSLTransport.providedBy(application.transport)
    assert IProxied.providedBy(application.transport)
