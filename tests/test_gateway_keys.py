"""Keys of issuers: what may sign tokens, and what is told of a file that cannot be used."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from twisted_lb.gateway.keys import ALGORITHMS, Algorithm, SigningKey, algorithm_of, key_id, trusted

from .tokens import NOW, issuer


def private_pem(key: object, password: bytes = b"") -> bytes:
    hidden = pem.BestAvailableEncryption(password) if password else pem.NoEncryption()
    return key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, hidden)  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_new_key_and_its_certificate_belong_together(algorithm: Algorithm) -> None:
    made = issuer(algorithm)
    (from_certificate,) = trusted(made.certificate, "issuer.pem")
    (bare,) = trusted(made.public, "issuer.pub")
    assert made.key.algorithm == from_certificate.algorithm == bare.algorithm == algorithm
    assert made.key.id == from_certificate.id == bare.id


def test_a_certificate_is_good_from_its_first_day_to_its_last() -> None:
    (key,) = issuer().trust.keys
    begins = NOW - 86_400
    assert [key.valid(begins + days * 86_400) for days in (-0.01, 0, 30, 30.01)] == [
        False,
        True,
        True,
        False,
    ]


def test_a_bare_public_key_is_always_good() -> None:
    (key,) = trusted(issuer().public, "issuer.pub")
    assert key.valid(0)
    assert key.valid(1e12)


def test_the_certificate_is_for_signatures_and_signs_no_others() -> None:
    certificate = x509.load_pem_x509_certificate(issuer().certificate)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    assert not basic.ca
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == (
        datetime.timedelta(days=30)
    )


def test_several_may_be_trusted_in_one_file() -> None:
    both = b"# first\n" + issuer().certificate + b"\n" + issuer("ES256").public
    assert [key.algorithm for key in trusted(both, "issuers.pem")] == ["EdDSA", "ES256"]


def test_the_id_is_the_keys_thumbprint() -> None:
    """RFC 8037 appendix A.3."""
    raw = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    public = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    assert key_id("EdDSA", public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no certificate and no public key"),
        (b"not PEM", "no certificate and no public key"),
        (issuer().private, "holds a private key"),
        (issuer().certificate + issuer().private, "holds a private key"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "a certificate that cannot be read",
        ),
        (
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            "a public key that cannot be read",
        ),
    ],
)
def test_a_file_that_cannot_be_trusted_is_named(data: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=f"^issuers.pem: {told}"):
        trusted(data, "issuers.pem")


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(public_exponent=65_537, key_size=1024),
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP256K1()),
        dsa.generate_private_key(1024),
    ],
    ids=["short RSA", "P-384", "secp256k1", "DSA"],
)
def test_other_keys_sign_no_tokens(key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(ValueError, match=r"^k\.pem: tokens are signed with RSA of 2048 bits"):
        SigningKey.of(private_pem(key), "k.pem")
    with pytest.raises(ValueError, match=r"^k\.pub: tokens"):
        algorithm_of(key.public_key(), "k.pub")


def test_an_encrypted_key_is_told_apart_from_a_broken_one() -> None:
    hidden = private_pem(ec.generate_private_key(ec.SECP256R1()), b"secret")
    with pytest.raises(ValueError, match=r"^k\.pem: the private key is encrypted"):
        SigningKey.of(hidden, "k.pem")
    with pytest.raises(ValueError, match=r"^k\.pem: no private key"):
        SigningKey.of(issuer().certificate, "k.pem")


def test_a_private_key_is_not_shown() -> None:
    assert "private" not in repr(issuer().key)
