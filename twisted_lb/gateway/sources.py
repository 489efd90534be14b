"""Where the tunnel's tokens come from: a file, a command, or a token server.

In: the settings of a local port, the thumbprint that its token is to name. Out: a token as text, or
Unusable with a sentence for the user. Nobody is waited for beyond the deadline.
"""

from __future__ import annotations

import json
import os
import shlex
from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.protocol import ProcessProtocol, Protocol, connectionDone
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    FileBodyProducer,
    HTTPConnectionPool,
    ResponseDone,
)
from twisted.web.http_headers import Headers

from .passes import TOKEN_MOST, Unusable
from .settings import Local, TokenServer, TunnelSettings
from .wallet import Source

ANSWER_MOST: Final = 2 * TOKEN_MOST
"""Bytes that a command or a server may say: a token, and what is around it."""


def source(local: Local, settings: TunnelSettings, thumbprint: str, reactor: Any) -> Source:
    """How this local port comes by its tokens. Raises OSError, ValueError: a file is no good."""
    if local.token_file:
        return lambda: _from_file(local.token_file)
    if local.token_command:
        words = shlex.split(local.token_command)
        about = {"LB_DESTINATION": str(local.destination), "LB_THUMBPRINT": thumbprint}
        return lambda: _in_time(_run(reactor, words, about), settings, reactor)
    server = _Server(local, settings, thumbprint, reactor)
    return lambda: _in_time(server.ask(), settings, reactor)


async def _from_file(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            return file.read(ANSWER_MOST).decode("utf-8", "replace")
    except OSError as why:
        raise Unusable(f"{name}: {why.strerror}") from None


async def _in_time(coming: Deferred[str], settings: TunnelSettings, reactor: Any) -> str:
    deadline = reactor.callLater(settings.timeout.token, coming.cancel)
    try:
        return await coming
    except (Unusable, CancelledError):
        if deadline.active():
            raise
        raise Unusable("none came in time") from None
    finally:
        if deadline.active():
            deadline.cancel()


def _run(reactor: Any, words: list[str], about: dict[str, str]) -> Deferred[str]:
    try:
        return _Command(reactor, words, about).done
    except OSError as why:
        return fail(Unusable(f"{words[0]}: {why.strerror}"))


class _Command(ProcessProtocol):
    """Runs a command; what it prints is the token."""

    def __init__(self, reactor: Any, words: list[str], about: dict[str, str]) -> None:
        self.done: Deferred[str] = Deferred(lambda _: self._kill())
        self._name = words[0]
        self._said = bytearray()
        reactor.spawnProcess(self, words[0], words, {**os.environ, **about})

    def _kill(self) -> None:
        if self.transport is not None and self.transport.pid:
            self.transport.signalProcess("KILL")

    # IProcessProtocol

    def connectionMade(self) -> None:
        assert self.transport is not None, "a process has a transport"
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        self._said += data
        if len(self._said) > ANSWER_MOST:
            self._kill()

    def errReceived(self, data: bytes) -> None:
        """What it complains of is for its own log."""

    def processEnded(self, reason: Failure) -> None:
        if self.done.called:
            return
        code = getattr(reason.value, "exitCode", None)
        if code == 0:
            self.done.callback(self._said.decode("utf-8", "replace"))
        else:
            how = f"ended with {code}" if code is not None else "was killed"
            self.done.errback(Unusable(f"{self._name} {how}"))


class _Server:
    """Asks a token server, as docs/protocols/security-proxy.md says."""

    def __init__(
        self, local: Local, settings: TunnelSettings, thumbprint: str, reactor: Any
    ) -> None:
        server = settings.token_server
        self._url = server.url.encode("ascii")
        self._body = json.dumps(
            {
                "destination": str(local.destination),
                "roles": ["terminal"]
                if local.protocol == "terminal"
                else ["control", "data", "notification"],
                "cnf": {"x5t#S256": thumbprint},
                "parallel": settings.parallel,
            }
        ).encode()
        self._headers = _headers(server)
        policy = BrowserLikePolicyForHTTPS(_trust(server.ca))
        pool = HTTPConnectionPool(reactor, persistent=False)
        self._agent = Agent(reactor, policy, settings.timeout.token, pool=pool)

    def ask(self) -> Deferred[str]:
        """A token, of this very moment."""
        return Deferred.fromCoroutine(self._asked())

    async def _asked(self) -> str:
        try:
            response = await self._agent.request(
                b"POST", self._url, self._headers, FileBodyProducer(BytesIO(self._body))
            )
            said = _Answer()
            response.deliverBody(said)
            body = await said.done
        except Unusable:
            raise
        except Exception as why:  # whatever the web may fail of
            raise Unusable(f"the token server: {why or type(why).__name__}") from None
        if response.code == 401:
            raise Unusable("the token server does not take this user and password")
        if response.code // 100 != 2:
            raise Unusable(f"the token server said {response.code}")
        return _token_in(body)


def _headers(server: TokenServer) -> Headers:
    headers = Headers({b"content-type": [b"application/json"], b"user-agent": [b"lb-tunnel"]})
    if server.user:
        password = Path(server.password_file).read_text(encoding="utf-8").rstrip("\r\n")
        secret = b64encode(f"{server.user}:{password}".encode())
        headers.addRawHeader(b"authorization", b"Basic " + secret)
    return headers


def _trust(ca: str) -> Any:
    """What BrowserLikePolicyForHTTPS trusts; None: the platform's."""
    if not ca:
        return None
    marker = b"-----BEGIN CERTIFICATE-----"
    _, *blocks = Path(ca).read_bytes().split(marker)
    if not blocks:
        raise ValueError(f"{ca}: no certificates in PEM form")
    return trustRootFromCertificates([Certificate.loadPEM(marker + block) for block in blocks])


def _token_in(body: bytes) -> str:
    """The token of an answer: the member `token` of a JSON object, or the whole of it."""
    text = body.decode("utf-8", "replace").strip()
    if not text.startswith("{"):
        return text
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise Unusable("the token server's answer cannot be read") from None
    token = said.get("token")
    if not isinstance(token, str):
        raise Unusable("the token server's answer holds no token")
    return token


class _Answer(Protocol):
    """The body of an answer, up to a cap."""

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._stop())
        self._said = bytearray()

    def _stop(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    # IProtocol

    def dataReceived(self, data: bytes) -> None:
        self._said += data
        if len(self._said) > ANSWER_MOST and not self.done.called:
            self.done.errback(Unusable("the token server says too much"))
            self._stop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        if reason.check(ResponseDone):
            self.done.callback(bytes(self._said))
        else:
            self.done.errback(Unusable("the token server broke off"))
