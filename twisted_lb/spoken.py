"""What may be spoken on a frontend: how its server greets, how its channels are joined.

In: a client and a server End that belong together. Out: a relay for opaque bytes, a conversation
with data channels for FTP.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from weakref import WeakKeyDictionary

import attrs
from twisted.internet.defer import Deferred, TimeoutError

from .accept import proxy_header
from .backend import Judge, LiveBackend, home
from .claims import Seat
from .config.settings import FtpRules
from .connection import Story, proxy_out
from .converse import Converse
from .ends import End, address
from .errors import Ended
from .facts import AttackSeen
from .meet import Circle
from .ports import Front, PortRange
from .protocols.actions import Side
from .protocols.ftp.circumstances import Circumstances, ServerMemory
from .protocols.ftp.control import FtpControl
from .protocols.ftp.failedlogins import FailedLogins
from .protocols.ftp.greeting import Greeting
from .reactors import Reactor
from .relay import Idle, Joined, Watching
from .relay import join as join_ends
from .securing import Securing, Speaks, TowardServer
from .terms import LEARNED, MORE, Address, Ending, Key, Server
from .ways import Nearby
from .wire.address import within
from .wire.clienthello import read_hello
from .wire.serverflight import ServerFlight, tls_session_key


class Opaque:
    """Bytes that are nobody's business: opaque, and terminal with its patient defaults."""

    def __init__(self, reactor: Reactor, idle: Idle) -> None:
        self._reactor = reactor
        self._idle = idle

    # Spoken

    def judge(self) -> Judge | None:
        return None

    def last_words(self, word: Ending) -> bytes:
        return b""

    def join(self, client: End, server: End, story: Story) -> None:
        seat = seat_of(story)
        channel = _Relayed(story, seat, self._idle)
        watch, overhear = self._watches(client, story)
        joined = join_ends(client, server, self._reactor, channel, watch=watch, overhear=overhear)
        seat.on_stop, seat.joined = joined.stop, joined
        story.cut = channel.cut
        story.hand_over()
        if seat.session.group.idle is not None:
            self._idle.watch(seat.session, joined)
        joined.start()

    def _watches(self, client: End, story: Story) -> tuple[Watching | None, Watching | None]:
        """Who looks at the beginning of what the server says, and of what the client says."""
        learns, sight, now = learning(client, story), story.sight, self._reactor.seconds
        if sight is None:
            return learns, None
        sight.relayed()

        def heard(data: bytes) -> bool:
            return sight.server_says(data, now())

        def overheard(data: bytes) -> bool:
            return sight.client_says(data, now())

        return each_of(learns, heard), overheard


@attrs.frozen(eq=False, weakref_slot=False)
class _Relayed:
    """An opaque channel that is joined; as small as can be, for there may be many."""

    story: Story
    seat: Seat
    idle: Idle

    def __call__(self, joined: Joined) -> None:
        """Both sides are gone."""
        self.idle.unwatch(self.seat.session, joined)
        self.story.ended(joined.ending, joined.from_client, joined.from_server)
        self.story.gone()

    def cut(self) -> None:
        """End it now."""
        assert self.seat.on_stop is not None, "it is joined"
        self.seat.on_stop("killed")


def learning(client: End, story: Story) -> Watching | None:
    """Who watches for the TLS sessions that the server gives, where those are keys."""
    session = seat_of(story).session
    if LEARNED not in session.group.key:
        return None
    hello = read_hello(bytes(client.held))
    assert hello is not MORE, "the route was known by the whole hello"
    shown = hello.ticket or hello.session_id
    flight = ServerFlight(hello.session_id, tls_session_key(shown) if shown else "")

    def watch(data: bytes) -> bool:
        for value in flight.take(data):
            story.parts.claims.learn(session, Key(LEARNED, value))
        return not flight.done

    return watch


def each_of(*watches: Watching | None) -> Watching:
    """One that lets each of these see, until it has seen enough."""
    looking = [watch for watch in watches if watch is not None]

    def watch(data: bytes) -> bool:
        looking[:] = [each for each in looking if each(data)]
        return bool(looking)

    return watch


class Ftp:
    """FTP: the control channel is understood, its data channels are announced and met.

    Data ports are drawn from the frontend's ranges; what a server taught about EPSV and EPRT is
    remembered for all conversations with it.
    """

    def __init__(
        self,
        idle: Idle,
        rules: FtpRules,
        choose: Callable[[int], int],
        former: Ftp | None = None,
    ) -> None:
        """`former` spoke here by rules that were changed: what it knows is known."""
        self._idle = idle
        self._rules = rules
        self.ports = {
            Side.CLIENT: PortRange(rules.passive_ports, choose),
            Side.SERVER: PortRange(rules.server_ports, choose),
        }
        """Where data listeners stand, for connections from each side."""
        self._failed_logins = FailedLogins(rules.failed_logins, os.urandom(32))
        self._memories: WeakKeyDictionary[Server, ServerMemory] = WeakKeyDictionary()
        if former is not None:
            self._succeed(former)

    def _succeed(self, former: Ftp) -> None:
        """Ports that are in use are not drawn, and guesses at passwords stay counted."""
        ours, theirs = self._rules, former._rules
        self._memories = former._memories
        if ours.passive_ports == theirs.passive_ports:
            self.ports[Side.CLIENT] = former.ports[Side.CLIENT]
        if ours.server_ports == theirs.server_ports:
            self.ports[Side.SERVER] = former.ports[Side.SERVER]
        if ours.failed_logins == theirs.failed_logins:
            self._failed_logins = former._failed_logins

    # Spoken

    def judge(self) -> Judge | None:
        return Greeting()

    def last_words(self, word: Ending) -> bytes:
        return b"421 Service not available, try again later.\r\n"

    def join(self, client: End, server: End, story: Story) -> None:
        seat = seat_of(story)
        control = {Side.CLIENT: client, Side.SERVER: server}

        def finished(word: Ending) -> None:
            self._idle.unwatch(seat.session, converse)
            story.ended(word, converse.count[Side.CLIENT], converse.count[Side.SERVER])

        machine = FtpControl(self._circumstances(control, story))
        converse = Converse(machine, self._circle(control, story), finished, story.gone)
        seat.on_stop, seat.joined = converse.stop, converse
        story.cut = converse.abort
        self._idle.watch(seat.session, converse)
        converse.start()

    def _circumstances(self, control: dict[Side, End], story: Story) -> Circumstances:
        session = seat_of(story).session
        assert session.server is not None, "a joined channel has a server"
        return Circumstances(
            client=control[Side.CLIENT].peer,
            client_local=story.local,
            ours=(control[Side.CLIENT].local.host,),
            server=control[Side.SERVER].peer,
            server_local=control[Side.SERVER].local,
            rules=story.parts.frontend.ftp,
            login_timeout=story.parts.frontend.timeout.login,
            tls=story.parts.frontend.tls,
            server_tls=backend_of(story).settings.tls,
            memory=self._memories.setdefault(session.server, ServerMemory()),
            tries=self._failed_logins.tries(control[Side.CLIENT].peer.host),
            session=session.id,
            server_name=str(session.server),
            frontend=story.parts.frontend.name,
        )

    def _circle(self, control: dict[Side, End], story: Story) -> Circle:
        parts, rules = story.parts, story.parts.frontend.ftp
        session = seat_of(story).session

        def header(seat: Seat) -> bytes:
            assert session.server is not None, "a data channel's session has a server"
            return proxy_out(story, backend_of(story).rules[session.server], seat)

        def stranger(peer: Address) -> None:
            parts.note(AttackSeen("data-theft", parts.frontend.name, peer))

        near = {s: Nearby(parts.reactor, control[s], self.ports[s], stranger) for s in Side}
        near[Side.CLIENT] = attrs.evolve(near[Side.CLIENT], front=front(story))
        return Circle(
            parts.reactor,
            parts.claims,
            self._idle,
            parts.note,
            session,
            control,
            near,
            rules.data_timeout,
            rules.stall_timeout,
            header if rules.proxy_data else lambda seat: b"",
            securing(control, story, stranger),
            rules.tls.reuse == "required",
        )


def securing(
    control: dict[Side, End], story: Story, on_stranger: Callable[[Address], None]
) -> Securing:
    """The TLS of this session's connections."""
    parts, backend = story.parts, backend_of(story)
    session = seat_of(story).session
    assert session.server is not None, "a joined channel has a server"
    server = None
    if backend.tls is not None:
        name = backend.tls.settings.name_of(backend.rules[session.server])
        server = Speaks(backend.tls.context, name)
    tolerant = parts.frontend.ftp.tls.unclean_close == "tolerate"
    toward = TowardServer(
        parts.reactor, control[Side.SERVER], server, parts.frontend.timeout.opening, tolerant
    )
    client = control[Side.CLIENT]
    return Securing(
        parts.reactor, parts.frontend, client, parts.tls, toward, on_stranger, parts.note
    )


def backend_of(story: Story) -> LiveBackend:
    """The backend whose server a joined channel has."""
    return home(seat_of(story).session)


def front(story: Story) -> Front | None:
    """The proxy that brought this client, and may bring its data connections, too (T91)."""
    parts, rule = story.parts, story.parts.frontend.proxy
    if rule.mode == "off":
        return None

    async def introduced(end: End) -> Address:
        reading = Deferred.fromCoroutine(proxy_header(end))
        try:
            header = await reading.addTimeout(parts.frontend.timeout.proxy, parts.reactor)
        except TimeoutError:
            why = Ended("too-slow", "a data connection without a PROXY header")
        except Ended as ended:
            why = ended
        else:
            return end.peer if header.source is None or header.local else header.source
        if why.word != "client-left":  # as a check of the proxy's would
            parts.note(AttackSeen("proxy-spoof", parts.frontend.name, end.peer, why.detail))
        raise why

    return Front(
        trusts=lambda host: within(host, rule.trusted),
        introduced=lambda end: Deferred.fromCoroutine(introduced(end)),
        bare=address(story.client.transport.getPeer()).host if rule.bare_data else "",
    )


def seat_of(story: Story) -> Seat:
    """The seat of a story that has come as far as to be joined."""
    assert story.seat is not None, "joined channels have a seat"
    return story.seat
