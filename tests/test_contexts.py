"""Certificates and keys of the settings: read once, and every fault is told with its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from twisted_lb.config.settings import (
    Backend,
    BackendTls,
    Frontend,
    FrontendTls,
    ServerRule,
    Settings,
    ShownCertificate,
)
from twisted_lb.contexts import client_tls, faults, server_tls, surprises
from twisted_lb.errors import Problem

from .certificates import NOW, Authority, self_signed, written

AUTHORITY = Authority()
SERVERS = (ServerRule("a", "10.0.0.1"),)


def backend(mode: Any = "on", name: str = "pool", **tls: str) -> Backend:
    return Backend(name, SERVERS, tls=BackendTls(mode, **tls))  # type: ignore[arg-type]


def frontend(mode: Any = "terminate", name: str = "in", **tls: Any) -> Frontend:
    return Frontend(name, tls=FrontendTls(mode, **tls))


def told(*backends: Backend, frontends: tuple[Frontend, ...] = ()) -> tuple[Problem, ...]:
    return faults(Settings(frontends, {}, {each.name: each for each in backends}))


def test_each_certificate_has_its_context_and_the_names_that_it_is_for(tmp_path: Path) -> None:
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


def test_faults_of_frontends_are_told_with_those_of_backends(tmp_path: Path) -> None:
    good = written(self_signed("lb.example"), tmp_path / "good.pem")
    ca = written(AUTHORITY.pem, tmp_path / "ca.pem")
    fine = frontend(certificates=(ShownCertificate(good),), clients="required", ca=ca)
    empty = written(b"nothing\n", tmp_path / "empty.pem")
    files = (ShownCertificate(good),)
    trusting = frontend(name="ca", certificates=files, clients="required", ca=empty)
    wrong = frontend(name="cert", certificates=(ShownCertificate(empty),))
    trust, certificate, server = told(backend(ca=empty), frontends=(fine, trusting, wrong))
    assert trust.path == "frontend[ca].tls" and trust.message.startswith(
        f"{empty}: no certificates"
    )
    assert certificate.path == "frontend[cert].tls"
    assert certificate.message.startswith(f"{empty}: no certificate in PEM form: ")
    assert server.path == "backend[pool].tls"


def test_without_tls_no_file_is_opened() -> None:
    assert server_tls(backend("off", ca="/nowhere")) is None


def test_the_platforms_authorities_are_trusted_where_none_are_named() -> None:
    tls = server_tls(backend())
    assert tls is not None and tls.context.connection()


def test_a_key_may_stand_in_its_certificates_file_or_apart(tmp_path: Path) -> None:
    pem = self_signed("lb.example")
    both = written(pem, tmp_path / "both.pem")
    cut = pem.index(b"-----BEGIN CERTIFICATE")
    key = written(pem[:cut], tmp_path / "key.pem")
    certificate = written(pem[cut:], tmp_path / "certificate.pem")
    assert server_tls(backend(certificate=both)) is not None
    assert server_tls(backend(certificate=certificate, key=key)) is not None


def test_every_fault_names_its_file_and_its_key(tmp_path: Path) -> None:
    empty = written(b"nothing\n", tmp_path / "empty.pem")
    good = written(self_signed("lb.example"), tmp_path / "good.pem")
    other = written(self_signed("lb.example"), tmp_path / "other.pem")
    missing = str(tmp_path / "missing.pem")
    found = told(
        backend(name="fine", certificate=good),
        backend(name="ca", ca=empty),
        backend(name="missing", certificate=missing),
        backend(name="strangers", certificate=good, key=other),
    )
    ca, gone, strangers = found
    assert ca.path == "backend[ca].tls"
    assert ca.message.startswith(f"{empty}: no certificates in PEM form: ")
    assert gone == Problem(
        "backend[missing].tls", f"{missing} cannot be read: No such file or directory"
    )
    assert strangers == Problem(
        "backend[strangers].tls", f"{good} and {other}: the key is not the certificate's"
    )


def test_raised_at_the_start_too(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        server_tls(backend(ca=str(tmp_path / "missing.pem")))


class TestSurprises:
    """Allowed, and yet worth telling."""

    def told(self, tmp_path: Path, days: float, mode: int = 0o600) -> list[str]:
        file = written(AUTHORITY.sign("lb.example", days=days), tmp_path / "lb.pem")
        Path(file).chmod(mode)
        shown = frontend(certificates=(ShownCertificate(file),))
        pool = backend(certificate=file)
        found = surprises(Settings((shown,), {}, {"pool": pool}), NOW.timestamp())
        assert {each.path for each in found} in (
            set(),
            {"frontend[in].tls.certificate", "backend[pool].tls.certificate"},
        )
        return sorted({each.message.removeprefix(f"{tmp_path}/") for each in found})

    def test_nothing_about_what_is_in_order(self, tmp_path: Path) -> None:
        assert self.told(tmp_path, 31) == []

    def test_a_private_key_that_everybody_can_read(self, tmp_path: Path) -> None:
        assert self.told(tmp_path, 31, 0o640) == []
        [message] = self.told(tmp_path, 31, 0o604)
        assert message.startswith("everybody on this machine can read the private key in ")

    def test_a_certificate_of_our_own_that_ends_soon_or_has_ended(self, tmp_path: Path) -> None:
        assert self.told(tmp_path, 8.6) == ["lb.pem ends in 9 days"]
        assert self.told(tmp_path, -1) == ["lb.pem has expired: clients refuse it"]

    def test_faults_are_told_elsewhere(self, tmp_path: Path) -> None:
        shown = frontend(certificates=(ShownCertificate(str(tmp_path / "missing")),))
        assert surprises(Settings((shown,), {}, {"pool": backend()}), 0.0) == ()
