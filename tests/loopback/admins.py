"""An admin endpoint before a site's balancer, and who asks it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import attrs
from twisted.internet import reactor
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
)

from tests.loopback.site import Site, Talk
from twisted_lb.admin.answers import Api
from twisted_lb.admin.endpoint import Endpoint
from twisted_lb.admin.past import Past
from twisted_lb.admin.route import Refused
from twisted_lb.admin.views import Views
from twisted_lb.admin.web import Access, AdminResource
from twisted_lb.config.settings import AdminEndpoint
from twisted_lb.facility import set_level
from twisted_lb.terms import Address


@attrs.frozen
class Answer:
    """What was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Asker(Talk):
    """Who asks once, and leaves with the answer."""

    def readConnectionLost(self) -> None:
        super().readConnectionLost()
        self.closes()


class Admin:
    """The endpoint of a site whose balancer runs; every fact of it comes to what remembers."""

    def __init__(self, site: Site, settings: AdminEndpoint, metrics: Any = None) -> None:
        self.site = site
        self.settings = settings
        self.past = Past(time.time)
        self.stopped: list[float | None] = []
        self.refusal = ""
        """Why a reload fails; empty: it does not."""
        balancer = site.balancer
        note = balancer._note

        def noted(fact: Any) -> None:
            self.past(fact)
            note(fact)

        balancer._note = noted  # type: ignore[method-assign]
        for fact in site.facts:
            self.past(fact)
        views = Views(balancer, reactor, time.time, self.past, "1.2.3", time.time())
        api = Api(views, self._reload, self.stopped.append)
        resource = AdminResource(api, Access(), metrics, site.facts.append)
        self.endpoint = Endpoint(settings, resource, reactor, site.facts.append)
        self.endpoint.startService()

    def _reload(self) -> object:
        if self.refusal:
            raise Refused(409, self.refusal)
        return self.site.balancer.reload(self.site.balancer.settings)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        at: Address | None = None,
        **headers: str,
    ) -> Answer:
        """By the unix socket, or by TCP where `at` says; a body that is no bytes goes as JSON."""
        raw = (
            b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        )
        named = {"Host": str(at or "localhost"), "Connection": "close"}
        if body is not None:
            named |= {"Content-Type": "application/json", "Content-Length": str(len(raw))}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in named.items() if v)]
        talk = Asker()
        endpoint = (
            UNIXClientEndpoint(reactor, self.settings.socket)
            if at is None
            else TCP4ClientEndpoint(reactor, at.host, at.port)
        )
        await connectProtocol(endpoint, talk)
        talk.says("\r\n".join([*lines, "", ""]).encode("latin-1") + raw)
        await talk.gone()
        return answer(talk.heard)

    async def get(self, path: str) -> Any:
        """What is answered, which is no error."""
        found = await self.ask("GET", path)
        assert found.status == 200, found
        return found.json

    async def stop(self) -> None:
        set_level("all", "info")  # whoever asked may have changed it
        await self.endpoint.stopService()


def answer(raw: bytes) -> Answer:
    """A response as it came."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = _whole(body)
    return Answer(int(first.split()[1]), headers, body)


def _whole(chunked: bytes) -> bytes:
    parts = []
    while chunked:
        size, _, rest = chunked.partition(b"\r\n")
        parts.append(rest[: int(size, 16)])
        chunked = rest[int(size, 16) + 2 :]
    return b"".join(parts)


def socket_in(place: Path) -> AdminEndpoint:
    """A unix socket in this directory."""
    return AdminEndpoint(str(place / "admin.sock"))
