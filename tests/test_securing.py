"""The TLS of one FTP session: who is shown what, who resumes what, who is turned away."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.certificates import Authority
from tests.fakes import Wire, World
from tests.tlspeers import TlsPeer
from twisted_lb.config.settings import Frontend, FrontendTls, FtpRules, FtpTls
from twisted_lb.contexts import ClientTls
from twisted_lb.errors import Ended
from twisted_lb.facts import Fact, Secured
from twisted_lb.protocols.actions import Side
from twisted_lb.securing import Securing, Speaks, TowardServer
from twisted_lb.terms import Address, TlsFacts
from twisted_lb.tls import ClientContext, ClientHandshake, Identity, Resumption, ServerContext

AUTHORITY = Authority()
TRUST = ClientContext(AUTHORITY.pem)


def identity(name: str) -> Identity:
    """A certificate for this name."""
    pem = AUTHORITY.sign(name)
    return Identity.of(pem, pem, name)


FRONT, OTHER, SERVER = (identity(f"{name}.example") for name in ("front", "other", "server"))


class Session:
    """One FTP session whose control connections may be secured, and data connections of it."""

    def __init__(self, reuse: Any = "offered", **tls: Any) -> None:
        self.world = World()
        self.control = {Side.CLIENT: Wire(), Side.SERVER: Wire()}
        self.strangers: list[Address] = []
        self.told: list[Fact] = []
        shown = ClientTls(
            (ServerContext(FRONT), ServerContext(OTHER)),
            (FRONT.names, OTHER.names),
            apart=reuse == "required",
        )
        frontend = Frontend(
            "ftp",
            protocol="ftp",
            tls=FrontendTls("starttls", **tls),
            ftp=FtpRules(tls=FtpTls(reuse=reuse)),
        )
        self.securing = Securing(
            self.world,
            frontend,
            self.control[Side.CLIENT].end,
            shown,
            TowardServer(
                self.world,
                self.control[Side.SERVER].end,
                Speaks(TRUST, "server.example"),
                frontend.timeout.opening,
                tolerant=False,
            ),
            self.strangers.append,
            self.told.append,
        )

    def secures(self, side: Side, wire: Wire, data: bool) -> list[object]:
        """What comes of it."""
        came: list[object] = []
        doing = Deferred.fromCoroutine(self.securing(side, wire.end, data))
        doing.addCallbacks(came.append, lambda failure: came.append(failure.value))
        return came

    def client(
        self, wire: Wire, data: bool, name: str = "front.example", goes_on: Resumption | None = None
    ) -> tuple[TlsFacts | Ended, list[object], ClientHandshake]:
        """A client in TLS: how it went for it, and for us."""
        came = self.secures(Side.CLIENT, wire, data)
        peer = TlsPeer(wire, self.world)  # type: ignore[arg-type]
        handshake = ClientHandshake(TRUST, name, goes_on)
        peer.shakes(handshake)
        [facts] = peer.facts
        return facts, came, handshake

    def server(self, wire: Wire, data: bool, context: ServerContext) -> tuple[Any, list[object]]:
        """A server in TLS."""
        came = self.secures(Side.SERVER, wire, data)
        peer = TlsPeer(wire, self.world).serves(context)  # type: ignore[arg-type]
        [facts] = peer.facts
        return facts, came


def word(came: list[object]) -> str:
    """Why it failed."""
    [why] = came
    assert isinstance(why, Ended), why
    return why.word


# -- the client's control connection ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["front.example", "other.example"])
def test_a_client_is_shown_the_certificate_of_the_name_it_asks_for(name: str) -> None:
    """After AUTH, too."""
    session = Session()
    facts, came, _ = session.client(session.control[Side.CLIENT], False, name)
    assert isinstance(facts, TlsFacts)
    assert came == [None]
    assert session.told == [Secured("client", "TLSv1.3", False)]


def test_a_client_that_asks_for_nobody_of_ours_is_refused_where_we_are_strict() -> None:
    """Attack 4."""
    session, wire = Session(strict_sni=True), Wire()
    came = session.secures(Side.CLIENT, wire, False)
    TlsPeer(wire, session.world).shakes(ClientHandshake(TRUST, "third.example"))  # type: ignore[arg-type]
    assert word(came) == "tls-failed"
    assert session.told == []


def test_what_is_no_hello_is_refused() -> None:
    session = Session()
    wire = session.control[Side.CLIENT]
    came = session.secures(Side.CLIENT, wire, False)
    wire.says(b"USER joe\r\n")
    assert word(came) == "tls-failed"


def test_a_hello_may_come_in_pieces_and_has_its_time() -> None:
    """Attack 11."""
    session = Session()
    wire = session.control[Side.CLIENT]
    came = session.secures(Side.CLIENT, wire, False)
    wire.says(b"\x16\x03\x01")
    session.world.advance(4.0)
    wire.says(b"\x02\x00")
    assert came == []
    session.world.advance(1.0)
    assert word(came) == "too-slow"


def test_a_client_may_leave_before_its_hello() -> None:
    session = Session()
    wire = session.control[Side.CLIENT]
    came = session.secures(Side.CLIENT, wire, False)
    wire.goes()
    assert word(came) == "client-left"


# -- its data connections --------------------------------------------------------------------------


def test_a_data_connection_goes_on_with_its_control_connection() -> None:
    """T65, attack 7."""
    session = Session(reuse="required")
    _, _, control = session.client(session.control[Side.CLIENT], False)
    for _ in range(3):
        facts, came, _ = session.client(Wire(), True, goes_on=control.resumption())
        assert isinstance(facts, TlsFacts)
        assert facts.resumed
        assert came == [None]
    assert session.strangers == []


def test_one_that_does_not_is_a_strangers_where_it_must() -> None:
    session = Session(reuse="required")
    session.client(session.control[Side.CLIENT], False)
    _, came, _ = session.client(Wire(), True)
    assert word(came) == "tls-failed"
    assert [peer.host for peer in session.strangers] == ["192.0.2.7"]


def test_another_sessions_is_a_strangers_as_well() -> None:
    """T67, attack 7."""
    session, another = Session(reuse="required"), Session(reuse="required")
    session.client(session.control[Side.CLIENT], False)
    _, _, control = another.client(another.control[Side.CLIENT], False)
    facts, came, _ = session.client(Wire(), True, goes_on=control.resumption())
    assert not (isinstance(facts, TlsFacts) and facts.resumed)
    assert word(came) == "tls-failed"


def test_one_may_begin_anew_where_that_is_allowed() -> None:
    session = Session()
    session.client(session.control[Side.CLIENT], False)
    _, came, _ = session.client(Wire(), True)
    assert came == [None]


# -- the server's ----------------------------------------------------------------------------------


def test_a_servers_data_connections_go_on_with_its_control_connection() -> None:
    """T65: a hundred times."""
    session, context = Session(), ServerContext(SERVER)
    facts, came = session.server(session.control[Side.SERVER], False, context)
    assert came == [None]
    assert not facts.resumed
    for _ in range(100):
        wire = Wire()
        facts, came = session.server(wire, True, context)
        assert came == [None]
        assert facts.resumed
        wire.goes(clean=False)


def test_no_session_goes_on_with_anothers() -> None:
    """T67."""
    context = ServerContext(SERVER)
    for _ in range(2):
        session = Session()
        facts, _ = session.server(session.control[Side.SERVER], False, context)
        assert not facts.resumed


def test_a_data_connection_to_another_server_is_none() -> None:
    """T69: the same name, every time."""
    session = Session()
    session.server(session.control[Side.SERVER], False, ServerContext(SERVER))
    _, came = session.server(Wire(), True, ServerContext(OTHER))
    assert word(came) == "identity-mismatch"
