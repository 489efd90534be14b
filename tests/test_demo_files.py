"""The demo's files are what the programs take."""

from __future__ import annotations

import time
from pathlib import Path

from passlib.apache import HtpasswdFile  # type: ignore[import-untyped]

from twisted_lb.config.load import load
from twisted_lb.demo.files import BALANCER, FRONT, ISSUER, KEY, PROXY, TOKEN_SERVER, TUNNEL, Files
from twisted_lb.demo.hosts import PASSWORD, USER
from twisted_lb.gateway.load import load_proxy, load_tunnel
from twisted_lb.gateway.tokensettings import load as load_token_server
from twisted_lb.tls import Identity


def test_every_configuration_is_whole_and_names_files_that_are_there(tmp_path: Path) -> None:
    files = Files(tmp_path, time.time())
    hosts = {"files": "127.0.0.1:2000", "terminals": "127.0.0.1:2001"}
    about = {"front": "127.0.0.1:3000", "tokens": "127.0.0.1:3001", **hosts}
    tunnel = files.configure("tunnel.toml", TUNNEL, load_tunnel, **about)
    server = files.configure("tokens.toml", TOKEN_SERVER, load_token_server, **hosts)
    proxy = files.configure("proxy.toml", PROXY, load_proxy, at="127.0.0.5:0")
    files.configure("balancer.toml", BALANCER, load, port=3000, key=KEY)
    named = {tunnel.front.ca, tunnel.token_server.ca, tunnel.token_server.password_file}
    named |= {server.users, server.issuer.key, proxy.tls.certificate, *proxy.tokens.trusted}
    assert {Path(name).parent for name in named} == {tmp_path}
    assert all(Path(name).is_file() for name in named)
    assert server.issuer.name == ISSUER
    assert tunnel.front.name == proxy.tokens.audience == FRONT
    assert (tmp_path / "proxy.toml").read_text().startswith("[tls]")


def test_the_user_and_the_certificate_can_be_used(tmp_path: Path) -> None:
    Files(tmp_path, time.time())
    users = HtpasswdFile(str(tmp_path / "users"))
    assert users.check_password(USER, PASSWORD)
    assert users.check_password(USER, "another") is False
    Identity.read(str(tmp_path / "front.pem"), str(tmp_path / "front.pem"))
