"""TLS over Ends: both sides in memory, every byte handed over by the test."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.fakes import Ears, Wire
from twisted_lb.ends import End
from twisted_lb.errors import Ended
from twisted_lb.secure import dial_tls, leave_tls, serve_tls
from twisted_lb.terms import TlsFacts
from twisted_lb.tls import ClientContext, ClientHandshake, Identity, LookingContext, ServerContext
from twisted_lb.tls.versions import minimum_of

from .certificates import Authority, self_signed

AUTHORITY = Authority()
FRONT = AUTHORITY.sign("front.example")
IDENTITY = Identity.of(FRONT, FRONT, "front.pem")
TRUST = ClientContext(AUTHORITY.pem)
ALONE = self_signed("anybody")
SELF = Identity.of(ALONE, ALONE, "alone.pem")


class Pair:
    """A client's End and a server's, and what became of their handshakes."""

    def __init__(
        self,
        client: ClientContext = TRUST,
        server: ServerContext | None = None,
        name: str = "front.example",
    ) -> None:
        self.clock = Clock()
        self.client, self.server = Wire(), Wire()
        self.dialled = outcome(
            dial_tls(self.client.end, ClientHandshake(client, name), 5.0, self.clock)
        )
        self._context = server or ServerContext(IDENTITY)

    def shake(self) -> Pair:
        """Start the server's side and carry all there is."""
        serving = serve_tls(self.server.end, self._context, 5.0, self.clock)
        self.served = outcome(serving)
        self.carry()
        return self

    def carry(self) -> None:
        """Hand over every byte until both are silent."""
        for _ in range(20):
            self.clock.advance(0)
            for one, other in ((self.client, self.server), (self.server, self.client)):
                if said := one.transport.value():
                    one.transport.clear()
                    other.says(said)
        for wire in (self.client, self.server):
            if wire.endings and not wire.transport.gone:
                wire.goes()


def outcome(doing: Coroutine[Any, Any, TlsFacts]) -> list[TlsFacts | Ended]:
    """What it came to, when it did."""
    came: list[TlsFacts | Ended] = []
    done: Deferred[TlsFacts] = Deferred.fromCoroutine(doing)

    def failed(failure: Failure) -> None:
        why = failure.value
        assert isinstance(why, Ended), why
        came.append(why)

    done.addCallbacks(came.append, failed)
    return came


def word(came: list[TlsFacts | Ended]) -> str:
    (why,) = came
    assert isinstance(why, Ended), why
    return why.word


class TestHandshake:
    def test_both_sides_learn_who_is_there(self) -> None:
        pair = Pair().shake()
        (client,), (server,) = pair.dialled, pair.served
        assert isinstance(client, TlsFacts)
        assert isinstance(server, TlsFacts)
        assert client.version == server.version == "TLSv1.3"
        assert server.server_name == "front.example"
        assert client.certificate == load_pem_x509_certificate(FRONT).public_bytes(Encoding.DER)
        assert server.certificate == b""
        assert pair.client.end.tls is client
        assert pair.server.end.tls is server

    @pytest.mark.parametrize("version", ["1.0", "1.1"])
    def test_peers_of_long_ago_are_spoken_to_where_that_is_asked_for(self, version: str) -> None:
        """T74: on either side; else they are refused."""
        old = LookingContext(AUTHORITY.pem, only=version)
        pair = Pair(old, ServerContext(IDENTITY, minimum=version)).shake()
        (facts,) = pair.served
        assert isinstance(facts, TlsFacts)
        assert facts.version == {"1.0": "TLSv1", "1.1": "TLSv1.1"}[version]
        assert word(Pair(old, ServerContext(IDENTITY)).shake().served) == "tls-failed"
        aged = ServerContext(IDENTITY, minimum=version)
        aged._context.set_max_proto_version(minimum_of(version))
        (facts,) = Pair(ClientContext(AUTHORITY.pem, minimum=version), aged).shake().dialled
        assert isinstance(facts, TlsFacts)

    def test_ciphers_without_forward_secrecy_and_authentication_only_where_asked_for(self) -> None:
        old = LookingContext(AUTHORITY.pem, only="1.2")
        old._context.set_cipher_list(b"ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:AES128-SHA")
        assert word(Pair(old, ServerContext(IDENTITY)).shake().served) == "tls-failed"
        (facts,) = Pair(old, ServerContext(IDENTITY, ciphers="DEFAULT")).shake().served
        assert isinstance(facts, TlsFacts)
        assert facts.cipher.endswith("AES128-SHA")

    def test_plaintext_flows_both_ways_and_nothing_of_it_is_seen_outside(self) -> None:
        pair, ears = Pair().shake(), Ears()
        pair.server.end.give(ears)
        pair.client.end.write(b"hello inside")
        pair.clock.advance(0)
        assert b"hello" not in pair.client.transport.value()
        pair.carry()
        assert ears.log == [b"hello inside"]

    def test_a_hello_that_is_held_already_goes_into_the_handshake(self) -> None:
        """A PROXY header and the ClientHello may come in one segment."""
        pair = Pair()
        hello = pair.client.transport.value()
        pair.client.transport.clear()
        pair.server.says(b"PROXY" + hello)
        pair.server.end.consume(5)
        pair.shake()
        assert isinstance(pair.served[0], TlsFacts)

    def test_plaintext_that_comes_with_the_handshake_is_held_for_the_receiver(self) -> None:
        pair, ears = Pair().shake(), Ears()
        pair.client.end.write(b"early")
        pair.carry()
        assert bytes(pair.server.end.held) == b"early"
        pair.server.end.give(ears)
        assert ears.log == [b"early"]

    def test_alpn_takes_the_servers_first_choice_of_what_is_offered(self) -> None:
        pair = Pair(
            ClientContext(AUTHORITY.pem, alpn=("lb-session/00ff", "lb-proxy/1")),
            ServerContext(IDENTITY, alpn=("other/1", "lb-proxy/1")),
        ).shake()
        assert [came.alpn for came in (*pair.dialled, *pair.served)] == ["lb-proxy/1"] * 2  # type: ignore[union-attr]

    def test_a_server_is_told_all_that_was_offered(self) -> None:
        names = ("lb-session/00ff", "lb-proxy/1")
        contexts = ClientContext(AUTHORITY.pem, alpn=names), ServerContext(IDENTITY, alpn=names[1:])
        [served] = Pair(*contexts).shake().served
        assert isinstance(served, TlsFacts) and served.offered == names
        [served] = Pair(TRUST, contexts[1]).shake().served
        assert isinstance(served, TlsFacts) and served.offered == ()

    def test_a_client_of_another_protocol_is_refused(self) -> None:
        """Attack 4 (ALPACA): a browser's h2 does not get to speak to us."""
        pair = Pair(
            ClientContext(AUTHORITY.pem, alpn=("h2",)), ServerContext(IDENTITY, alpn=("ftp",))
        ).shake()
        assert word(pair.served) == "tls-failed"

    def test_a_client_that_offers_names_without_end_is_refused(self) -> None:
        """They are kept as long as its connection: a buffer, and so it has a cap."""
        names = (*(f"{n:0200}" for n in range(21)), "ftp")
        contexts = ClientContext(AUTHORITY.pem, alpn=names), ServerContext(IDENTITY, alpn=("ftp",))
        assert word(Pair(*contexts).shake().served) == "tls-failed"


class TestClientCertificates:
    def shown(self, server: ServerContext, *, identity: Identity | None = SELF) -> Pair:
        return Pair(ClientContext(AUTHORITY.pem, identity=identity), server).shake()

    def test_anybodys_is_taken_and_told_by_its_thumbprint(self) -> None:
        pair = self.shown(ServerContext(IDENTITY, clients="any"))
        (server,) = pair.served
        assert isinstance(server, TlsFacts)
        assert server.certificate == SELF.chain[0].public_bytes(Encoding.DER)
        assert len(server.thumbprint) == 43

    def test_nobodys_is_taken_too_where_anybodys_is(self) -> None:
        (server,) = self.shown(ServerContext(IDENTITY, clients="any"), identity=None).served
        assert isinstance(server, TlsFacts)
        assert server.thumbprint == ""

    @pytest.mark.parametrize("mode", ["optional", "required"])
    def test_one_that_nobody_vouches_for_is_refused(self, mode: Any) -> None:
        pair = self.shown(ServerContext(IDENTITY, clients=mode, ca=AUTHORITY.pem))
        assert word(pair.served) == "tls-failed"

    def test_none_is_refused_where_it_is_required(self) -> None:
        context = ServerContext(IDENTITY, clients="required", ca=AUTHORITY.pem)
        assert word(self.shown(context, identity=None).served) == "tls-failed"

    def test_a_trusted_one_is_taken_where_it_is_required(self) -> None:
        own = AUTHORITY.sign("client")
        context = ServerContext(IDENTITY, clients="required", ca=AUTHORITY.pem)
        pair = self.shown(context, identity=Identity.of(own, own, "own"))
        assert isinstance(pair.served[0], TlsFacts)

    def test_without_authorities_there_is_nobody_to_trust(self) -> None:
        with pytest.raises(ValueError, match="name the authorities"):
            ServerContext(IDENTITY, clients="required")


class TestFailures:
    def test_a_server_of_another_name_is_an_identity_mismatch(self) -> None:
        pair = Pair(name="other.example").shake()
        assert word(pair.dialled) == "identity-mismatch"

    def test_a_server_that_nobody_vouches_for_has_failed_and_why_is_told(self) -> None:
        pair = Pair(server=ServerContext(SELF)).shake()
        assert word(pair.dialled) == "tls-failed"
        assert "not trusted" in str(pair.dialled[0])

    def test_noise_is_no_handshake(self) -> None:
        pair = Pair()
        pair.client.transport.clear()
        pair.shake()
        pair.server.says(b"SSH-2.0-OpenSSH_9.2\r\n")
        pair.carry()
        assert word(pair.served) == "tls-failed"

    @pytest.mark.parametrize(
        ("side", "said"), [("client", "server-closed"), ("server", "client-left")]
    )
    def test_who_goes_during_the_handshake_has_left(self, side: str, said: str) -> None:
        pair = Pair()
        pair.served = outcome(serve_tls(pair.server.end, ServerContext(IDENTITY), 5, pair.clock))
        wire: Wire = getattr(pair, side)
        wire.goes(clean=False)
        assert word(pair.dialled if side == "client" else pair.served) == said

    def test_a_handshake_has_a_deadline(self) -> None:
        pair = Pair()
        pair.clock.advance(5.0)
        assert word(pair.dialled) == "too-slow"


class TestEnding:
    def ended(self, do: Callable[[End], None]) -> Ears:
        pair, ears = Pair().shake(), Ears()
        pair.server.end.give(ears)
        pair.client.end.write(b"all of it")
        do(pair.client.end)
        pair.carry()
        return ears

    @pytest.mark.parametrize("how", [End.finish, End.close])
    def test_an_orderly_end_says_so_before_the_connection_closes(
        self, how: Callable[[End], None]
    ) -> None:
        """T68: close_notify goes before FIN."""
        assert self.ended(how).log == [b"all of it", "lost"]

    def test_a_fin_without_close_notify_is_no_orderly_end(self) -> None:
        """T68: whoever cuts the connection cannot pass off a part as the whole."""
        pair, ears = Pair().shake(), Ears()
        pair.server.end.give(ears)
        pair.client.end.write(b"a part")
        pair.carry()
        pair.server.shuts()
        assert pair.server.endings == ["close"]
        pair.server.goes()
        assert ears.log == [b"a part", "reset"]

    def test_what_is_written_before_the_close_is_sent(self) -> None:
        assert self.ended(End.close).log[0] == b"all of it"


class TestLeaving:
    """T61: close_notify each way, then the clear on the same connection."""

    @pytest.fixture
    def left(self) -> tuple[Pair, Ears]:
        """A client in TLS that was told something, and whom the server leaves it with."""
        pair, ears = Pair().shake(), Ears()
        pair.server.end.give(ears)
        pair.server.end.write(b"200 ok")
        leave_tls(pair.server.end)
        pair.server.end.write(b"220 clear")
        return pair, ears

    def test_what_was_said_before_is_protected_and_what_follows_is_not(
        self, left: tuple[Pair, Ears]
    ) -> None:
        pair, _ = left
        said = pair.server.transport.value()
        assert b"200 ok" not in said
        assert said.endswith(b"220 clear")

    @pytest.mark.parametrize("cut", [False, True], ids=["at once", "byte by byte"])
    def test_the_client_says_close_notify_and_goes_on(
        self, left: tuple[Pair, Ears], cut: bool
    ) -> None:
        """What it said under TLS before is heard, too."""
        pair, ears = left
        pair.client.end.write(b"NOOP ")
        pair.client.end.transport.loseConnection()
        pair.clock.advance(0)
        said = pair.client.transport.value() + b"PWD"
        for piece in [bytes([byte]) for byte in said] if cut else [said]:
            pair.server.says(piece)
        assert b"".join(each for each in ears.log if isinstance(each, bytes)) == b"NOOP PWD"
        pair.server.says(b"QUIT")
        assert ears.log[-1] == b"QUIT"
        pair.server.goes()
        assert ears.log[-1] == "lost"

    def test_a_client_without_a_close_notify_goes_on_at_once(self, left: tuple[Pair, Ears]) -> None:
        """curl's passive way."""
        pair, ears = left
        pair.server.says(b"PWD")
        assert ears.log == [b"PWD"]

    @pytest.mark.parametrize(
        "noise", [b"\x17\x03\x03\x00\x20" + bytes(32), b"\x17\x03\x03\xff\xff"]
    )
    def test_records_of_another_connection_end_it(
        self, left: tuple[Pair, Ears], noise: bytes
    ) -> None:
        pair, _ = left
        pair.server.says(noise)
        assert pair.server.endings == ["abort"]

    def test_who_leaves_instead_is_lost(self, left: tuple[Pair, Ears]) -> None:
        pair, ears = left
        pair.server.goes(clean=False)
        assert ears.log == ["reset"]

    def test_tls_may_begin_anew(self, left: tuple[Pair, Ears]) -> None:
        pair, ears = left
        pair.server.says(b"AUTH")
        pair.server.end.take_back()
        again = Pair()
        pair.server.transport.clear()
        again.server = pair.server
        again.shake()
        assert isinstance(again.served[0], TlsFacts)
        again.server.end.give(ears)
        again.client.end.write(b"inside")
        again.carry()
        assert ears.log[-1] == b"inside"
