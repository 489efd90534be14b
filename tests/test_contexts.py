"""Certificates and keys of the settings: read once, and every fault is told with its file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path as FilePath
from typing import Any

import attrs
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from twisted_lb.config.document import Document, WrittenFrontend
from twisted_lb.config.locate import Path
from twisted_lb.config.meaning import Meaning
from twisted_lb.config.settings import (
    Backend,
    BackendTls,
    Check,
    Frontend,
    FrontendTls,
    Live,
    ServerRule,
    Settings,
    ShownCertificate,
)
from twisted_lb.contexts import client_tls, faults, server_tls, surprises, unreadable
from twisted_lb.terms import TlsFacts
from twisted_lb.tls import ClientContext, Identity, LookingContext, ServerContext

from .certificates import NOW, Authority, self_signed, written
from .test_secure import Pair, word

AUTHORITY = Authority()
SERVERS = (ServerRule("a", "10.0.0.1"),)


def backend(mode: Any = "on", name: str = "pool", **tls: str) -> Backend:
    return Backend(name, SERVERS, tls=BackendTls(mode, **tls))  # type: ignore[arg-type]


def frontend(mode: Any = "terminate", name: str = "in", **tls: Any) -> Frontend:
    return Frontend(name, tls=FrontendTls(mode, **tls))


def meaning(*backends: Backend, frontends: tuple[Frontend, ...] = ()) -> Meaning:
    written = (WrittenFrontend(each.name, tls=each.tls) for each in frontends)
    return Meaning.of(Document(tuple(written), {}, backends))


def told(*backends: Backend, frontends: tuple[Frontend, ...] = ()) -> list[tuple[Path, str]]:
    return [(one.path, one.message) for one in faults(meaning(*backends, frontends=frontends))]


def test_each_certificate_has_its_context_and_the_names_that_it_is_for(tmp_path: FilePath) -> None:
    first = written(AUTHORITY.sign("Front.example", "192.0.2.1"), tmp_path / "first.pem")
    second = written(AUTHORITY.sign("*.example"), tmp_path / "second.pem")
    nobody = written(AUTHORITY.sign(), tmp_path / "nobody.pem")
    files = (ShownCertificate(first), ShownCertificate(second, second), ShownCertificate(nobody))
    tls = client_tls(frontend(certificates=files))
    assert tls is not None
    assert tls.names == (("front.example", "192.0.2.1"), ("*.example",), ())
    assert len(set(tls.contexts)) == 3


def test_a_frontend_that_ends_no_tls_shows_nothing() -> None:
    assert client_tls(frontend("pass")) is None


def test_faults_of_frontends_are_told_with_those_of_backends(tmp_path: FilePath) -> None:
    """Each certificate's by itself."""
    good = written(self_signed("lb.example"), tmp_path / "good.pem")
    ca = written(AUTHORITY.pem, tmp_path / "ca.pem")
    empty = written(b"nothing\n", tmp_path / "empty.pem")
    shown = (ShownCertificate(good), ShownCertificate(empty), ShownCertificate(empty, good))
    fine = frontend(certificates=shown[:1], clients="required", ca=ca)
    wrong = frontend(certificates=shown, clients="required", ca=empty)
    found = told(backend(ca=empty), frontends=(fine, wrong, frontend("pass", ca=empty)))
    assert [path for path, _ in found] == [
        ("frontend", 1, "tls", "certificate", 1),
        ("frontend", 1, "tls", "certificate", 2),
        ("frontend", 1, "tls", "ca"),
        ("backend", 0, "tls", "ca"),
    ]
    messages = [message for _, message in found]
    assert messages[0].startswith(f"{empty}: no certificate in PEM form: ")
    assert messages[1].startswith(f"{empty} and {good}: no certificate in PEM form: ")
    assert all(each.startswith(f"{empty}: no certificates in PEM form") for each in messages[2:])


def test_tls_that_begins_within_ftp_is_tried_before_the_start_too(tmp_path: FilePath) -> None:
    empty = written(b"nothing\n", tmp_path / "empty.pem")
    explicit = frontend("starttls", certificates=(ShownCertificate(empty),))
    found = told(backend("starttls", ca=empty), backend("match", ca=empty), frontends=(explicit,))
    assert [path for path, _ in found] == [
        ("frontend", 0, "tls", "certificate", 0),
        ("backend", 0, "tls", "ca"),
        ("backend", 1, "tls", "ca"),
    ]


def test_ciphers_are_those_that_are_written_and_there_must_be_some(tmp_path: FilePath) -> None:
    pem, only = written(self_signed("lb.example"), tmp_path / "a.pem"), "ECDHE-ECDSA-AES128-SHA"
    shown = (ShownCertificate(pem),)
    client = client_tls(frontend(certificates=shown, ciphers=only))
    server = server_tls(backend(ciphers=only))
    assert client is not None
    assert server is not None
    for context in (client.contexts[0], server.context):
        ciphers = context.connection().get_cipher_list()
        assert [name for name in ciphers if not name.startswith("TLS_")] == [only]
    nothing = frontend(certificates=shown, ciphers="ROT13")
    message = "ROT13: OpenSSL knows no cipher by this list"
    assert told(backend(ciphers="ROT13"), frontends=(nothing,)) == [
        (("frontend", 0, "tls", "ciphers"), message),
        (("backend", 0, "tls", "ciphers"), message),
    ]


@pytest.fixture
def shown(tmp_path: FilePath) -> tuple[ShownCertificate, ...]:
    """A certificate, and its key in a file of its own."""
    pem = AUTHORITY.sign("front.example")
    at = pem.index(b"-----BEGIN CERTIFICATE")
    key = written(pem[:at], tmp_path / "front.key")
    return (ShownCertificate(written(pem[at:], tmp_path / "front.pem"), key),)


def serving(frontend: Frontend) -> ServerContext:
    """What its clients are shown."""
    tls = client_tls(frontend)
    assert tls is not None
    return tls.contexts[0]


def dialling(backend: Backend) -> ClientContext:
    """How its servers are spoken to."""
    tls = server_tls(backend)
    assert tls is not None
    return tls.context


def test_a_frontend_s_oldest_version_holds(shown: tuple[ShownCertificate, ...]) -> None:
    client = LookingContext(AUTHORITY.pem, only="1.2")
    today, strict = (
        Pair(client, serving(frontend(certificates=shown, minimum=version))).shake().served
        for version in ("1.2", "1.3")
    )
    assert isinstance(today[0], TlsFacts)
    assert word(strict) == "tls-failed"


def test_a_frontend_s_protocols_hold(shown: tuple[ShownCertificate, ...]) -> None:
    """Attack 4."""
    ours = serving(frontend(certificates=shown, alpn=("lb-proxy/1",)))
    right, wrong = (
        Pair(LookingContext(AUTHORITY.pem, alpn=(name,)), ours).shake().served
        for name in ("lb-proxy/1", "http/1.1")
    )
    assert isinstance(right[0], TlsFacts)
    assert right[0].alpn == "lb-proxy/1"
    assert word(wrong) == "tls-failed"


def test_a_backend_s_oldest_version_and_protocols_hold(tmp_path: FilePath) -> None:
    ca = written(AUTHORITY.pem, tmp_path / "ca.pem")
    identity = Identity.of(*[AUTHORITY.sign("front.example")] * 2, "front.pem")
    old = ServerContext(identity, alpn=("ftp",))
    old._context.set_max_proto_version(SSL.TLS1_2_VERSION)
    today, strict = (
        Pair(dialling(backend(ca=ca, minimum=version, alpn=("ftp",))), old).shake().dialled  # type: ignore[arg-type]
        for version in ("1.2", "1.3")
    )
    assert isinstance(today[0], TlsFacts)
    assert today[0].alpn == "ftp"
    assert word(strict) == "tls-failed"


def test_nobody_renegotiates(shown: tuple[ShownCertificate, ...]) -> None:
    """RFC 5746: a client that asks for it again hears no."""
    server = serving(frontend(certificates=shown)).connection()
    client = LookingContext(AUTHORITY.pem, only="1.2").connection()
    server.set_accept_state()
    client.set_connect_state()

    def talk() -> None:
        for _ in range(4):
            for one, other in ((client, server), (server, client)):
                with suppress(SSL.WantReadError):
                    one.do_handshake()
                    one.recv(1)
                with suppress(SSL.WantReadError):
                    other.bio_write(one.bio_read(1 << 16))

    talk()
    assert client.get_cipher_name()
    assert client.renegotiate()
    with pytest.raises(SSL.Error, match="no renegotiation"):
        talk()


def test_authorities_for_checks_and_visits_are_tried_too(tmp_path: FilePath) -> None:
    empty = written(b"nothing\n", tmp_path / "empty.pem")
    pool = attrs.evolve(backend("off"), check=Check("tls", ca=empty), live=Live(ca=empty))
    assert [path for path, _ in told(pool)] == [
        ("backend", 0, "check", "ca"),
        ("backend", 0, "live", "ca"),
    ]


def test_without_tls_no_file_is_opened() -> None:
    assert server_tls(backend("off", ca="/nowhere")) is None


def test_the_platforms_authorities_are_trusted_where_none_are_named() -> None:
    tls = server_tls(backend())
    assert tls is not None and tls.context.connection()


def test_a_key_may_stand_in_its_certificates_file_or_apart(tmp_path: FilePath) -> None:
    pem = self_signed("lb.example")
    both = written(pem, tmp_path / "both.pem")
    cut = pem.index(b"-----BEGIN CERTIFICATE")
    key = written(pem[:cut], tmp_path / "key.pem")
    certificate = written(pem[cut:], tmp_path / "certificate.pem")
    assert server_tls(backend(certificate=both)) is not None
    assert server_tls(backend(certificate=certificate, key=key)) is not None


def test_every_fault_names_its_file_and_its_key(tmp_path: FilePath) -> None:
    good = written(self_signed("lb.example"), tmp_path / "good.pem")
    other = written(self_signed("lb.example"), tmp_path / "other.pem")
    weak = self_signed("lb.example", key=rsa.generate_private_key(65537, 1024))
    short = written(weak, tmp_path / "short.pem")
    found = told(
        backend(name="fine", certificate=good),
        backend(name="strangers", certificate=good, key=other),
        backend(name="short", certificate=short),
    )
    assert found[0] == (
        ("backend", 1, "tls", "certificate"),
        f"{good} and {other}: the key is not the certificate's",
    )
    [(path, message)] = found[1:]
    assert path == ("backend", 2, "tls", "certificate")
    assert message == f"{short}: OpenSSL does not take it: ee key too small"


def test_a_key_that_could_not_be_read_is_not_told_as_missing(tmp_path: FilePath) -> None:
    """What follows from it is not its certificate's fault."""
    certificate = written(AUTHORITY.pem, tmp_path / "certificate.pem")
    [fault] = faults(meaning(backend(certificate=certificate)))
    assert fault.because == (("backend", 0, "tls", "key"),)


def test_every_file_that_is_not_there_is_told_by_its_own_key(tmp_path: FilePath) -> None:
    """And nothing else of it."""
    good = written(self_signed("lb.example"), tmp_path / "good.pem")
    missing = str(tmp_path / "missing.pem")
    shown = (ShownCertificate(missing), ShownCertificate(good, missing))
    everywhere = meaning(
        backend(ca=missing, certificate=good), frontends=(frontend(certificates=shown),)
    )
    why = f"{missing} cannot be read: No such file or directory"
    assert [(one.path, one.message) for one in unreadable(everywhere)] == [
        (("frontend", 0, "tls", "certificate", 0, "file"), why),
        (("frontend", 0, "tls", "certificate", 1, "key"), why),
        (("backend", 0, "tls", "ca"), why),
    ]
    assert not list(faults(everywhere))


def test_raised_at_the_start_too(tmp_path: FilePath) -> None:
    with pytest.raises(OSError):
        server_tls(backend(ca=str(tmp_path / "missing.pem")))


class TestSurprises:
    """Allowed, and yet worth telling."""

    def told(self, tmp_path: FilePath, days: float, mode: int = 0o600) -> list[str]:
        file = written(AUTHORITY.sign("lb.example", days=days), tmp_path / "lb.pem")
        FilePath(file).chmod(mode)
        shown = frontend(certificates=(ShownCertificate(file),))
        pool = backend(certificate=file)
        found = surprises(Settings((shown,), {}, {"pool": pool}), NOW.timestamp())
        assert {each.path for each in found} in (
            set(),
            {"frontend[in].tls.certificate", "backend[pool].tls.certificate"},
        )
        return sorted({each.message.removeprefix(f"{tmp_path}/") for each in found})

    def test_nothing_about_what_is_in_order(self, tmp_path: FilePath) -> None:
        assert self.told(tmp_path, 31) == []

    def test_a_private_key_that_everybody_can_read(self, tmp_path: FilePath) -> None:
        assert self.told(tmp_path, 31, 0o640) == []
        [message] = self.told(tmp_path, 31, 0o604)
        assert message.startswith("everybody on this machine can read the private key in ")

    def test_a_certificate_of_our_own_that_ends_soon_or_has_ended(self, tmp_path: FilePath) -> None:
        assert self.told(tmp_path, 8.6) == ["lb.pem ends in 9 days"]
        assert self.told(tmp_path, -1) == ["lb.pem has expired: clients refuse it"]

    def test_faults_are_told_elsewhere(self, tmp_path: FilePath) -> None:
        shown = frontend(certificates=(ShownCertificate(str(tmp_path / "missing")),))
        assert surprises(Settings((shown,), {}, {"pool": backend()}), 0.0) == ()
