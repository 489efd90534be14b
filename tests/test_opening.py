"""Where a connection goes, by what it shows before anything is relayed."""

from collections.abc import Sequence
from itertools import pairwise

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.config.settings import (
    Frontend,
    FrontendTls,
    Group,
    Patterns,
    Prefix,
    RoleRule,
    SniRoute,
)
from twisted_lb.opening import (
    KINDS,
    Answer,
    Dialogue,
    Refuse,
    Shown,
    StartTls,
    Verdict,
    dialogue,
)
from twisted_lb.terms import ENDINGS, MORE, Address, Key, Route, TlsFacts
from twisted_lb.wire.clienthello import ClientHello
from twisted_lb.wire.serverflight import tls_session_key
from twisted_lb.wire.tlsrecord import (
    DECODE_ERROR,
    NO_APPLICATION_PROTOCOL,
    UNRECOGNIZED_NAME,
    alert,
)

from .hellos import alpn, extension, hello, message, record, server_names, ssl2_hello

SHOWN = Shown("c-1", Address("192.0.2.7", 50000), Address("198.51.100.1", 3000))


def group(name: str = "g", **fields: object) -> Group:
    return Group(name, "backend", **fields)  # type: ignore[arg-type]


def opening(
    frontend: Frontend, *groups: Group, shown: Shown = SHOWN, extra_keys: object = None
) -> Dialogue:
    by_name = {each.name: each for each in groups or (group(),)}
    return dialogue(frontend, by_name, shown, extra_keys or {})  # type: ignore[arg-type]


def passing(*routes: SniRoute, default: str = "") -> Frontend:
    return Frontend("f", routes=routes, group=default, tls=FrontendTls("pass"))


def route(frontend: Frontend, *groups: Group, said: bytes = b"", shown: Shown = SHOWN) -> Route:
    found = opening(frontend, *groups, shown=shown).take(said)
    assert isinstance(found, Route)
    return found


class TestWithoutTls:
    """FTP clients and terminals wait for the server to speak."""

    def test_the_route_is_known_before_the_client_says_anything(self) -> None:
        frontend = Frontend("f", group="g", role="control")
        assert route(frontend) == Route("g", "control", Key("source", "192.0.2.7/32"), 3000)

    def test_what_the_client_said_already_changes_nothing(self) -> None:
        frontend = Frontend("f", group="g")
        assert route(frontend, said=b"USER a\r\n") == route(frontend)

    def test_a_frontend_without_a_group_leads_nowhere(self) -> None:
        refusal = opening(Frontend("f")).take(b"")
        assert isinstance(refusal, Refuse)
        assert (refusal.word, refusal.last_words) == ("no-route", b"")

    def test_silence_has_its_word(self) -> None:
        assert opening(Frontend("f")).silence() == Refuse("too-slow")


class TestKey:
    """The first of the group's kinds that the connection shows decides."""

    def key(self, *kinds: str, shown: Shown = SHOWN, said: bytes = b"", **fields: object) -> object:
        frontend = passing(default="g") if said else Frontend("f", group="g")
        return route(frontend, group(key=kinds, **fields), said=said, shown=shown).key

    def from_host(self, host: str) -> Shown:
        return Shown("c-1", Address(host, 1), SHOWN.local)

    @pytest.mark.parametrize(
        ("host", "prefix", "network"),
        [
            ("192.0.2.7", Prefix(), "192.0.2.7/32"),
            ("192.0.2.7", Prefix(ipv4=24), "192.0.2.0/24"),
            ("::ffff:192.0.2.7", Prefix(ipv4=24), "192.0.2.0/24"),
            ("2001:db8:1:2:3::4", Prefix(), "2001:db8:1:2::/64"),
            ("2001:db8:1:2:3::4", Prefix(ipv6=128), "2001:db8:1:2:3::4/128"),
            ("fe80::1%eth0", Prefix(), "fe80::/64"),
            ("192.0.2.7", Prefix(ipv4=0), "0.0.0.0/0"),
        ],
    )
    def test_source_is_the_clients_network(self, host: str, prefix: Prefix, network: str) -> None:
        shown = self.from_host(host)
        assert self.key("source", shown=shown, source_prefix=prefix) == Key("source", network)

    def test_a_certificate_is_shown_only_where_tls_ends_here(self) -> None:
        kinds = ("certificate", "source")
        tls = TlsFacts("TLSv1.3", "", "", b"der", "thumb")
        assert self.key(*kinds) == Key("source", "192.0.2.7/32")
        assert self.key(*kinds, shown=attrs.evolve(SHOWN, tls=tls)) == Key("certificate", "thumb")
        bare = attrs.evolve(tls, certificate=b"", thumbprint="")
        shown = attrs.evolve(SHOWN, tls=bare)
        assert self.key(*kinds, shown=shown) == Key("source", "192.0.2.7/32")

    def test_without_a_hello_no_tls_session_is_resumed(self) -> None:
        assert self.key("tls-session", "source") == Key("source", "192.0.2.7/32")

    def test_a_unix_socket_has_no_source(self) -> None:
        shown = self.from_host("")
        assert self.key("source", shown=shown) is None
        assert self.key("source", "local-port", shown=shown) == Key("local-port", "3000")

    def test_proxy_is_only_what_a_header_says(self) -> None:
        proxied = Shown("c-1", Address("203.0.113.9", 1), SHOWN.local, Address("203.0.113.9", 1))
        kinds = ("proxy", "source")
        assert self.key(*kinds) == Key("source", "192.0.2.7/32")
        assert self.key(*kinds, shown=proxied) == Key("proxy", "203.0.113.9/32")
        wide = Prefix(ipv4=16)
        found = self.key(*kinds, shown=proxied, source_prefix=wide)
        assert found == Key("proxy", "203.0.0.0/16")

    def test_sni_is_the_name_in_its_one_form(self) -> None:
        assert self.key("sni", said=hello(server_names(b"A.Example."))) == Key("sni", "a.example")

    def test_sni_gives_way_where_no_name_is_shown(self) -> None:
        assert self.key("sni", "source", said=hello()) == Key("source", "192.0.2.7/32")
        assert self.key("sni", "source") == Key("source", "192.0.2.7/32")

    def test_alpn_and_sni_carry_a_session_where_a_pattern_says_so(self) -> None:
        patterns = Patterns(alpn="s/(?P<session>[a-z]+)", sni=r"(?P<session>[a-z]+)\.example")
        kinds = ("alpn", "sni", "source")
        said = hello(alpn(b"h2", b"s/alice"), server_names(b"bob.example"))
        assert self.key(*kinds, said=said, pattern=patterns) == Key("carried", "alice")
        said = hello(alpn(b"h2"), server_names(b"bob.example"))
        assert self.key(*kinds, said=said, pattern=patterns) == Key("carried", "bob")
        said = hello(alpn(b"h2"), server_names(b"x.bob.example"))
        assert self.key(*kinds, said=said, pattern=patterns) == Key("source", "192.0.2.7/32")

    def test_the_tls_session_to_be_resumed_is_its_ticket_or_else_its_id(self) -> None:
        ticket, id = extension(35, b"ticket"), b"i" * 32
        for shown, extensions, session_id in (
            (b"ticket", (ticket,), id),
            (id, (extension(35, b""),), id),
        ):
            said = record(message(*extensions, session_id=session_id))
            assert self.key("tls-session", said=said) == Key("tls-session", tls_session_key(shown))
        assert self.key("tls-session", said=hello()) is None

    def test_connection_makes_a_session_of_its_own(self) -> None:
        assert self.key("connection") == Key("connection", "c-1")

    def test_a_connection_that_shows_none_has_no_key(self) -> None:
        """The session rules refuse it as unkeyed; it is never sent to just any server."""
        assert self.key("proxy", "sni") is None

    def test_the_strongest_kind_shown_decides_alone(self) -> None:
        assert self.key("local-port", "source") == Key("local-port", "3000")
        assert self.key("source", "local-port") == Key("source", "192.0.2.7/32")

    def test_a_plugin_reads_its_own_kind(self) -> None:
        seen: list[tuple[Shown, ClientHello | None]] = []

        def nothing(shown: Shown, hello: ClientHello | None) -> None:
            seen.append((shown, hello))

        def badge(shown: Shown, hello: ClientHello | None) -> str:
            return "badge of " + shown.connection

        frontend, rule = Frontend("f", group="g"), group(key=("none", "badge", "source"))
        extra = {"badge": badge, "none": nothing}
        found = opening(frontend, rule, extra_keys=extra).take(b"")
        assert isinstance(found, Route)
        assert found.key == Key("badge", "badge of c-1")
        assert seen == [(SHOWN, None)]

    def test_every_kind_of_our_own_is_tested_here(self) -> None:
        assert set(KINDS) == {
            "connection",
            "tls-session",
            "source",
            "proxy",
            "sni",
            "certificate",
            "local-port",
        }


class TestOpeningLine:
    """The first line inside is a key: our own, or whatever a pattern finds."""

    LINE = b"LBP/1 data 17.1 token\r\n"
    GROUP = group(
        key=("opening", "source"),
        pattern=Patterns(opening=r"LBP/1 (?P<role>\S+) (?P<session>\S+) "),
        roles={"control": RoleRule(server_port=1), "data": RoleRule(server_port=2)},
    )

    def test_it_is_waited_for_and_tells_session_role_and_port(self) -> None:
        talk = opening(Frontend("f", group="g"), self.GROUP)
        assert {talk.take(bytes([byte])) for byte in self.LINE[:-1]} == {MORE}
        found = talk.take(self.LINE[-1:])
        assert isinstance(found, Route)
        assert (found.key, found.role, found.port) == (Key("carried", "17.1"), "data", 2)

    def test_inside_tls_that_ends_here_too(self) -> None:
        frontend = Frontend("f", group="g", tls=FrontendTls("terminate"))
        talk = opening(frontend, self.GROUP)
        assert isinstance(talk.take(hello()), StartTls)
        talk.secured(TlsFacts("TLSv1.3", "", ""))
        assert talk.take(b"") is MORE
        found = talk.take(self.LINE)
        assert isinstance(found, Route)
        assert found.key == Key("carried", "17.1")

    @pytest.mark.parametrize("said", [b"LBP/1 web 17.1 token\r\n", b"220 hello\r\n"])
    def test_a_role_that_the_group_has_not_leads_nowhere(self, said: bytes) -> None:
        refusal = opening(Frontend("f", group="g"), self.GROUP).take(said)
        assert isinstance(refusal, Refuse)
        assert refusal.word == "no-route"

    def test_who_says_nothing_is_known_by_a_weaker_key(self) -> None:
        weak = attrs.evolve(self.GROUP, pattern=Patterns(opening="(?P<session>x)"))
        talk = opening(Frontend("f", group="g", role="data"), weak)
        assert talk.take(b"") is MORE
        found = talk.silence()
        assert isinstance(found, Route)
        assert (found.key, found.role) == (Key("source", "192.0.2.7/32"), "data")


class TestPort:
    """The port to dial is the role's."""

    def port(self, rules: dict[str, RoleRule], role: str, local: int, listen: Sequence[int]) -> int:
        ends = tuple(Address("*", each) for each in listen)
        shown = Shown("c-1", SHOWN.client, Address("198.51.100.1", local))
        frontend = Frontend("f", group="g", role=role, listen=ends)
        return route(frontend, group(roles=rules), shown=shown).port

    def test_the_same_as_the_client_hit(self) -> None:
        assert self.port({"data": RoleRule()}, "data", 3001, [3000, 3001]) == 3001

    def test_a_port_of_its_own(self) -> None:
        assert self.port({"data": RoleRule(server_port=2121)}, "data", 21, [21]) == 2121

    def test_a_range_goes_one_to_one(self) -> None:
        rules = {"data": RoleRule(server_port=(5000, 5002))}
        listen = [31002, 31000, 31001]
        assert [self.port(rules, "data", each, listen) for each in listen] == [5002, 5000, 5001]

    def test_a_role_without_a_rule_goes_by_any(self) -> None:
        rules = {"any": RoleRule(server_port=9), "control": RoleRule(server_port=8)}
        assert self.port(rules, "data", 21, [21]) == 9
        assert self.port(rules, "control", 21, [21]) == 8
        assert self.port({"control": RoleRule(server_port=8)}, "data", 21, [21]) == 21


class TestPassThrough:
    """Routes by what the ClientHello shows."""

    GROUPS = tuple(map(group, ("default", "exact", "wild", "ftp", "rest")))

    def verdict(self, frontend: Frontend, *extensions: bytes) -> Verdict:
        return opening(frontend, *self.GROUPS).take(hello(*extensions))

    def led(self, frontend: Frontend, name: bytes, *protocols: bytes) -> str:
        """The group, or the description in the alert."""
        found = self.verdict(
            frontend, server_names(name), *([alpn(*protocols)] if protocols else [])
        )
        if isinstance(found, Refuse):
            assert found.word == "no-route"
            assert found.last_words == alert(found.last_words[-1])
            return str(found.last_words[-1])
        assert isinstance(found, Route)
        assert found.name == name.decode().lower()
        return found.group

    def test_nothing_is_decided_before_the_hello_is_whole(self) -> None:
        """Matching on names implies the wait (T25)."""
        said = hello(server_names(b"a.example"))
        talk = opening(passing(SniRoute("exact", ("a.example",)), default="default"), *self.GROUPS)
        assert talk.take(b"") is MORE
        for position in range(len(said) - 1):
            assert talk.take(said[position : position + 1]) is MORE
        found = talk.take(said[-1:] + b"more")
        assert isinstance(found, Route)
        assert (found.group, found.name, found.replay) == ("exact", "a.example", b"")

    @given(st.lists(st.integers(0, 120)))
    def test_the_segments_do_not_matter(self, cuts: list[int]) -> None:
        said = hello(server_names(b"a.example"), alpn(b"ftp"))
        talk = opening(passing(SniRoute("exact", ("a.example",))), *self.GROUPS)
        edges = [0, *sorted(min(cut, len(said)) for cut in cuts), len(said)]
        verdicts: list[Verdict] = [MORE]
        for start, end in pairwise(edges):
            if verdicts[-1] is MORE:
                verdicts.append(talk.take(said[start:end]))
        assert isinstance(verdicts[-1], Route)
        assert set(verdicts[:-1]) <= {MORE}

    def test_a_name_goes_before_its_wildcard_and_that_before_the_rest(self) -> None:
        """Whatever their order in the file."""
        routes = (
            SniRoute("rest"),
            SniRoute("wild", ("*.example",)),
            SniRoute("exact", ("b.example", "a.example")),
        )
        for frontend in (passing(*routes), passing(*reversed(routes))):
            assert self.led(frontend, b"a.example") == "exact"
            assert self.led(frontend, b"c.example") == "wild"
            assert self.led(frontend, b"a.other") == "rest"

    def test_a_wildcard_is_exactly_one_label(self) -> None:
        routes = SniRoute("wild", ("*.example",)), SniRoute("exact", ("*.a.example",))
        frontend = passing(*routes, default="default")
        assert self.led(frontend, b"a.example") == "wild"
        assert self.led(frontend, b"b.a.example") == "exact"
        for name in (b"example", b"c.b.a.example", b"aexample", b"localhost"):
            assert self.led(frontend, name) == "default"

    def test_case_does_not_matter(self) -> None:
        assert self.led(passing(SniRoute("exact", ("a.example",))), b"A.EXAMPLE") == "exact"

    def test_among_equals_the_first_in_the_file_decides(self) -> None:
        routes = SniRoute("exact", ("a.example",)), SniRoute("wild", ("a.example",))
        assert self.led(passing(*routes), b"a.example") == "exact"

    def test_a_protocol_tells_two_routes_of_a_name_apart(self) -> None:
        routes = (
            SniRoute("ftp", ("a.example",), ("ftp", "x-gw")),
            SniRoute("exact", ("a.example",), ("h2",)),
            SniRoute("rest", ("*.example",)),
        )
        frontend = passing(*routes)
        assert self.led(frontend, b"a.example", b"http/1.1", b"x-gw") == "ftp"
        assert self.led(frontend, b"a.example", b"h2") == "exact"
        assert self.led(frontend, b"a.example", b"spdy") == "rest"
        assert self.led(frontend, b"a.example", b"\xff\x00") == "rest"
        assert self.led(frontend, b"a.example") == "rest"

    def test_a_name_without_a_route_is_told_so(self) -> None:
        """Never sent to a default that nobody configured."""
        frontend = passing(SniRoute("exact", ("a.example",)))
        assert self.led(frontend, b"b.example") == str(UNRECOGNIZED_NAME)

    def test_a_name_whose_protocols_do_not_fit_is_told_so(self) -> None:
        frontend = passing(SniRoute("exact", ("a.example",), ("ftp",)))
        assert self.led(frontend, b"a.example", b"h2") == str(NO_APPLICATION_PROTOCOL)
        assert self.led(frontend, b"a.example") == str(NO_APPLICATION_PROTOCOL)
        assert self.led(frontend, b"b.example", b"ftp") == str(UNRECOGNIZED_NAME)

    def test_a_configured_default_takes_what_fits_no_route(self) -> None:
        frontend = passing(SniRoute("exact", ("a.example",), ("ftp",)), default="default")
        assert self.led(frontend, b"a.example", b"h2") == "default"
        assert self.led(frontend, b"b.example") == "default"

    @pytest.mark.parametrize("said", [hello(), hello(server_names(b"192.0.2.1")), ssl2_hello()])
    def test_a_client_without_a_name_takes_a_route_without_names_or_the_default(
        self, said: bytes
    ) -> None:
        """Old Java (T39), addresses as names, and clients that show none."""
        named = SniRoute("exact", ("a.example",))
        for frontend, led in (
            (passing(named, SniRoute("rest")), "rest"),
            (passing(named, default="default"), "default"),
        ):
            found = opening(frontend, *self.GROUPS).take(said)
            assert isinstance(found, Route)
            assert (found.group, found.name) == (led, "")
        refusal = opening(passing(named), *self.GROUPS).take(said)
        assert isinstance(refusal, Refuse)
        assert refusal.last_words == alert(UNRECOGNIZED_NAME)

    def test_garbage_is_refused_at_its_first_byte_in_silence(self) -> None:
        refusal = opening(passing(default="default"), *self.GROUPS).take(b"G")
        assert isinstance(refusal, Refuse)
        assert (refusal.word, refusal.last_words) == ("wire-error", b"")
        assert refusal.detail

    def test_broken_tls_is_refused_with_an_alert(self) -> None:
        refusal = self.verdict(passing(default="default"), server_names(b"a", b"b"))
        assert isinstance(refusal, Refuse)
        assert (refusal.word, refusal.last_words) == ("wire-error", alert(DECODE_ERROR))
        assert refusal.detail == "TLS: two server names"

    def test_silence_has_its_word(self) -> None:
        talk = opening(passing(default="default"), *self.GROUPS)
        assert talk.take(b"\x16\x03") is MORE
        refusal = talk.silence()
        assert (refusal.word, refusal.last_words) == ("too-slow", b"")
        assert refusal.word in ENDINGS


class TestTermination:
    """TLS that ends here is led by the ClientHello, too, before the handshake begins."""

    NAMES = (("a.example",), ("*.b.example", "c.example"), ("x.b.example",))
    INSIDE = TlsFacts("TLSv1.3", "a.example", "", b"der", "thumb")

    def opening(self, *routes: SniRoute, default: str = "g", **tls: object) -> Dialogue:
        ends = FrontendTls("terminate", **tls)  # type: ignore[arg-type]
        frontend = Frontend("f", routes=routes, group=default, tls=ends)
        groups = {"g": group(key=("certificate",)), "named": group("named")}
        return dialogue(frontend, groups, SHOWN, {}, self.NAMES)

    @pytest.mark.parametrize(
        ("name", "certificate"),
        [
            (b"a.example", 0),
            (b"C.Example", 1),
            (b"y.b.example", 1),
            (b"x.b.example", 2),
            (b"z.y.b.example", 0),
            (b"stranger.example", 0),
        ],
    )
    def test_the_certificate_that_carries_the_name_is_shown_or_the_first(
        self, name: bytes, certificate: int
    ) -> None:
        assert self.opening().take(hello(server_names(name))) == StartTls(certificate)

    def test_a_client_without_a_name_is_shown_the_first(self) -> None:
        assert self.opening().take(hello()) == StartTls(0)

    def test_strict_sni_refuses_who_asks_for_no_name_of_ours(self) -> None:
        for said in (hello(), hello(server_names(b"stranger.example"))):
            refusal = self.opening(strict_sni=True).take(said)
            assert isinstance(refusal, Refuse)
            assert (refusal.word, refusal.last_words) == ("no-route", alert(UNRECOGNIZED_NAME))
        asked = hello(server_names(b"c.example"))
        assert self.opening(strict_sni=True).take(asked) == StartTls(1)

    def test_once_tls_stands_the_route_is_known(self) -> None:
        talk = self.opening()
        said = hello(server_names(b"a.example"))
        assert talk.take(said[:20]) is MORE
        assert talk.take(said[20:]) == StartTls(0)
        talk.secured(self.INSIDE)
        route = Route("g", "any", Key("certificate", "thumb"), 3000, "a.example")
        assert talk.take(b"") == route

    def test_what_is_said_inside_is_a_key_and_silence_there_has_its_own_answer(self) -> None:
        ends = FrontendTls("terminate")
        frontend = Frontend("f", group="g", tls=ends)
        pattern = Patterns(opening=r"HI (?P<session>\S+)\r\n")
        groups = {"g": group(key=("opening", "sni"), pattern=pattern)}
        for said, key in ((b"HI joe\r\n", Key("carried", "joe")), (b"", Key("sni", "a.example"))):
            talk = dialogue(frontend, groups, SHOWN, {}, self.NAMES)
            assert talk.take(hello(server_names(b"a.example"))) == StartTls(0)
            talk.secured(self.INSIDE)
            verdict = talk.take(said)
            led = talk.silence() if verdict is MORE else verdict
            assert isinstance(led, Route) and led.key == key
        talk = dialogue(frontend, groups, SHOWN, {}, self.NAMES)
        talk.take(hello(server_names(b"a.example")))
        talk.secured(self.INSIDE)
        assert talk.take(b"HI jo") is MORE
        refusal = talk.silence()
        assert isinstance(refusal, Refuse) and refusal.word == "unkeyed"

    def test_a_role_that_is_carried_stays_in_its_range_of_ports(self) -> None:
        listen = tuple(Address("203.0.113.9", 3000 + n) for n in range(3))
        frontend = Frontend("f", listen=listen, group="g", tls=FrontendTls("terminate"))
        pattern = Patterns(opening=r"(?P<role>\S+) (?P<session>\S+)\n")
        roles = {"control": RoleRule(True, 21), "data": RoleRule(server_port=(4000, 4001))}
        groups = {"g": group(key=("opening",), pattern=pattern, roles=roles)}
        led: list[object] = []
        for each in listen:
            shown = attrs.evolve(SHOWN, local=each)
            talk = dialogue(frontend, groups, shown, {}, self.NAMES)
            talk.take(hello(server_names(b"a.example")))
            talk.secured(self.INSIDE)
            verdict = talk.take(b"data joe\n")
            led.append(verdict.port if isinstance(verdict, Route) else verdict.word)
        assert led == [4000, 4001, "no-route"]

    def test_a_name_that_leads_nowhere_sees_no_certificate(self) -> None:
        routes = (SniRoute("named", ("a.example",), ("ftp",)),)
        refusal = self.opening(*routes, default="").take(hello(server_names(b"c.example")))
        assert isinstance(refusal, Refuse)
        assert refusal.last_words == alert(UNRECOGNIZED_NAME)
        talk = self.opening(*routes, default="")
        assert talk.take(hello(server_names(b"a.example"), alpn(b"ftp"))) == StartTls(0)
        talk.secured(self.INSIDE)
        led = talk.take(b"early")
        assert isinstance(led, Route) and led.group == "named"

    def test_garbage_is_refused_as_in_pass_mode(self) -> None:
        refusal = self.opening().take(b"USER joe\r\n")
        assert isinstance(refusal, Refuse) and refusal.word == "wire-error"

    def test_silence_says_what_was_missing(self) -> None:
        talk = self.opening()
        assert talk.silence() == Refuse("too-slow", detail="no whole ClientHello")
        talk.take(hello())
        assert talk.silence() == Refuse("too-slow", detail="no TLS handshake")

    @pytest.mark.parametrize("frontend", [Frontend("f", group="g"), passing(default="g")])
    def test_who_asked_for_no_tls_is_told_of_none(self, frontend: Frontend) -> None:
        with pytest.raises(AssertionError):
            opening(frontend).secured(self.INSIDE)


def test_an_answer_is_a_value_for_dialogues_that_speak() -> None:
    """None does yet; the seam is what `connection` is written against."""
    assert Answer(b"220 ready\r\n").data == b"220 ready\r\n"
