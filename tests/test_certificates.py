"""Certificates are taken anew when their files change, and not before they are whole (attack 7)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from twisted_lb.certificates import EVERY, Certificates
from twisted_lb.config.settings import (
    Backend,
    BackendTls,
    Frontend,
    FrontendTls,
    ServerRule,
    ShownCertificate,
)
from twisted_lb.contexts import ClientTls, ServerTls, client_tls, server_tls
from twisted_lb.facts import Announced, Fact

from .certificates import Authority, written

AUTHORITY = Authority()


class Site:
    """A frontend with its certificate and key in two files, a backend with its authorities."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = Clock()
        self.facts: list[Fact] = []
        self.certificate, self.key = path / "front.pem", path / "front.key"
        self.ca = path / "ca.pem"
        self.replace("one.example")
        written(AUTHORITY.pem, self.ca)
        shown = (ShownCertificate(str(self.certificate), str(self.key)),)
        self.frontend = Frontend("in", tls=FrontendTls("starttls", certificates=shown))
        tls = BackendTls("starttls", ca=str(self.ca))
        self.backend = Backend("pool", (ServerRule("a", "10.0.0.1"),), tls=tls)
        client, server = client_tls(self.frontend), server_tls(self.backend)
        assert client is not None and server is not None
        self.client: ClientTls = client
        self.server: ServerTls = server
        self.watch = Certificates(self.clock, self.facts.append)
        self.watch.shown_by(self.frontend, client)
        self.watch.used_by(self.backend, server)
        self.watch.shown_by(Frontend("bare"), None)
        self.watch.used_by(Backend("bare", ()), None)
        self.watch.startService()

    def replace(self, name: str, *, certificate: bool = True, key: bool = True) -> None:
        """New files in the place of the old ones, of one pair; or only one of the two."""
        pem = AUTHORITY.sign(name)
        cut = pem.index(b"-----BEGIN CERTIFICATE")
        if certificate:
            self.put(pem[cut:], self.certificate)
        if key:
            self.put(pem[:cut], self.key)

    def put(self, text: bytes, to: Path) -> None:
        """As whoever renews certificates does it: never a file that is half there."""
        os.replace(written(text, self.path / "new"), to)

    def look(self) -> list[str]:
        """What is told of the next look."""
        self.facts.clear()
        self.clock.advance(EVERY)
        told = [fact for fact in self.facts if isinstance(fact, Announced)]
        return [f"{fact.what}: {fact.detail}" for fact in told]

    @property
    def names(self) -> tuple[str, ...]:
        [names] = self.client.names
        return names


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.watch.stopService()
    assert not site.clock.getDelayedCalls()


def test_what_does_not_change_is_left_alone(site: Site) -> None:
    shown, used = site.client.contexts, site.server.context
    assert site.look() == site.look() == []
    assert site.client.contexts is shown and site.server.context is used


def test_a_renewed_certificate_is_shown_from_then_on(site: Site) -> None:
    shown = site.client.contexts
    site.replace("two.example")
    assert site.look() == ["certificates-renewed: frontend in"]
    assert site.names == ("two.example",)
    assert site.client.contexts != shown
    assert site.look() == []


def test_renewed_authorities_are_trusted_from_then_on(site: Site) -> None:
    used = site.server.context
    site.put(Authority().pem, site.ca)
    assert site.look() == ["certificates-renewed: backend pool"]
    assert site.server.context is not used


def test_nothing_is_told_of_a_key_that_comes_a_look_after_its_certificate(site: Site) -> None:
    pem = AUTHORITY.sign("two.example")
    cut = pem.index(b"-----BEGIN CERTIFICATE")
    site.put(pem[cut:], site.certificate)
    assert site.look() == []
    assert site.names == ("one.example",)
    site.put(pem[:cut], site.key)
    assert site.look() == ["certificates-renewed: frontend in"]
    assert site.names == ("two.example",)


def test_a_pair_that_does_not_fit_is_told_once_by_both_files_and_the_former_stays(
    site: Site,
) -> None:
    shown = site.client.contexts
    site.replace("two.example", key=False)
    told = [*site.look(), *site.look(), *site.look()]
    files = f"{site.certificate} and {site.key}"
    assert told == [f"certificates-kept: frontend in: {files}: the key is not the certificate's"]
    assert site.client.contexts is shown
    site.replace("three.example")
    assert site.look() == ["certificates-renewed: frontend in"]


def test_a_file_that_is_gone_is_told_once_and_taken_when_it_is_back(site: Site) -> None:
    site.key.unlink()
    [told] = [*site.look(), *site.look(), *site.look()]
    assert told.startswith("certificates-kept: frontend in: ") and str(site.key) in told
    assert site.names == ("one.example",)
    site.replace("two.example")
    assert site.look() == ["certificates-renewed: frontend in"]


def test_a_link_that_leads_elsewhere_is_a_change(site: Site) -> None:
    """Certificates are renewed like that by some programs."""
    pem = AUTHORITY.sign("two.example")
    cut = pem.index(b"-----BEGIN CERTIFICATE")
    for text, to in ((pem[cut:], site.certificate), (pem[:cut], site.key)):
        target = Path(written(text, Path(f"{to}.new")))
        to.unlink()
        to.symlink_to(target)
    assert site.look() == ["certificates-renewed: frontend in"]


def test_a_file_that_may_be_read_again_is_taken(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in it has changed but who may read it."""

    def refused(frontend: Frontend) -> None:
        raise PermissionError(13, "Permission denied", str(site.key))

    with monkeypatch.context() as patched:
        patched.setattr("twisted_lb.contexts.client_tls", refused)
        site.replace("two.example")
        assert [*site.look(), *site.look()] == [
            f"certificates-kept: frontend in: [Errno 13] Permission denied: {str(site.key)!r}"
        ]
    assert site.look() == []
    site.key.chmod(0o600)
    assert site.look() == ["certificates-renewed: frontend in"]
