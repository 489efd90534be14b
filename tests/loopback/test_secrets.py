"""A whole process with every secret that one may have: none comes out by any way."""

from __future__ import annotations

import ftplib
import http.client
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.certificates import Authority, written
from tests.loopback.farm import Farm
from tests.loopback.site import PATIENCE
from twisted_lb.admin.routes import ROUTES

CHECKS = "hunter-of-checks"
TOKEN = "token-of-operators-0123456789"
LOGIN = "secret-of-a-user"
CONFIG = """
[[frontend]]
name = "ftp"
listen = "127.0.0.1:{port}"
protocol = "ftp"
backend = "farm"
server_port = {server}
ftp.tls = {{ data = "optional" }}
ftp.passive_ports = "20000-20999"
tls = {{ mode = "starttls", required = false, certificate = [{{ file = "{pem}" }}] }}
[[backend]]
name = "farm"
server = [{{ name = "a", host = "127.0.0.2" }}]
[backend.check]
type = "ftp"
user = "joe"
password_file = "{password}"
interval = "500ms"
fall = 100
[log]
access = "{log}"
format = "{form}"
[admin]
listen = "127.0.0.1:{admin}"
token_file = "{token}"
"""


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def ask(port: int, path: str, token: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def running(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`twist lb-proxy`, once it serves; what it says goes to this file."""
    argv = [sys.executable, "-m", "twisted", "lb-proxy", "--config", str(config)]
    with log.open("wb") as out:
        process = subprocess.Popen(argv, cwd=config.parent, stdout=out, stderr=out)
    try:
        yield process
        process.terminate()
        process.wait(30)
    finally:
        process.kill()
        process.wait()


def until_it_answers(port: int, process: subprocess.Popen[bytes], own: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            ask(port, "/v1/status")
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "it does not come up"
            assert process.poll() is None, own.read_text()
        else:
            return


def test_no_secret_is_told_by_any_way(farm: Farm, tmp_path: Path) -> None:
    """Logs of both forms, the process' own log, every answer, the page, --dump-config."""
    pem = written(Authority().sign("ftp.example"), tmp_path / "front.pem")
    private = re.findall(r"(?m)^[A-Za-z0-9+/]{60,}$", Path(pem).read_text().partition("PRIVATE")[2])
    assert private, "the test looks for lines of the key"
    token, password = tmp_path / "token", tmp_path / "password"
    token.write_text(TOKEN)
    password.write_text(CHECKS)
    port, admin = free_ports(2)
    log, own = tmp_path / "access.log", tmp_path / "own.log"
    config = tmp_path / "lb.toml"
    came = []
    for form in ("json", "text"):
        text = CONFIG.format(
            port=port, pem=pem, server=farm.port, password=password, log=log, form=form,
            admin=admin, token=token,
        )  # fmt: skip
        config.write_text(text)
        with running(config, own) as process:
            until_it_answers(admin, process, own)
            for user, word in (("joe", "secret"), ("joe", LOGIN)):
                with ftplib.FTP(timeout=PATIENCE) as client:
                    client.connect("127.0.0.1", port)
                    if word == LOGIN:
                        with pytest.raises(ftplib.error_perm, match="530"):
                            client.login(user, word)
                    else:
                        client.login(user, word)
                        client.retrbinary("RETR who", lambda part: None)
                    paths = [r.path for r in ROUTES if r.method == "GET" and not r.fields]
                    [session] = json.loads(ask(admin, "/v1/sessions", TOKEN)[1])["sessions"]
                    paths += ["/", "/metrics", "/v1/openapi.json", "/v1/servers/farm/a"]
                    paths += [f"/v1/sessions/{session['id']}"]
                    answers = [ask(admin, path, TOKEN) for path in paths]
                    assert [status for status, _ in answers] == [200] * len(paths)
                    came += [body for _, body in answers]
            assert ask_refused(admin)
        came += [log.read_bytes(), own.read_bytes()]
    argv = [sys.executable, "-m", "twisted", "lb-proxy", "--config", str(config), "--dump-config"]
    dump = subprocess.run(argv, capture_output=True, timeout=30, check=True)
    came += [dump.stdout, dump.stderr]
    assert str(password).encode() in dump.stdout, "files are told by their names"
    everything = b"\n".join(came)
    for secret in (CHECKS, TOKEN, LOGIN, *private):
        assert secret.encode() not in everything
    assert b"joe" in log.read_bytes(), "the test looks where something is told"


def ask_refused(port: int) -> bool:
    """A wrong token is refused, and not repeated."""
    status, body = ask(port, "/v1/status", "guess" * 5)
    return status == 401 and b"guess" not in body
