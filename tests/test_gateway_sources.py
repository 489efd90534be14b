"""Tokens from a file, a command and a server, and what the user is told when none comes."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from twisted_lb.gateway.passes import Unusable
from twisted_lb.gateway.settings import (
    Front,
    Local,
    TokenServer,
    TunnelSettings,
    TunnelTimeout,
)
from twisted_lb.gateway.sources import ANSWER_MOST, source
from twisted_lb.terms import Address

HOST = Address("mainframe.example.com", 23)
LOCAL = Local("mainframe", (Address("127.0.0.1", 0),), HOST)
SETTINGS = TunnelSettings(
    Front(Address("front.example.com", 3000)), (LOCAL,), timeout=TunnelTimeout(token=2.0)
)


async def comes(local: Local, settings: TunnelSettings = SETTINGS) -> str:
    """The token, or what the user is told."""
    try:
        return await source(local, settings, "dGh1bWI", reactor)()
    except Unusable as why:
        return f"unusable: {why}"


# -- a file ----------------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_file_is_read_anew_for_every_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    local = attrs.evolve(LOCAL, token_file=str(file))
    assert await comes(local) == f"unusable: {file}: No such file or directory"
    file.write_text("one\n")
    assert await comes(local) == "one\n"
    file.write_text("two\n")
    assert await comes(local) == "two\n"


@pytest_twisted.ensureDeferred
async def test_no_more_is_read_of_a_file_than_a_token_may_be(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"x" * 10 * ANSWER_MOST)
    assert len(await comes(attrs.evolve(LOCAL, token_file=str(tmp_path / "token")))) == ANSWER_MOST


# -- a command -------------------------------------------------------------------------------------


def command(place: Path, script: str) -> Local:
    """A local port whose command is this script of the shell."""
    file = place / "give token"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return attrs.evolve(LOCAL, token_command=f"'{file}' now")


@pytest_twisted.ensureDeferred
async def test_a_command_is_told_what_the_token_is_for(tmp_path: Path) -> None:
    local = command(tmp_path, 'echo "$1 $LB_DESTINATION $LB_THUMBPRINT"; echo noise >&2')
    assert await comes(local) == "now mainframe.example.com:23 dGh1bWI\n"


@pytest_twisted.ensureDeferred
async def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    local = command(tmp_path, "echo half; exit 3")
    assert await comes(local) == f"unusable: {tmp_path}/give token ended with 3"
    missing = attrs.evolve(LOCAL, token_command="/nowhere/print-token")
    assert await comes(missing) == "unusable: /nowhere/print-token: No such file or directory"


@pytest_twisted.ensureDeferred
async def test_a_command_that_says_too_much_is_ended(tmp_path: Path) -> None:
    local = command(tmp_path, "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done")
    assert await comes(local) == f"unusable: {tmp_path}/give token was killed"


@pytest_twisted.ensureDeferred
async def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    local = command(tmp_path, f"echo $$ >'{tmp_path}/pid'; exec sleep 60")
    brief = attrs.evolve(SETTINGS, timeout=TunnelTimeout(token=0.5))
    assert await comes(local, brief) == "unusable: none came in time"
    pid = int((tmp_path / "pid").read_text())
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        await pause()
    raise AssertionError("it lives")


async def pause() -> None:
    waited: Deferred[None] = Deferred()
    reactor.callLater(0.01, waited.callback, None)
    await waited


# -- a server --------------------------------------------------------------------------------------


class Tokens(Resource):
    """A token server that a test leads."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []
        self.status, self.answer = 200, b'{"token": "one"}'
        self.silent = False

    def render_POST(self, request: Any) -> Any:
        body = json.loads(request.content.read())
        self.asked.append((request.getUser(), request.getPassword(), body))
        if self.silent:
            return NOT_DONE_YET
        request.setResponseCode(self.status)
        return self.answer


@pytest_twisted.async_yield_fixture()
async def tokens() -> AsyncIterator[Tokens]:
    served = Tokens()
    port = reactor.listenTCP(0, Site(served), interface="127.0.0.1")
    served.url = f"http://127.0.0.1:{port.getHost().port}/token"
    yield served
    await port.stopListening()
    await pause()


def asking(tokens: Tokens, **changed: Any) -> TunnelSettings:
    return attrs.evolve(SETTINGS, token_server=TokenServer(tokens.url, **changed))


@pytest_twisted.ensureDeferred
async def test_a_server_is_asked_for_a_token_that_is_bound_to_our_key(
    tokens: Tokens, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("se:cret\n")
    settings = asking(tokens, user="joe", password_file=str(tmp_path / "password"))
    assert await comes(LOCAL, settings) == "one"
    assert await comes(attrs.evolve(LOCAL, protocol="ftp"), settings) == "one"
    terminal, ftp = tokens.asked
    assert terminal == (
        b"joe",
        b"se:cret",
        {
            "destination": "mainframe.example.com:23",
            "roles": ["terminal"],
            "cnf": {"x5t#S256": "dGh1bWI"},
            "parallel": 8,
        },
    )
    assert ftp[2]["roles"] == ["control", "data", "notification"]


@pytest.mark.parametrize(
    ("status", "answer", "told"),
    [
        (200, b"plain\n", "plain"),
        (401, b"{}", "unusable: the token server does not take this user and password"),
        (403, b"{}", "unusable: the token server said 403"),
        (200, b"{", "unusable: the token server's answer cannot be read"),
        (200, b"{}", "unusable: the token server's answer holds no token"),
        (200, b"x" * 2 * ANSWER_MOST, "unusable: the token server says too much"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_a_server_may_say(tokens: Tokens, status: int, answer: bytes, told: str) -> None:
    tokens.status, tokens.answer = status, answer
    assert await comes(LOCAL, asking(tokens)) == told
    await pause()


@pytest_twisted.ensureDeferred
async def test_a_server_that_says_nothing_is_not_waited_for(tokens: Tokens) -> None:
    tokens.silent = True
    brief = attrs.evolve(asking(tokens), timeout=TunnelTimeout(token=0.3))
    assert await comes(LOCAL, brief) == "unusable: none came in time"
    await pause()


@pytest_twisted.ensureDeferred
async def test_a_server_that_is_not_there_is_told() -> None:
    settings = attrs.evolve(SETTINGS, token_server=TokenServer("http://127.0.0.1:9/token"))
    assert (await comes(LOCAL, settings)).startswith("unusable: the token server: ")


def test_a_file_without_authorities_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    server = TokenServer("https://mss.example.com/", ca=str(tmp_path / "ca.pem"))
    with pytest.raises(ValueError, match="no certificates in PEM form"):
        source(LOCAL, attrs.evolve(SETTINGS, token_server=server), "", reactor)
