"""`twistd lb-token-server`: the tunnel asks it for tokens over TLS, and the security proxy's rules
take them."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from socket import create_server
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import attrs
import pytest
import pytest_twisted
from passlib.context import CryptContext  # type: ignore[import-untyped]
from twisted.internet import reactor
from twisted.internet.tcp import Client
from twisted.internet.threads import deferToThread

from tests.certificates import Authority, written
from tests.loopback.ftp_site import FtpSite
from tests.loopback.test_gateway_programs import checked, running
from tests.tokens import FRONT, THUMBPRINT, issuer
from twisted_lb.gateway.grants import check
from twisted_lb.gateway.openingline import Opening
from twisted_lb.gateway.passes import Unusable
from twisted_lb.gateway.settings import Front, Local, TokenServer, TunnelSettings
from twisted_lb.gateway.sources import source
from twisted_lb.gateway.token import Trust, verify
from twisted_lb.gateway.tokenserver import TokenServer as Server
from twisted_lb.gateway.tokenserver import read_parts
from twisted_lb.gateway.tokensettings import load
from twisted_lb.terms import Address

CONFIG = """
listen = "127.0.0.1:0"
users = "{home}/users"
[issuer]
name = "mss"
key = "{home}/issuer.key"
audience = "front.example.com"
[tls]
certificate = "{home}/mss.pem"
[[destination]]
address = "mainframe:23"
users = "ann"
[log]
access = "{log}"
"""
TRUST = Trust((attrs.evolve(issuer().trust.keys[0], begins=0.0, ends=float("inf")),), FRONT)


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration whose files are there; `{log}` stands for the access log."""
    hashed = CryptContext(["bcrypt"], bcrypt__rounds=4).hash("anns")
    authority = Authority()
    written(f"ann:{hashed}\n".encode(), tmp_path / "users")
    written(issuer().private, tmp_path / "issuer.key")
    written(authority.sign("127.0.0.1", days=90), tmp_path / "mss.pem")
    written(authority.pem, tmp_path / "ca.pem")
    written(b"anns\n", tmp_path / "password")
    return CONFIG.format(home=tmp_path, log="{log}")


@pytest_twisted.async_yield_fixture()
async def server(config: str, ftp_site: FtpSite) -> AsyncIterator[Server]:
    """In this process."""
    settings = load(config.replace("{log}", "off"), "t.toml")
    server = Server(settings, read_parts(settings, "t.toml"), reactor, time.time, lambda fact: None)
    server.privilegedStartService()
    server.startService()
    yield server
    await server.stopService()
    await ftp_site.until(lambda: not any(isinstance(r, Client) for r in reactor.getReaders()))


def tunnel(home: Path, at: Address, **changes: str) -> TunnelSettings:
    """A tunnel that asks this server."""
    asked = TokenServer(
        url=f"https://{at}/token",
        user="ann",
        password_file=str(home / "password"),
        ca=str(home / "ca.pem"),
    )
    local = Local("host", (), Address("mainframe", 23))
    front = Front(Address(FRONT, 443))
    return TunnelSettings(front, (local,), token_server=attrs.evolve(asked, **changes))


@pytest_twisted.ensureDeferred
async def test_the_tunnel_gets_a_token_that_the_proxy_takes(server: Server, tmp_path: Path) -> None:
    settings = tunnel(tmp_path, server.addresses[0])
    text = await source(settings.locals[0], settings, THUMBPRINT, reactor)()
    grant = verify(text, TRUST, time.time()).grant
    assert (grant.user, grant.destination, grant.parallel) == ("ann", Address("mainframe", 23), 8)
    check(grant, Opening("terminal", f"{grant.session}.7", text), THUMBPRINT, unbound=False)


@pytest_twisted.ensureDeferred
async def test_a_tunnel_that_it_refuses_says_why(server: Server, tmp_path: Path) -> None:
    stranger = tunnel(tmp_path, server.addresses[0], user="bob")
    with pytest.raises(Unusable, match="does not take this user"):
        await source(stranger.locals[0], stranger, THUMBPRINT, reactor)()
    known = tunnel(tmp_path, server.addresses[0])
    elsewhere = attrs.evolve(known.locals[0], destination=Address("elsewhere", 23))
    with pytest.raises(Unusable, match="403"):
        await source(elsewhere, known, THUMBPRINT, reactor)()


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """The soft limit of programs that are started now is below the hard one."""
    usual = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft // 2, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, usual)


@pytest.mark.usefixtures("few_descriptors")
@pytest_twisted.ensureDeferred
async def test_the_program_has_as_many_descriptors_as_the_system_lets_it(
    ftp_site: FtpSite, tmp_path: Path, config: str
) -> None:
    with running(tmp_path, "lb-token-server", config) as program:
        await program.address(ftp_site)
        soft, hard = resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE)
        assert soft == hard


@pytest_twisted.ensureDeferred
async def test_the_program_gives_tokens_and_tells_of_them(
    ftp_site: FtpSite, tmp_path: Path, config: str
) -> None:
    """On loopback without TLS. SIGHUP opens the log anew."""
    plain = config.replace(f'certificate = "{tmp_path}/mss.pem"', 'mode = "off"')
    with running(tmp_path, "lb-token-server", plain) as program:
        at = await program.address(ftp_site)
        (tmp_path / "lb-token-server.log").rename(tmp_path / "old")
        os.kill(program.process.pid, signal.SIGHUP)
        await ftp_site.until((tmp_path / "lb-token-server.log").exists)
        said = await deferToThread(ask, at, "ann", "anns")
        assert verify(said["token"], TRUST, time.time()).grant.user == "ann"
        with pytest.raises(HTTPError, match="401"):
            await deferToThread(ask, at, "ann", "wrong")
        told = [(fact["user"], fact["answer"], fact["destination"]) for fact in program.facts]
        assert told == [("ann", "given", "mainframe:23"), ("ann", "login", "")]
        assert "anns" not in (tmp_path / "lb-token-server.log").read_text()
        os.kill(program.process.pid, signal.SIGTERM)
        assert await program.ends(ftp_site) == 0


def ask(at: Address, user: str, password: str) -> dict[str, str]:
    """What an ordinary program would do; it waits, so it has a thread of its own."""
    request = Request(
        f"http://{at}/token",
        json.dumps({"destination": "mainframe:23", "cnf": {"x5t#S256": THUMBPRINT}}).encode(),
        {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()},
    )
    with urlopen(request, timeout=20) as response:
        said: dict[str, str] = json.load(response)
        return said


def test_check_says_that_all_is_fine_or_everything_that_is_not(tmp_path: Path, config: str) -> None:
    open_to_all = checked(tmp_path, "lb-token-server", config).stdout.splitlines()
    assert [line.split(": ")[2] for line in open_to_all[:-1]] == [
        "issuer.key",
        "users",
        "tls.certificate",
    ]
    for name in ("issuer.key", "users", "mss.pem"):
        (tmp_path / name).chmod(0o600)
    fine = checked(tmp_path, "lb-token-server", config)
    assert (fine.returncode, fine.stdout) == (0, f"{tmp_path}/checked.toml: fine\n")
    (tmp_path / "users").unlink()
    (tmp_path / "issuer.key").write_text("lost")
    wrong = checked(tmp_path, "lb-token-server", config)
    assert wrong.returncode == 1
    assert [line.split(": ")[1] for line in wrong.stderr.splitlines()] == ["issuer.key", "users"]


def test_a_port_that_is_taken_ends_the_program(tmp_path: Path, config: str) -> None:
    with create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(tmp_path, "lb-token-server", config.replace(":0", f":{port}")) as program:
            assert program.process.wait(30) == 1
            assert program.process.stdout is not None
            said = program.process.stdout.read().decode()
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "Traceback" not in said
