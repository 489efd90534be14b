"""What `--check` of the gateway's programs tells though nothing is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import attrs
import pytest

from tests.certificates import NOW, Authority, written
from twisted_lb.errors import Problem
from twisted_lb.gateway import advice
from twisted_lb.gateway.settings import (
    Certificate,
    Front,
    Key,
    Local,
    ProxySettings,
    TokenServer,
    TunnelSettings,
)
from twisted_lb.gateway.tokensettings import Issuer, ServerTls, TokenServerSettings
from twisted_lb.terms import Address

AUTHORITY = Authority()
OPEN, CLOSED = 0o604, 0o640


def file(home: Path, name: str, mode: int, days: float = 90) -> str:
    """A file of this mode, with a certificate and its key."""
    path = written(AUTHORITY.sign("mss.example", days=days), home / name)
    Path(path).chmod(mode)
    return path


def told(problems: Iterable[Problem]) -> dict[str, str]:
    return {problem.path: problem.message for problem in problems}


def token_server(home: Path, mode: int) -> TokenServerSettings:
    return TokenServerSettings(
        listen=(),
        users=file(home, "users", mode),
        issuer=Issuer("mss", file(home, "issuer.key", mode), ("front",)),
        destinations=(),
        tls=ServerTls(certificate=file(home, "mss.pem", mode)),
    )


def tunnel(home: Path, mode: int) -> TunnelSettings:
    local = Local("host", (), Address("host", 23), token_file=file(home, "token", mode))
    return TunnelSettings(
        Front(Address("front", 443)),
        (local,),
        key=Key(file(home, "key.pem", CLOSED), file(home, "key.key", mode)),
        token_server=TokenServer(password_file=file(home, "password", mode)),
    )


def test_secrets_of_a_proxy_that_everybody_can_read_are_told(tmp_path: Path) -> None:
    closed = ProxySettings(Certificate(file(tmp_path, "closed.pem", CLOSED)), ())
    assert not told(advice.proxy(closed, NOW.timestamp()))
    name = file(tmp_path, "open.pem", OPEN)
    shown = ProxySettings(Certificate(name), ())
    assert told(advice.proxy(shown, NOW.timestamp())) == {
        "tls.certificate": f"everybody on this machine can read the private key in {name}"
    }


def test_a_certificate_that_ends_soon_is_told(tmp_path: Path) -> None:
    soon = file(tmp_path, "soon.pem", CLOSED, days=8.6)
    settings = ProxySettings(Certificate(soon), ())
    assert told(advice.proxy(settings, NOW.timestamp())) == {
        "tls.certificate": f"{soon} ends in 9 days"
    }


def test_secrets_of_a_token_server_that_everybody_can_read_are_told(tmp_path: Path) -> None:
    assert not told(advice.token_server(token_server(tmp_path, CLOSED), NOW.timestamp()))
    settings = token_server(tmp_path, OPEN)
    found = told(advice.token_server(settings, NOW.timestamp()))
    assert list(found) == ["issuer.key", "users", "tls.certificate"]
    assert found["users"].endswith(f"the passwords' hashes in {settings.users}")
    plain = attrs.evolve(settings, tls=ServerTls("off"))
    assert list(told(advice.token_server(plain, NOW.timestamp()))) == ["issuer.key", "users"]


def test_secrets_of_a_tunnel_that_everybody_can_read_are_told(tmp_path: Path) -> None:
    assert not told(advice.tunnel(tunnel(tmp_path, CLOSED), NOW.timestamp()))
    found = told(advice.tunnel(tunnel(tmp_path, OPEN), NOW.timestamp()))
    assert list(found) == ["key.key", "token_server.password_file", "local[host].token_file"]
    beside = Key(file(tmp_path, "both.pem", OPEN))
    settings = attrs.evolve(tunnel(tmp_path, CLOSED), key=beside)
    assert list(told(advice.tunnel(settings, NOW.timestamp()))) == ["key.key"]


@pytest.mark.parametrize("missing", ["", "/nowhere/file"])
def test_what_is_not_there_is_told_elsewhere(missing: str) -> None:
    settings = TunnelSettings(
        Front(Address("front", 443)),
        (Local("host", (), Address("host", 23), token_file=missing),),
        key=Key(missing, missing),
    )
    assert not told(advice.tunnel(settings, NOW.timestamp()))
