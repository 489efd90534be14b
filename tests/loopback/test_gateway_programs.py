"""`twistd security-proxy` and `twistd lb-tunnel` as processes, with signed tokens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import pytest_twisted

from tests.certificates import Authority, self_signed, written
from tests.loopback.farm import Farm
from tests.loopback.ftp_site import FtpSite
from tests.loopback.ftp_talks import Visitor
from tests.loopback.test_gateway_ftp import download, upload
from twisted_lb.gateway.clientkey import ClientKey, client_key
from twisted_lb.gateway.grants import Grant
from twisted_lb.gateway.keys import SigningKey, generate
from twisted_lb.gateway.settings import Key
from twisted_lb.gateway.token import issue
from twisted_lb.gateway.tokenclaims import Claims
from twisted_lb.terms import Address

NAME = "front.example"

PROXY = """
[tls]
certificate = "{front}"
[tokens]
trusted = "{issuer}"
audience = "front.example"
[[listener]]
name = "main"
listen = "127.0.0.1:0"
[[destination]]
host = "127.0.0.0/8"
ports = "1024-65535"
[limits]
drain = "{drain}"
[log]
access = "{log}"
"""

TUNNEL = """
[front]
address = "{front}"
name = "front.example"
ca = "{ca}"
[key]
certificate = "{key}"
[[local]]
name = "ftp"
listen = "127.0.0.1:0"
protocol = "ftp"
destination = "{host}"
token_file = "{token}"
[log]
access = "{log}"
"""


class Files:
    """Everything that both programs read."""

    def __init__(self, home: Path) -> None:
        self.home = home
        authority = Authority()
        self.ca = written(authority.pem, home / "ca.pem")
        self.front = written(authority.sign(NAME), home / "front.pem")
        self.key = written(self_signed("tunnel.example"), home / "tunnel.pem")
        private, certificate = generate("ES256", "mss.example", 1.0, time.time())
        self.issuer = written(certificate, home / "issuer.pem")
        self._signing = SigningKey.of(private, "issuer.key")

    def token(self, destination: Address) -> str:
        """A file that holds a token for the tunnel's key."""
        key: ClientKey = client_key(Key(self.key), None)  # type: ignore[arg-type]  # not made
        now = int(time.time())
        roles = frozenset({"control", "data", "notification"})
        grant = Grant("joe", "s1", destination, roles, 4, key.thumbprint)
        claims = Claims("mss.example", (NAME,), grant, now, now, now + 600, "first")
        return written(issue(claims, self._signing).encode(), self.home / "token")


class Running:
    """A program and its access log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def facts(self) -> list[dict[str, str]]:
        text = self._log.read_text() if self._log.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    async def address(self, site: FtpSite) -> Address:
        """Where it listens."""
        await site.until(lambda: any(f.get("what") == "listening" for f in self.facts), 30.0)
        detail = next(f["detail"] for f in self.facts if f.get("what") == "listening")
        host, _, port = detail.rpartition(" ")[2].rpartition(":")
        return Address(host, int(port))

    async def ends(self, site: FtpSite) -> int:
        await site.until(lambda: self.process.poll() is not None, 20.0)
        return self.process.returncode


@contextmanager
def running(home: Path, program: str, text: str) -> Iterator[Running]:
    """This program with this configuration, in which `{log}` stands for its access log."""
    config, log = home / f"{program}.toml", home / f"{program}.log"
    config.write_text(text.replace("{log}", str(log)))
    argv = [sys.executable, "-m", "twisted", program, "--config", str(config)]
    process = subprocess.Popen(argv, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield Running(process, log)
    finally:
        process.kill()
        process.communicate()


@pytest_twisted.ensureDeferred
async def test_both_programs_carry_ftp_and_stop_in_order(
    ftp_site: FtpSite, farm: Farm, tmp_path: Path
) -> None:
    """SIGHUP is harmless, SIGTERM lets a living session go on, and the next one ends it."""
    files, host = Files(tmp_path), Address("127.0.0.2", farm.port)
    about = {"front": files.front, "issuer": files.issuer, "drain": "1h", "log": "{log}"}
    with ExitStack() as stack:
        proxy = stack.enter_context(running(tmp_path, "security-proxy", PROXY.format_map(about)))
        front = await proxy.address(ftp_site)
        about = {"front": str(front), "ca": files.ca, "key": files.key, "host": str(host)}
        about |= {"token": files.token(host), "log": "{log}"}
        tunnel = stack.enter_context(running(tmp_path, "lb-tunnel", TUNNEL.format_map(about)))
        local = await tunnel.address(ftp_site)
        visitor: Visitor = await ftp_site.connect(local, "127.0.0.1", Visitor(ftp_site))
        await visitor.login()
        await upload(visitor, "EPSV", "mine", b"content")
        os.kill(proxy.process.pid, signal.SIGHUP)
        os.kill(proxy.process.pid, signal.SIGTERM)
        await ftp_site.until(lambda: any(f.get("what") == "draining" for f in proxy.facts))
        assert await download(visitor, "PORT", "mine") == b"content"
        os.kill(proxy.process.pid, signal.SIGTERM)
        assert (await visitor.reply()).startswith(b"421")
        visitor.closes()
        assert await proxy.ends(ftp_site) == 0
        os.kill(tunnel.process.pid, signal.SIGTERM)
        assert await tunnel.ends(ftp_site) == 0
        control = [f for f in proxy.facts if f.get("role") == "control"]
        assert [(f["session"], f["server"]) for f in control] == [("s1", str(host))]


@pytest.mark.parametrize(
    ("program", "text", "code", "said"),
    [
        ("security-proxy", "", 1, "tls"),
        ("security-proxy", '[tls]\ncertificate = "/nowhere.pem"\n', 1, "listener"),
        ("lb-tunnel", "nonsense", 1, "is not TOML"),
    ],
)
def test_check_says_what_is_wrong(
    tmp_path: Path, program: str, text: str, code: int, said: str
) -> None:
    done = checked(tmp_path, program, text)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_check_finds_files_that_cannot_be_used(tmp_path: Path) -> None:
    files = Files(tmp_path)
    about = {"front": files.front, "issuer": files.issuer, "drain": "1s", "log": "off"}
    assert checked(tmp_path, "security-proxy", PROXY.format_map(about)).returncode == 0
    for key, name, why in (
        ("front", "/nowhere.pem", "/nowhere.pem: cannot be read"),
        ("issuer", files.ca.replace("ca.pem", "front.pem"), "private key"),
    ):
        done = checked(tmp_path, "security-proxy", PROXY.format_map({**about, key: name}))
        assert (done.returncode, why in done.stderr) == (1, True), done.stderr
        assert "Traceback" not in done.stderr


def test_check_tells_of_a_key_that_everybody_can_read(tmp_path: Path) -> None:
    files = Files(tmp_path)
    about = {"front": files.front, "issuer": files.issuer, "drain": "1s", "log": "off"}
    for mode, advised in ((0o640, False), (0o604, True)):
        Path(files.front).chmod(mode)
        done = checked(tmp_path, "security-proxy", PROXY.format_map(about))
        assert done.returncode == 0
        assert ("tls.certificate: everybody on this machine can read" in done.stdout) == advised
        assert done.stdout.splitlines()[-1].endswith(": fine")


def checked(home: Path, program: str, text: str) -> subprocess.CompletedProcess[str]:
    config = home / "checked.toml"
    config.write_text(text)
    argv = [sys.executable, "-m", "twisted", program, "--check", "--config", str(config)]
    return subprocess.run(argv, cwd=home, capture_output=True, text=True, timeout=30, check=False)
