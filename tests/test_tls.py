"""Who a TLS server is, and the exact word when it is not: handshakes in memory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509 import load_pem_x509_certificate
from OpenSSL import SSL
from twisted.internet.error import ConnectionLost

from twisted_lb.tls import (
    ClientContext,
    ClientHandshake,
    Identity,
    Untrusted,
    certificate_seen,
    failure,
)
from twisted_lb.tls.names import carries

from .certificates import NOW, Authority, self_signed, written

AUTHORITY = Authority()
TRUST = ClientContext(AUTHORITY.pem)


def serving(pem: bytes) -> SSL.Connection:
    """A server with this key and certificate."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_privatekey(load_pem_private_key(pem, None))  # type: ignore[arg-type]
    context.use_certificate(load_pem_x509_certificate(pem))
    server = SSL.Connection(context, None)
    server.set_accept_state()
    return server


def shake(handshake: ClientHandshake, server: SSL.Connection) -> None:
    """Do the handshake. Raises SSL.Error as the client meets it."""
    client = handshake.clientConnectionForTLS(None)  # type: ignore[arg-type]
    client.set_connect_state()
    for _ in range(4):
        for one, other in ((client, server), (server, client)):
            with suppress(SSL.WantReadError):
                one.do_handshake()
            with suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(65536))


def met(pem: bytes, name: str = "front.example") -> ClientHandshake:
    handshake = ClientHandshake(TRUST, name)
    shake(handshake, serving(pem))
    return handshake


class TestName:
    @pytest.mark.parametrize(
        ("asked", "carried"),
        [
            ("front.example", "front.example"),
            ("a.front.example", "*.front.example"),
            ("10.0.0.1", "10.0.0.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("bücher.example", "xn--bcher-kva.example"),
        ],
    )
    def test_the_right_one_is_verified(self, asked: str, carried: str) -> None:
        certificate = met(AUTHORITY.sign("other.example", carried), asked).verify()
        assert certificate.names[-1] == carried or carried in certificate.names
        assert certificate.ends == pytest.approx(NOW.timestamp() + 30 * 86400, abs=2)

    @pytest.mark.parametrize("odd", ["10.0.0.1", "*.com", "*", "f*.example", "", "front server"])
    def test_one_that_means_nothing_takes_nothing_from_the_others(self, odd: str) -> None:
        both = [x509.DNSName(odd), x509.DNSName("front.example")]
        certificate = AUTHORITY.vouch(x509.SubjectAlternativeName(both))
        assert carries(certificate, "front.example")
        assert not carries(certificate, "other.com")
        assert not carries(certificate, "10.0.0.1")

    def test_names_that_nobody_can_read_are_told(self) -> None:
        """An X.400 address, which is no name of a kind that is known."""
        odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x30\x02\xa3\x00")
        der = AUTHORITY.vouch(odd).public_bytes(Encoding.DER)
        with pytest.raises(ValueError, match="x400"):
            certificate_seen(der, ("front.example",))

    def test_a_wrong_one_is_told_with_those_it_carries(self) -> None:
        with pytest.raises(Untrusted) as why:
            met(AUTHORITY.sign("a.example", "10.0.0.1")).verify()
        assert str(why.value) == "its certificate is for a.example, 10.0.0.1, not for front.example"

    def test_of_a_thousand_names_five_are_told(self) -> None:
        with pytest.raises(Untrusted) as why:
            met(AUTHORITY.sign(*(f"n{n}.example" for n in range(300)))).verify()
        assert len(str(why.value)) < 200

    def test_an_address_is_not_a_name(self) -> None:
        with pytest.raises(Untrusted, match=r"for front\.example, not for 10\.0\.0\.1"):
            met(AUTHORITY.sign("front.example"), "10.0.0.1").verify()

    def test_a_common_name_alone_names_nobody(self) -> None:
        with pytest.raises(Untrusted) as why:
            met(AUTHORITY.sign(), "server").verify()
        assert str(why.value) == "its certificate names nobody, not server either"

    @pytest.mark.parametrize(
        ("name", "sni"),
        [
            ("front.example", b"front.example"),
            ("front.example.", b"front.example"),
            ("10.0.0.1", None),
        ],
    )
    def test_a_name_is_shown_to_the_server_and_an_address_is_not(
        self, name: str, sni: bytes | None
    ) -> None:
        server = serving(AUTHORITY.sign(name))
        shake(ClientHandshake(TRUST, name), server)
        assert server.get_servername() == sni


class TestChain:
    @pytest.mark.parametrize(
        ("pem", "problem"),
        [
            (self_signed("front.example"), "signed by itself and not trusted"),
            (Authority("a stranger").sign("front.example"), "an authority that is not trusted"),
            (AUTHORITY.sign("front.example", days=-1), "has expired"),
        ],
    )
    def test_what_is_wrong_with_it_is_told(self, pem: bytes, problem: str) -> None:
        handshake = ClientHandshake(TRUST, "front.example")
        with pytest.raises(SSL.Error) as error:
            shake(handshake, serving(pem))
        assert handshake.problem.startswith("its certificate") and problem in handshake.problem
        assert failure(error.value) == "TLS failed: certificate verify failed"

    def test_the_platforms_authorities_do_not_know_ours(self) -> None:
        handshake = ClientHandshake(ClientContext(), "front.example")
        with pytest.raises(SSL.Error):
            shake(handshake, serving(AUTHORITY.sign("front.example")))
        assert "authority that is not trusted" in handshake.problem

    def test_a_file_without_certificates_is_an_error(self) -> None:
        with pytest.raises(ValueError):
            ClientContext(b"nothing")


class TestFailure:
    def test_what_is_no_tls_is_told_in_openssls_words(self) -> None:
        client = ClientHandshake(TRUST, "front.example").clientConnectionForTLS(None)  # type: ignore[arg-type]
        client.set_connect_state()
        client.bio_write(b"220 ftp.example ready\r\n")
        with pytest.raises(SSL.Error) as error:
            client.do_handshake()
        assert (failure(error.value) or "").startswith("TLS failed: ")

    def test_an_error_without_reasons(self) -> None:
        assert failure(SSL.SysCallError(-1, "Unexpected EOF")) == "TLS failed: cut off"
        assert failure(SSL.ZeroReturnError()) == "TLS failed: cut off"

    def test_other_errors_are_not_of_tls(self) -> None:
        assert failure(ConnectionLost()) is None


class TestIdentity:
    """What is wrong with a certificate or its key is told with the names of both files."""

    def test_a_chain_and_its_key_are_read_from_two_files(self, tmp_path: Path) -> None:
        pem = AUTHORITY.sign("front.example")
        key, _, certificate = pem.partition(b"-----BEGIN CERT")
        files = written(b"-----BEGIN CERT" + certificate, tmp_path / "c.pem")
        identity = Identity.read(files, written(key, tmp_path / "k.pem"))
        assert identity.name == f"{tmp_path}/c.pem and {tmp_path}/k.pem"
        assert identity.chain[0] == load_pem_x509_certificate(pem)

    def test_a_key_of_another_certificate_is_refused_and_both_files_named(
        self, tmp_path: Path
    ) -> None:
        ours, others = (written(AUTHORITY.sign(n), tmp_path / n) for n in ("a.pem", "b.pem"))
        with pytest.raises(ValueError, match=r"a\.pem and .*b\.pem: the key is not the cert"):
            Identity.read(ours, others)

    @pytest.mark.parametrize(
        ("certificate", "key", "said"),
        [
            (b"nothing", b"", "no certificate in PEM form"),
            (AUTHORITY.pem, b"nothing", "no private key in PEM form"),
        ],
    )
    def test_a_file_without_what_is_needed_is_told(
        self, certificate: bytes, key: bytes, said: str
    ) -> None:
        with pytest.raises(ValueError, match=f"x.pem: {said}"):
            Identity.of(certificate, key, "x.pem")

    def test_an_encrypted_key_is_told(self) -> None:
        key = generate_private_key(SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
        )
        with pytest.raises(ValueError, match="is encrypted"):
            Identity.of(AUTHORITY.pem, key, "x.pem")

    def test_a_version_that_nobody_knows_is_an_error(self) -> None:
        with pytest.raises(ValueError, match=r"TLS 1\.4: not a version; one of 1\.0, 1\.1"):
            ClientContext(AUTHORITY.pem, minimum="1.4")
