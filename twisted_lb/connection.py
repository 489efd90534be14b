"""The path of one connection: opened, claimed, reached, joined. Read `carry` first.

In: a client's End. Out: a relay that owns both Ends, or one word. Losing the client cancels the
path until the relay has joined; from then on the relay names the ending.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Final, Protocol, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall

from .accept import proxy_header
from .backend import Errand, Judge, LiveBackend, Reach, home
from .claims import Claims, Seat
from .config.settings import Frontend, Group, ServerRule
from .contexts import ClientTls
from .ends import End, Tuning
from .errors import Ended
from .facility import logger
from .facts import AttackSeen, ConnectionEnded, Note, Secured
from .hints import Hints
from .opening import Answer, Dialogue, Refuse, Shown, StartTls, Verdict, network
from .reactors import Reactor
from .secure import serve_tls
from .sight import Overheard, Sight, Sources
from .terms import Address, Ending, Role, Route, TlsFacts
from .wire.proxyheader import (
    ALPN,
    AUTHORITY,
    UNIQUE_ID,
    encode_v1,
    encode_v2,
    session_tlv,
    ssl_tlv,
)
from .wire.proxyssl import ClientSsl

FAREWELL_TIMEOUT = 5.0
"""Seconds that a client who is refused gets to read why."""

NOWHERE: Final = Address("", 0)
"""Which of our addresses it was does not matter any more."""

log = logger(__name__)
T = TypeVar("T")


class Spoken(Protocol):
    """What is spoken on a frontend, as far as the path needs to know."""

    def judge(self) -> Judge | None:
        """Who reads the server's greeting, if the server speaks first."""

    def last_words(self, word: Ending) -> bytes:
        """What a client is told that ends with this word before it was joined."""

    def join(self, client: End, server: End, story: Story) -> None:
        """Take both Ends; tell the story when it is over."""


@attrs.frozen(eq=False)
class Parts:
    """What the connections of one frontend go through; shared by all of them."""

    frontend: Frontend
    groups: Mapping[str, Group]
    backends: Mapping[str, LiveBackend]
    reactor: Reactor
    claims: Claims
    reach: Reach
    note: Note
    dialogue: Callable[[Shown], Dialogue]
    spoken: Spoken
    hints: Hints
    tls: ClientTls | None = None
    """Where TLS ends here: what is shown to clients."""
    sources: Sources | None = None
    """Where channels are observed: who counts them."""
    introduced: Callable[[End, Address], None] = lambda end, client: None
    """Told whom a PROXY header names. Raises Ended."""


class Story:
    """One client connection from its arrival to its end, for the log and for those who wait."""

    __slots__ = (
        "_client",
        "_gone",
        "_told",
        "began",
        "cut",
        "id",
        "local",
        "name",
        "parts",
        "peer",
        "role",
        "seat",
        "server",
        "sight",
    )

    def __init__(self, id: str, client: End, parts: Parts, gone: Callable[[Story], None]) -> None:
        self.id = id
        self.parts = parts
        self._client: End | None = client
        self.peer = client.peer
        self.local = client.local
        self.began = parts.reactor.seconds()
        self.role: Role = ""
        """What its route says; empty until it is known."""
        self.name = ""
        """The server that its client asks for by name, if it does."""
        self.seat: Seat | None = None
        self.sight: Sight | None = None
        """What is seen of it, where channels are observed."""
        self.server = ""
        """The server that it was joined to, for the log: its session may have let go of it."""
        self.cut: Callable[[], None] = client.abort
        """Close every socket of it now, with resets; whoever joins it says how."""
        self._gone = gone
        self._told = False

    @property
    def client(self) -> End:
        """The client, until it was handed over."""
        assert self._client is not None, "the relay has it"
        return self._client

    def hand_over(self) -> None:
        """The client's End is a relay's from here on: an idle session keeps nothing it has no use
        for."""
        self._client = None
        self.local = NOWHERE

    def ended(
        self, word: Ending, from_client: int = 0, from_server: int = 0, detail: str = ""
    ) -> None:
        """The channel is over: it leaves its session, and the log hears of it. Once."""
        if self._told:
            return
        self._told = True
        session, server = "", self.server
        if self.seat is not None:
            session, server = self.seat.session.id, server or str(self.seat.session.server or "")
            self.parts.claims.left(self.seat, word)
        now = self.parts.reactor.seconds()
        told = ConnectionEnded(
            self.id,
            self.parts.frontend.name,
            self.peer,
            word,
            now - self.began,
            session,
            self.role,
            server,
            from_client,
            from_server,
            detail,
        )
        self.parts.note(told)
        if self.sight is not None:
            self.parts.note(self.sight.ended(told, now))

    def gone(self) -> None:
        """Every socket of it is closed."""
        self._gone(self)


async def carry(story: Story) -> None:
    """Take one client from its first byte to its server."""
    parts = story.parts
    try:
        route = await open_route(story)
        story.role, story.name = route.role, route.name
        log.debug("{id} shows {route}", id=story.id, route=route)
        server = await _within(pin(story, route), parts.frontend.timeout.pin, parts)
        join(server, story)
        log.debug("{id} is joined to {server}", id=story.id, server=story.server)
        return
    except CancelledError:
        why = Ended("client-left")
    except TimeoutError:
        why = Ended("too-slow", "no server had answered by the deadline")
    except Ended as ended:
        why = ended
    except Exception:
        log.failure("connection {id} failed", id=story.id)
        why = Ended("internal-error")
    story.ended(why.word, detail=why.detail)
    farewell(story, why)


def join(server: End, story: Story) -> None:
    """Hand both Ends to what is spoken here; a server that cannot be joined is not left open."""
    assert story.seat is not None, "a server is reached from a seat"
    story.server = str(story.seat.session.server)
    try:
        story.parts.spoken.join(story.client, server, story)
    except BaseException:
        server.abort()
        raise


async def open_route(story: Story) -> Route:
    """Read what the client shows until a route is known. Raises Ended.

    One deadline for all of it: what the PROXY header took, the rest has no more.
    """
    client, parts = story.client, story.parts
    proxied: Address | None = None
    if parts.frontend.proxy.mode == "required":
        proxied = await read_proxy_header(story)
    shown = Shown(story.id, story.peer, client.local, proxied)
    dialogue = overheard(story, parts.dialogue(shown))
    verdict = dialogue.take(bytes(client.held))
    if not isinstance(verdict, (Route, Refuse)):
        left = parts.frontend.timeout.opening - (parts.reactor.seconds() - story.began)
        try:
            verdict = await _within(talk(client, dialogue, verdict, parts), max(0.0, left), parts)
        except TimeoutError:
            verdict = dialogue.silence()
    if isinstance(verdict, Refuse):
        raise Ended(verdict.word, verdict.detail, verdict.last_words)
    return verdict


def overheard(story: Story, dialogue: Dialogue) -> Dialogue:
    """The same; where channels are observed, this one is from here on."""
    parts = story.parts
    if parts.sources is None:
        return dialogue
    port = story.client.local.port
    story.sight = parts.sources.arrives(story.peer.host, port, story.began)
    return Overheard(dialogue, story.sight, parts.reactor.seconds)


async def read_proxy_header(story: Story) -> Address | None:
    """The client's own address, as the proxy in front of us gives it. Raises Ended."""
    client, parts = story.client, story.parts
    try:
        header = await _within(proxy_header(client), parts.frontend.timeout.proxy, parts)
    except TimeoutError:
        raise Ended("too-slow", "no PROXY header by the deadline") from None
    except Ended as why:
        if why.word == "wire-error":
            parts.note(AttackSeen("proxy-spoof", parts.frontend.name, story.peer, why.detail))
        raise
    if header.source is not None and not header.local:
        story.peer = client.peer = header.source
    if not header.local:
        parts.introduced(client, client.peer)
    if header.destination is not None and not header.local:
        story.local = header.destination
    return header.source


async def talk(client: End, dialogue: Dialogue, verdict: Verdict, parts: Parts) -> Route | Refuse:
    """Go on with the dialogue after this verdict; bytes that are held stay so. Raises Ended."""
    heard = len(client.held)
    while not isinstance(verdict, (Route, Refuse)):
        if isinstance(verdict, StartTls):
            dialogue.secured(await end_tls(client, verdict.certificate, parts))
            heard = 0
        elif isinstance(verdict, Answer):
            client.write(verdict.data)
        elif client.eof or client.lost:
            return no_more(dialogue)
        else:
            await client.more()
        verdict = dialogue.take(bytes(client.held[heard:]))
        heard = len(client.held)
    return verdict


def no_more(dialogue: Dialogue) -> Route:
    """Who says nothing more is judged by what was said. Raises Ended("client-left")."""
    verdict = dialogue.silence()
    if isinstance(verdict, Refuse):
        raise Ended("client-left", "before it showed where to go")
    return verdict


async def end_tls(client: End, certificate: int, parts: Parts) -> TlsFacts:
    """TLS with the client ends here: what it holds from now on was inside. Raises Ended."""
    assert parts.tls is not None, "only a frontend that terminates asks for TLS"
    context = parts.tls.context(certificate)
    facts = await serve_tls(client, context, parts.frontend.timeout.opening, parts.reactor)
    parts.note(Secured("client", facts.version, facts.resumed))
    return facts


async def pin(story: Story, route: Route) -> End:
    """A seat in the session of this route, and an End of its server. Raises Ended."""
    parts = story.parts
    group = parts.groups[route.group]
    story.seat = await parts.claims.claim(group, route.key, route.role)
    session = story.seat.session
    if session.group is group:
        session.home = parts.backends[group.backend]
    errand = Errand(
        route,
        home(session),
        header=lambda rule, seat: proxy_out(story, rule, seat),
        judge=parts.spoken.judge,
        greeting_timeout=parts.frontend.ftp.greeting_timeout,
        hints=parts.hints,
        source=lambda: network(story.peer, group) or "",
        hint=hinted(story),
        tuning=Tuning(parts.frontend.keepalive, parts.frontend.user_timeout),
        came_to=story.client.local.port,
    )
    return await parts.reach(story.seat, errand)


def hinted(story: Story) -> str:
    """What hints know this client by: the first it shows of what its frontend goes by."""
    tls = story.client.tls
    shown = {"certificate": tls.thumbprint if tls is not None else "", "source": story.peer.host}
    kinds = story.parts.frontend.ftp.sticky
    return next((f"{kind} {shown[kind]}" for kind in kinds if shown[kind]), "")


def proxy_out(story: Story, rule: ServerRule, seat: Seat) -> bytes:
    """The PROXY header that this server wants, naming the client, the session and the role."""
    if rule.send_proxy == "off":
        return b""
    # A unix socket's client has no address that could be told.
    peer = story.peer if story.peer.host else None
    local = story.local if story.local.host else None
    if rule.send_proxy == "v1":
        return encode_v1(peer, local)
    channel = seat.channel
    tlvs = [
        (UNIQUE_ID, story.id.encode()),
        session_tlv(channel.role, channel.session.id),
    ]
    if story.name:
        tlvs.insert(0, (AUTHORITY, story.name.encode()))
    if story.client.tls is not None:
        tlvs += tls_tlvs(story.client.tls)
    return encode_v2(peer, local, tlvs, crc=True)


def tls_tlvs(tls: TlsFacts) -> Iterator[tuple[int, bytes]]:
    """What TLS that ended here showed of the client, for a server that trusts us."""
    if tls.alpn:
        yield ALPN, tls.alpn.encode()
    yield ssl_tlv(
        ClientSsl(
            tls.version,
            tls.cipher,
            tls.certificate,
            tls.common_name,
            bool(tls.certificate),
            tls.verified,
            tls.resumed,
        )
    )


def farewell(story: Story, why: Ended) -> None:
    """Tell a client why it is refused, and close.

    It closes first, if it does so in time: closing on what it still says would be a reset, and a
    reset may take the words out of its hands.
    """
    client, parts = story.client, story.parts
    words = why.last_words or parts.spoken.last_words(why.word)
    late = parts.reactor.callLater(FAREWELL_TIMEOUT, client.abort)
    if words:
        client.write(words)
        client.finish()
    else:
        client.abort()
    client.give(_Parting(story, late))


@attrs.frozen
class _Parting:
    """Receiver of a client that was refused."""

    story: Story
    late: IDelayedCall

    # Receiver

    def data(self, data: bytes) -> None:
        pass  # nobody is there to read it

    def eof(self) -> None:
        self.story.client.close()

    def lost(self, clean: bool) -> None:
        if self.late.active():
            self.late.cancel()
        self.story.gone()


def _within(doing: Coroutine[Any, Any, T], seconds: float, parts: Parts) -> Deferred[T]:
    """The same, with a deadline: TimeoutError."""
    return Deferred.fromCoroutine(doing).addTimeout(seconds, parts.reactor)
