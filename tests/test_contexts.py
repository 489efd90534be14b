"""Certificates and keys of the settings: read once, and every fault is told with its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from twisted_lb.config.settings import Backend, BackendTls, ServerRule, Settings
from twisted_lb.contexts import faults, server_tls
from twisted_lb.errors import Problem

from .certificates import Authority, self_signed, written

AUTHORITY = Authority()
SERVERS = (ServerRule("a", "10.0.0.1"),)


def backend(mode: Any = "on", name: str = "pool", **tls: str) -> Backend:
    return Backend(name, SERVERS, tls=BackendTls(mode, **tls))  # type: ignore[arg-type]


def told(*backends: Backend) -> tuple[Problem, ...]:
    return faults(Settings((), {}, {each.name: each for each in backends}))


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
