"""The path of one connection: every way it can end before it is joined, each with its one word."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.conftest import Errors
from tests.fakes import Dialled, Wire, World
from tests.hellos import client_context, first_flight, hello, server_names
from twisted_lb.backend import Judge, LiveBackend, Reach
from twisted_lb.balance import Pool, policy
from twisted_lb.claims import Claims
from twisted_lb.config.settings import (
    Backend,
    Frontend,
    FrontendTimeout,
    FrontendTls,
    FtpRules,
    Group,
    ProxyIn,
    RoleRule,
    ServerRule,
    SniRoute,
)
from twisted_lb.connection import FAREWELL_TIMEOUT, Parts, Story, carry, hinted
from twisted_lb.contexts import ClientTls
from twisted_lb.ends import End
from twisted_lb.facts import AttackSeen, ConnectionEnded, Fact, Secured, SessionEnded
from twisted_lb.hints import Hints
from twisted_lb.opening import Answer, Dialogue, dialogue
from twisted_lb.protocols.ftp.greeting import Greeting
from twisted_lb.session import Sessions
from twisted_lb.terms import MORE, Address, Key, Route, Server, TlsFacts
from twisted_lb.tls import ClientContext, Identity, ServerContext
from twisted_lb.wire.proxyheader import (
    ALPN,
    AUTHORITY,
    SESSION,
    UNIQUE_ID,
    encode_local,
    encode_v1,
    encode_v2,
    parse,
)

from .certificates import Authority, self_signed
from .tlspeers import TlsPeer

CLIENT = "192.0.2.7"
OURS = Address("192.0.2.1", 3000)
SORRY = b"421 sorry\r\n"
FRONT = Address("203.0.113.9", 4711)
PROXY = ProxyIn("required", (ipaddress.ip_network("192.0.2.0/24"),))


class Joining:
    """What is spoken: writes down who was joined."""

    def __init__(self) -> None:
        self.joined: list[tuple[End, End]] = []
        self.greets = False
        self.words = b""
        self.error: Exception | None = None

    def judge(self) -> Judge | None:
        return Greeting() if self.greets else None

    def last_words(self, word: str) -> bytes:
        return self.words

    def join(self, client: End, server: End, story: Story) -> None:
        if self.error is not None:
            raise self.error
        self.joined.append((client, server))


class Path:
    """A frontend with one server, and one client on its way to it."""

    def __init__(
        self,
        speaks: Callable[[Any], Dialogue] | None = None,
        server: dict[str, Any] | None = None,
        max_channels: int = 10,
        ends: ClientTls | None = None,
        key: tuple[str, ...] = ("source",),
        client: str = CLIENT,
        **rules: Any,
    ) -> None:
        self.world = World()
        self.client = client
        self.facts: list[Fact] = []
        self.spoken = Joining()
        group = Group(
            "g",
            "pool",
            key,
            linger=0.0,
            max_channels=max_channels,
            roles={"any": RoleRule(False, 21)},
        )
        frontend = Frontend("in", listen=(OURS,), **{"group": "g", **rules})
        sessions = Sessions(capacity=10, secret=b"s", owner="t")
        self.claims = Claims(sessions, self.world, self.facts.append)
        self.server = Server("pool", "a", "198.51.100.1")
        groups = {"g": group}
        self.parts = Parts(
            frontend,
            groups,
            {"pool": self._backend(server or {})},
            self.world,
            self.claims,
            Reach(self.world, self.claims, self.facts.append),
            self.facts.append,
            speaks
            or (lambda shown: dialogue(frontend, groups, shown, {}, ends.names if ends else ())),
            self.spoken,
            Hints(60.0),
            ends,
        )
        self.gone: list[Story] = []

    def _backend(self, server: dict[str, Any]) -> LiveBackend:
        rule = ServerRule("a", self.server.host, **server)
        settings = Backend("pool", (rule,))
        pool = Pool((self.server,), policy(settings, lambda count: 0))
        return LiveBackend(settings, pool, {self.server: rule})

    def comes(self, says: bytes = b"") -> Wire:
        """A client, which sets out."""
        wire = Wire(peer=self.client)
        if says:
            wire.says(says)
        story = Story("c1", wire.end, self.parts, self.gone.append)
        path = Deferred.fromCoroutine(carry(story))
        wire.end.on_lost = path.cancel
        self.story = story
        return wire

    @property
    def dialled(self) -> Dialled:
        return self.world.dialled[-1]

    @property
    def ended(self) -> ConnectionEnded:
        [fact] = [fact for fact in self.facts if isinstance(fact, ConnectionEnded)]
        return fact

    def nothing_left(self, client: Wire) -> None:
        """The client goes, and with it the last that was to be done for it."""
        client.goes(clean=False)
        assert self.gone == [self.story]
        assert not self.world.getDelayedCalls()
        assert len(self.claims.sessions) == 0
        assert (self.server.sessions, self.server.connections) == (0, 0)


# -- joined ----------------------------------------------------------------------------------------


def test_a_client_is_taken_to_its_server_and_its_first_bytes_wait_there() -> None:
    path = Path()
    client = path.comes(b"early")
    server = path.dialled.answers()
    assert path.spoken.joined == [(client.end, server.end)]
    assert client.end.held == b"early"
    assert path.facts == [] and path.gone == []
    assert not path.world.getDelayedCalls()
    assert path.dialled.port == 21


def test_the_story_of_a_joined_client_is_told_once_with_its_server() -> None:
    path = Path()
    path.comes()
    path.dialled.answers()
    path.world.advance(7)
    path.story.ended("done", 3, 4)
    path.story.ended("killed")
    ended = path.ended
    assert (ended.ending, ended.server, ended.role, ended.seconds) == ("done", "pool/a", "any", 7)
    assert (ended.connection, ended.frontend, ended.client) == ("c1", "in", Address(CLIENT, 50_000))
    assert (ended.from_client, ended.from_server) == (3, 4)
    assert [type(fact) for fact in path.facts] == [SessionEnded, ConnectionEnded]


def test_the_log_names_the_server_of_a_session_that_was_ended() -> None:
    """The session has let go of it by then."""
    path = Path()
    path.comes()
    path.dialled.answers()
    assert path.story.seat is not None
    path.story.seat.on_stop = path.story.ended
    path.claims.end_all("killed")
    assert (path.ended.ending, path.ended.server) == ("killed", "pool/a")


# -- refused, with a word --------------------------------------------------------------------------


def test_no_server_is_told_in_the_words_of_what_is_spoken_here() -> None:
    path = Path()
    path.spoken.words = SORRY
    client = path.comes()
    path.dialled.refuses()
    assert path.ended.ending == "no-server"
    assert client.heard == SORRY
    assert client.endings == ["finish"]
    client.says(b"what?")
    client.shuts()
    assert client.endings == ["finish", "close"]
    path.nothing_left(client)


def test_what_the_last_server_refused_with_is_told_instead() -> None:
    """T21."""
    path = Path()
    path.spoken.words, path.spoken.greets = SORRY, True
    client = path.comes()
    path.dialled.answers().says(b"421 closed for the night\r\n")
    assert client.heard == b"421 closed for the night\r\n"


def test_a_refused_client_without_words_is_reset() -> None:
    path = Path()
    client = path.comes()
    path.dialled.refuses()
    assert (client.heard, client.endings) == (b"", ["abort"])
    path.nothing_left(client)


def test_a_refused_client_that_stays_is_reset_at_a_deadline() -> None:
    """Attack 11."""
    path = Path()
    path.spoken.words = SORRY
    client = path.comes()
    path.dialled.refuses()
    path.world.advance(FAREWELL_TIMEOUT)
    assert client.endings == ["finish", "abort"]
    path.nothing_left(client)


def test_a_refused_client_that_has_said_its_last_is_closed_at_once() -> None:
    path = Path()
    path.spoken.words = SORRY
    client = path.comes(b"x")
    client.shuts()
    path.dialled.refuses()
    assert client.endings == ["finish", "close"]


def test_a_client_that_no_route_leads_anywhere_is_refused() -> None:
    path = Path(group="")
    client = path.comes()
    assert path.ended.ending == "no-route"
    assert path.world.dialled == []
    path.nothing_left(client)


def test_a_client_for_whom_the_table_has_no_place_is_refused() -> None:
    """Attack 21: the session of who is there already is untouched."""
    path = Path(max_channels=1)
    path.comes()
    path.dialled.answers()
    client = path.comes()
    assert path.ended.ending == "key-full"
    assert client.endings == ["abort"]
    assert len(path.world.dialled) == 1
    assert (path.server.sessions, path.server.connections) == (1, 1)


def test_a_defect_of_ours_is_an_internal_error_and_leaves_no_server_open(
    clean_reactor: Errors,
) -> None:
    path = Path()
    path.spoken.error = ZeroDivisionError()
    client = path.comes()
    server = path.dialled.answers()
    assert path.ended.ending == "internal-error"
    assert server.endings == client.endings == ["abort"]
    path.nothing_left(client)
    [error] = clean_reactor.seen
    assert "ZeroDivisionError" in error
    clean_reactor.seen.clear()


# -- the client leaves -----------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["dialling", "greeting"])
def test_a_client_that_leaves_on_the_way_takes_its_server_along(when: str) -> None:
    path = Path()
    path.spoken.greets = when == "greeting"
    client = path.comes()
    server = path.dialled.answers() if when == "greeting" else None
    client.goes()
    assert path.ended.ending == "client-left"
    assert server.endings == ["abort"] if server else path.dialled.given_up
    assert path.gone == [path.story]
    assert not path.world.getDelayedCalls()
    assert path.server.connections == 0


def test_a_client_that_says_its_last_early_is_still_served() -> None:
    """A request and its end in one segment: the answer is owed."""
    path = Path()
    client = path.comes(b"request")
    client.shuts()
    path.dialled.answers()
    assert len(path.spoken.joined) == 1


# -- deadlines -------------------------------------------------------------------------------------


def passing(**rules: Any) -> Path:
    """A frontend that reads ClientHellos; only `known.example` is routed."""
    return Path(
        group="",
        tls=FrontendTls("pass"),
        routes=(SniRoute("g", ("known.example",)),),
        **rules,
    )


def test_a_hello_that_trickles_in_is_given_up_at_the_total_deadline() -> None:
    """Attack 11: a byte a second renews nothing."""
    path = passing(timeout=FrontendTimeout(opening=5.0))
    client = path.comes()
    for byte in hello(server_names(b"known.example"))[:5]:
        client.says(bytes([byte]))
        path.world.advance(0.99)
    assert path.facts == []
    path.world.advance(0.06)
    assert path.ended.ending == "too-slow"
    assert client.endings == ["abort"]
    path.nothing_left(client)


def test_the_proxy_header_takes_its_time_from_the_opening() -> None:
    """One total for both, as the settings promise."""
    path = passing(proxy=PROXY, timeout=FrontendTimeout(opening=5.0, proxy=3.0))
    client = path.comes()
    path.world.advance(2.9)
    client.says(encode_v1(FRONT, OURS))
    path.world.advance(2.0)
    assert path.facts == []
    path.world.advance(0.2)
    assert path.ended.ending == "too-slow"


def test_a_trusted_proxy_without_a_header_is_closed_at_its_deadline() -> None:
    """Attack 16."""
    path = Path(proxy=PROXY, timeout=FrontendTimeout(proxy=3.0))
    client = path.comes()
    path.world.advance(2.9)
    client.says(b"PROXY")
    path.world.advance(0.1)
    assert path.ended.ending == "too-slow"
    assert path.world.dialled == []
    path.nothing_left(client)


def test_a_pin_that_takes_too_long_is_given_up() -> None:
    path = Path(timeout=FrontendTimeout(pin=2.0))
    path.spoken.words = SORRY
    client = path.comes()
    path.world.advance(2.0)
    assert path.ended.ending == "too-slow"
    assert path.dialled.given_up
    assert client.heard == SORRY
    path.nothing_left(client)


# -- what a client shows ---------------------------------------------------------------------------


def test_an_unknown_name_gets_its_alert_and_no_server() -> None:
    """Attack 4, 15: unrecognized_name (112)."""
    path = passing()
    client = path.comes()
    client.says(hello(server_names(b"other.example")))
    assert path.ended.ending == "no-route"
    assert client.heard == b"\x15\x03\x01\x00\x02\x02\x70"
    assert path.world.dialled == []


def test_a_known_name_is_routed_at_every_split_and_stays_held() -> None:
    """Attack 15."""
    whole = hello(server_names(b"known.example"))
    for cut in range(1, len(whole)):
        path = passing()
        client = path.comes(whole[:cut])
        assert path.world.dialled == []
        client.says(whole[cut:])
        path.dialled.answers()
        assert client.end.held == whole
        path.story.ended("done")
        assert len(path.claims.sessions) == 0


def test_a_client_that_leaves_before_it_shows_anything_has_left() -> None:
    path = passing()
    client = path.comes(b"\x16\x03")
    client.shuts()
    assert path.ended.ending == "client-left"
    path.nothing_left(client)


def test_a_dialogue_may_answer_before_it_knows_the_route() -> None:
    """The seam for protocols in which we speak first."""

    class Polite:
        def __init__(self) -> None:
            self.verdicts = [
                Answer(b"220 who are you?\r\n"),
                MORE,
                Answer(b"331 fine\r\n"),
                Route("g", "any", Key("source", "joe"), 21, replay=b"USER joe\r\n"),
            ]
            self.heard = b""

        def take(self, data: bytes) -> Any:
            self.heard += data
            return self.verdicts.pop(0)

    polite = Polite()
    path = Path(lambda shown: polite)  # type: ignore[arg-type, return-value]
    client = path.comes()
    assert client.heard == b"220 who are you?\r\n"
    client.says(b"USER joe\r\n")
    assert client.heard.endswith(b"331 fine\r\n")
    assert path.dialled.answers().heard == b"USER joe\r\n"
    assert polite.heard == b"USER joe\r\n"


# -- TLS that ends here ----------------------------------------------------------------------------

CA = Authority()
TRUST = ClientContext(CA.pem)


def ending(*names: str, server: dict[str, Any] | None = None, **context: Any) -> Path:
    """A path whose frontend ends TLS, with a certificate for each of these names."""
    identities = [Identity.of(pem, pem, name) for name in names for pem in [CA.sign(name)]]
    tls = ClientTls(
        tuple(ServerContext(one, **context) for one in identities),
        tuple(one.names for one in identities),
    )
    key = ("certificate",) if context else ("source",)
    return Path(
        server=server, ends=tls, key=key, tls=FrontendTls("terminate"), timeout=FrontendTimeout(4.0)
    )


def test_the_client_is_shown_the_certificate_that_it_asks_for_and_what_it_says_inside_waits() -> (
    None
):
    path = ending("front.example", "other.example")
    client = path.comes()
    peer = TlsPeer(client, path.world).dials(TRUST, "other.example").says(b"inside")
    assert [facts.version for facts in peer.facts if isinstance(facts, TlsFacts)] == ["TLSv1.3"]
    assert path.facts == [Secured("client", "TLSv1.3", False)]
    server = path.dialled.answers()
    assert path.spoken.joined == [(client.end, server.end)]
    assert client.end.held == b"inside"
    assert path.story.name == "other.example"
    assert not path.world.getDelayedCalls()


def test_a_client_certificate_is_a_key() -> None:
    path = ending("front.example", clients="any")
    pem = self_signed("joe")
    joe = ClientContext(CA.pem, identity=Identity.of(pem, pem, "joe"))
    sessions = []
    for _ in range(2):
        client = path.comes()
        TlsPeer(client, path.world).dials(joe, "front.example")
        assert path.story.seat is not None
        sessions.append(path.story.seat.session)
    assert sessions[0] is sessions[1]
    assert sessions[0].kind == "certificate"


def test_a_server_is_told_what_tls_showed_of_the_client() -> None:
    path = ending("front.example", clients="any", alpn=("lb-proxy/1",), server={"send_proxy": "v2"})
    pem = self_signed("joe")
    joe = Identity.of(pem, pem, "joe")
    asking = ClientContext(CA.pem, identity=joe, alpn=("lb-session/1", "lb-proxy/1"))
    client = path.comes()
    TlsPeer(client, path.world).dials(asking, "front.example")
    told = parse(path.dialled.answers().heard)
    assert isinstance(told, tuple) and client.end.tls is not None
    header = told[0]
    assert header.authority == "front.example"
    assert header.value(ALPN) == b"lb-proxy/1"
    assert header.client_certificate == client.end.tls.certificate != b""
    assert header.ssl is not None and not header.ssl.verified
    assert (header.ssl.version, header.ssl.common_name) == ("TLSv1.3", "alone")
    assert header.ssl.cipher.startswith("TLS_")


def test_a_server_is_told_that_an_authority_vouches_for_the_client() -> None:
    path = ending("front.example", clients="required", ca=CA.pem, server={"send_proxy": "v2"})
    pem = CA.sign("joe")
    asking = ClientContext(CA.pem, identity=Identity.of(pem, pem, "joe"))
    TlsPeer(path.comes(), path.world).dials(asking, "front.example")
    told = parse(path.dialled.answers().heard)
    assert isinstance(told, tuple)
    assert told[0].ssl is not None and told[0].ssl.verified and told[0].value(ALPN) is None


def test_a_client_without_a_certificate_shows_no_key() -> None:
    path = ending("front.example", clients="any")
    client = path.comes()
    TlsPeer(client, path.world).dials(TRUST, "front.example")
    assert path.ended.ending == "unkeyed"
    path.nothing_left(client)


def test_a_handshake_that_fails_has_its_word_and_no_server() -> None:
    path = ending("front.example")
    client = path.comes(hello(server_names(b"front.example")))
    assert client.endings == ["close"]
    client.goes()
    assert path.ended.ending == "tls-failed" and path.ended.detail.startswith("TLS failed: ")
    assert path.world.dialled == []


def test_the_handshake_ends_at_the_deadline_of_the_opening() -> None:
    path = ending("front.example")
    client = path.comes(first_flight(client_context(), "front.example"))
    assert client.heard
    path.world.advance(3.9)
    assert path.facts == []
    path.world.advance(0.2)
    assert (path.ended.ending, path.ended.detail) == (
        "too-slow",
        "no TLS handshake within 4 s",
    )
    path.nothing_left(client)


def test_a_client_that_leaves_in_its_handshake_has_left() -> None:
    path = ending("front.example")
    client = path.comes(b"\x16\x03")
    client.goes(clean=False)
    assert path.ended.ending == "client-left"
    assert not path.world.getDelayedCalls()


# -- PROXY in --------------------------------------------------------------------------------------


def test_from_the_header_on_the_client_is_who_it_names() -> None:
    path = Path(proxy=PROXY)
    client = path.comes(encode_v1(FRONT, Address("203.0.113.1", 21)) + b"rest")
    path.dialled.answers()
    assert path.story.peer == client.end.peer == FRONT
    assert path.story.local == Address("203.0.113.1", 21)
    assert client.end.held == b"rest"
    path.story.ended("done")
    assert path.ended.client == FRONT


def test_a_health_check_of_the_proxy_is_itself() -> None:
    """PROXY v2 LOCAL: the connection's own addresses count."""
    path = Path(proxy=PROXY)
    client = path.comes(b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00")
    path.dialled.answers()
    assert client.end.peer == Address(CLIENT, 50_000)


def test_anything_but_a_header_is_an_attack_and_reaches_no_server() -> None:
    """Attack 16."""
    path = Path(proxy=PROXY)
    path.spoken.words = SORRY
    client = path.comes(b"USER joe\r\n")
    assert path.ended.ending == "wire-error"
    [attack] = [fact for fact in path.facts if isinstance(fact, AttackSeen)]
    assert (attack.kind, attack.frontend, attack.peer) == (
        "proxy-spoof",
        "in",
        Address(CLIENT, 50_000),
    )
    assert path.world.dialled == []
    path.world.advance(FAREWELL_TIMEOUT)
    path.nothing_left(client)


def test_a_proxy_that_leaves_in_the_middle_of_its_header_is_no_attack() -> None:
    path = Path(proxy=PROXY)
    path.comes(b"PROX").shuts()
    assert path.ended.ending == "client-left"
    assert not [fact for fact in path.facts if isinstance(fact, AttackSeen)]


# -- PROXY out -------------------------------------------------------------------------------------


def first_bytes(version: str, **rules: Any) -> tuple[Path, bytes]:
    path = Path(server={"send_proxy": version}, **rules)
    path.comes(encode_v1(FRONT, Address("203.0.113.1", 21)) if "proxy" in rules else b"")
    return path, path.dialled.answers().heard


def test_a_server_that_wants_no_header_gets_none() -> None:
    assert first_bytes("off")[1] == b""


def test_a_v1_header_names_the_client_and_what_it_reached() -> None:
    assert first_bytes("v1")[1] == b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 3000\r\n"


def test_a_chain_of_proxies_names_the_client_of_the_first() -> None:
    _, heard = first_bytes("v1", proxy=PROXY)
    assert heard == b"PROXY TCP4 203.0.113.9 203.0.113.1 4711 21\r\n"


def test_a_v2_header_carries_the_connection_the_session_and_the_role() -> None:
    path, heard = first_bytes("v2")
    assert path.story.seat is not None
    session = path.story.seat.session.id
    tlvs = [(UNIQUE_ID, b"c1"), (SESSION, f"role=any;session={session}".encode())]
    addresses = Address(CLIENT, 50_000), OURS
    assert heard == encode_v2(*addresses, tlvs, crc=True)
    verdict = parse(heard)
    assert verdict is not MORE
    assert verdict[0].unique_id == b"c1"
    assert verdict[0].authority == ""


def test_a_v2_header_carries_the_name_that_the_client_asked_for() -> None:
    path = passing(server={"send_proxy": "v2"})
    path.comes(hello(server_names(b"known.example")))
    verdict = parse(path.dialled.answers().heard)
    assert verdict is not MORE
    assert verdict[0].tlvs[0] == (AUTHORITY, b"known.example")


@pytest.mark.parametrize("header", [b"", b"PROXY UNKNOWN\r\n", encode_local(2)])
@pytest.mark.parametrize(("version", "expected"), [("v1", b"PROXY UNKNOWN\r\n"), ("v2", None)])
def test_a_client_without_an_address_is_told_as_unknown(
    version: str, expected: bytes | None, header: bytes
) -> None:
    """A unix socket's client has none, nor has one whose proxy does not tell it."""
    rules: dict[str, Any] = {"proxy": ProxyIn("required")} if header else {}
    path = Path(server={"send_proxy": version}, client="", key=("connection",), **rules)
    path.comes(header)
    heard = path.dialled.answers().heard
    if expected is None:
        verdict = parse(heard)
        assert verdict is not MORE
        assert (verdict[0].source, verdict[0].unique_id) == (None, b"c1")
    else:
        assert heard == expected


def test_a_sticky_frontend_remembers_where_a_client_was() -> None:
    for sticky, known in (((), 0), (("source",), 1)):
        path = Path(ftp=FtpRules(sticky=sticky))
        path.comes()
        path.dialled.answers()
        assert len(path.parts.hints) == known


@pytest.mark.parametrize(
    ("sticky", "thumbprint", "known_by"),
    [
        (("certificate", "source"), "ab12", "certificate ab12"),
        (("certificate", "source"), "", f"source {CLIENT}"),
        (("source", "certificate"), "ab12", f"source {CLIENT}"),
        (("certificate",), "", ""),
        ((), "ab12", ""),
    ],
)
def test_a_client_is_known_again_by_the_first_that_it_shows(
    sticky: tuple[Any, ...], thumbprint: str, known_by: str
) -> None:
    path = Path(ftp=FtpRules(sticky=sticky))
    path.comes()
    path.story.client.tls = TlsFacts("TLSv1.3", "", "", thumbprint=thumbprint)
    assert hinted(path.story) == known_by
