"""A gateway to test on: security proxies and a tunnel in this process, hosts behind them.

Tokens are what an issuer would sign, without the signature: who may do what is the gateway's own
business here, and token.py has tests of its own.
"""

from __future__ import annotations

import datetime
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any

from twisted.internet import reactor

from tests.certificates import Authority, written
from tests.loopback.ftp_site import FtpSite
from tests.loopback.ftp_talks import Visitor
from twisted_lb.dial import dial
from twisted_lb.ends import End
from twisted_lb.errors import Ended
from twisted_lb.gateway.clientkey import ClientKey, client_key
from twisted_lb.gateway.frontend import FrontEnd, context
from twisted_lb.gateway.grants import Denied, Grant
from twisted_lb.gateway.openingline import Answer, Opening
from twisted_lb.gateway.passes import read_pass
from twisted_lb.gateway.proxy import SecurityProxy
from twisted_lb.gateway.settings import (
    Certificate,
    Destination,
    Front,
    Ftp,
    Key,
    Limits,
    Listener,
    Local,
    ProxySettings,
    ProxyTimeout,
    Tokens,
    TunnelSettings,
    TunnelTimeout,
)
from twisted_lb.gateway.tunnel import Tunnel
from twisted_lb.secure import dial_tls
from twisted_lb.terms import Address
from twisted_lb.tls import ClientContext, ClientHandshake

NAME = "front.example"
ALL_ROLES = ("terminal", "control", "data", "notification")


def mint(key: ClientKey | None, destination: Address, sid: str = "s1", **changed: Any) -> str:
    """A token for whoever has this key."""
    claims = {
        "sub": "joe",
        "sid": sid,
        "dst": [destination.host, destination.port],
        "roles": ALL_ROLES,
        "exp": time.time() + 600,
        "par": 8,
        "cnf": key.thumbprint if key else "",
        **changed,
    }
    body = urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.c2ln"


def verify(token: str) -> Grant:
    """What it says; it is not signed by anybody."""
    try:
        body = token.split(".")[1]
        said = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, IndexError):
        raise Denied("malformed") from None
    roles = frozenset(said["roles"])
    return Grant(said["sub"], said["sid"], Address(*said["dst"]), roles, said["par"], said["cnf"])


def new_key() -> ClientKey:
    return client_key(Key(), datetime.datetime.now(datetime.UTC))


class Gateways(FtpSite):
    """A site with security proxies and a tunnel."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self._readers = set(reactor.getReaders())
        """Who was there before; whoever comes is gone in the end."""
        self.authority = Authority()
        self.ca = written(self.authority.pem, home / "ca.pem")
        self.certificate = written(self.authority.sign(NAME), home / "front.pem")
        self.key = new_key()
        self.stolen = False
        """Whether the tunnel's tokens are bound to somebody else's key."""
        self.proxies: list[SecurityProxy] = []
        self.tunnels: list[Tunnel] = []
        self.ends: list[End] = []

    # -- the parts ----------------------------------------------------------------------------

    def proxy(
        self, host: str = "127.0.0.1", port: int = 0, listener: Any = None, **changed: Any
    ) -> Address:
        """Start a security proxy; where it listens. `listener` changes its listener."""
        listens = {"name": "main", "listen": (Address(host, port),), **(listener or {})}
        settings = ProxySettings(
            **{
                "tls": Certificate(self.certificate),
                "listeners": (Listener(**listens),),
                "destinations": (Destination("127.0.0.0/8", (1, 65_535)),),
                "tokens": Tokens((), NAME),
                "ftp": Ftp(data_timeout=5.0, grace=2.0),
                "timeout": ProxyTimeout(opening=5.0, host=2.0),
                "limits": Limits(drain=0.0),
                **changed,
            }
        )
        proxy = SecurityProxy(settings, reactor, self.facts.append, verify)
        proxy.startService()
        self.proxies.append(proxy)
        return proxy.address("main")

    def tunnel(self, at: Address, *locals: Local, **changed: Any) -> Tunnel:
        """Start a tunnel to this front-end, with tokens of its own. `key`: another one than that
        of all; `user`: whom they are for."""
        key, user = changed.pop("key", self.key), changed.pop("user", "joe")
        settings = TunnelSettings(
            **{
                "front": Front(at, NAME, self.ca),
                "locals": locals,
                "ftp": Ftp(data_timeout=5.0, grace=2.0),
                "timeout": TunnelTimeout(connect=5.0, token=5.0),
                "limits": Limits(drain=0.0),
                **changed,
            }
        )
        tunnel = Tunnel(
            settings,
            reactor,
            self.facts.append,
            key,
            lambda local: self.source(local, key, user),
            time.time,
        )
        tunnel.startService()
        self.tunnels.append(tunnel)
        return tunnel

    def source(self, local: Local, key: ClientKey, user: str) -> Any:
        """Where this local port's tokens come from: as many as are asked for."""
        count, others = 0, len(self.tunnels)

        async def token() -> str:
            nonlocal count
            count += 1
            bound = new_key() if self.stolen else key
            sid = f"{local.name}{count}" + (f"-{others}" if others else "")
            return mint(bound, local.destination, sid, sub=user)

        return token

    async def logs_in(
        self, tunnel: Tunnel, local: str = "ftp", source: str = "127.0.0.1"
    ) -> Visitor:
        """An ordinary FTP client at a local port of the tunnel."""
        visitor: Visitor = await self.connect(tunnel.address(local), source, Visitor(self))
        await visitor.login()
        return visitor

    # -- a client without a tunnel --------------------------------------------------------------

    async def opens(
        self,
        at: Address,
        opening: Opening,
        key: ClientKey | None = None,
        names: tuple[str, ...] | None = None,
    ) -> tuple[End, Answer]:
        """A channel to a proxy, answered with 200. Raises Ended. `names`: of another ClientHello
        than the session's."""
        front = Front(at, NAME, self.ca)
        ca, identity = Path(self.ca).read_bytes(), (key or self.key).identity
        speaks = context(opening.session, front, ca, identity)
        if names is not None:
            speaks = ClientContext(ca, identity=identity, alpn=names)
        end, answer = await FrontEnd(front, reactor, 5.0, speaks).open(opening)
        self.ends.append(end)
        return end, answer

    async def speaks_tls(self, at: Address) -> End:
        """A connection to a proxy, after its handshake."""
        front = Front(at, NAME, self.ca)
        speaks = context("none", front, Path(self.ca).read_bytes(), self.key.identity)
        end = await dial(reactor, at, 5.0)
        self.ends.append(end)
        await dial_tls(end, ClientHandshake(speaks, NAME), 5.0, reactor)
        return end

    async def asks(self, at: Address, token: str, role: str = "terminal") -> str:
        """What a client is told that shows this token: `welcome`, or why not."""
        session = read_pass(token).sid
        try:
            end, _ = await self.opens(at, Opening(role, session, token))
        except Ended as why:
            return why.detail
        end.abort()
        return "welcome"

    # -- the end --------------------------------------------------------------------------------

    async def stop(self) -> None:
        for end in self.ends:
            if not end.lost:
                end.abort()
        for service in [*self.tunnels, *self.proxies]:
            if service.running:
                await service.stopService()
        await super().stop()
        await self.until(lambda: set(reactor.getReaders()) <= self._readers)
