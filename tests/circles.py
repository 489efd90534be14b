"""A pinned session between a client and a server, on a reactor without a network: what data
channels are announced on in tests."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.defer import Deferred

from tests.fakes import Listening, Wire, World
from twisted_lb.claims import Claims, Seat
from twisted_lb.config.settings import Group, RoleRule
from twisted_lb.ends import End
from twisted_lb.facts import AttackSeen, Fact
from twisted_lb.meet import Circle
from twisted_lb.ports import PortRange
from twisted_lb.protocols.actions import Side
from twisted_lb.relay import Idle
from twisted_lb.session import Sessions
from twisted_lb.terms import Address, Key, Server
from twisted_lb.ways import Nearby

CLIENT, REACHED = "192.0.2.9", "192.0.2.1"
SERVER, OURS = "198.51.100.1", "198.51.100.254"
TIMEOUT = 30.0
STALL = 300.0
GROUP = Group(
    "ftp",
    "pool",
    key=("connection",),
    linger=0.0,
    roles={"control": RoleRule(principal=True), "data": RoleRule()},
    idle=900.0,
)


class Round:
    """The session, both control connections, and the circle of their data channels."""

    def __init__(
        self,
        span: tuple[int, int] = (40_000, 40_009),
        maxconn: int | None = None,
        header: Callable[[Seat], bytes] = lambda seat: b"",
        group: Group = GROUP,
        strict: bool = False,
    ) -> None:
        self.world = World()
        self.facts: list[Fact] = []
        self.server = Server("pool", "a", SERVER, maxconn=maxconn)
        sessions = Sessions(capacity=10, secret=b"s", owner="t")
        self.claims = Claims(sessions, self.world, self.facts.append)
        self.idle = Idle(self.world, self.claims.end)
        self.seat = self._pinned(group)
        self.control = {
            Side.CLIENT: Wire(peer=CLIENT, host=REACHED),
            Side.SERVER: Wire(peer=SERVER, host=OURS),
        }
        self.ports = {
            Side.CLIENT: PortRange(span, Random(1).randrange, World.listenTCP),
            Side.SERVER: PortRange(None, Random(1).randrange, World.listenTCP),
        }
        self.tls = Shaking()
        ends = {side: wire.end for side, wire in self.control.items()}
        self.circle = Circle(
            self.world,
            self.claims,
            self.idle,
            self.facts.append,
            self.seat.session,
            ends,
            {s: Nearby(self.world, ends[s], self.ports[s], self._stranger) for s in Side},
            TIMEOUT,
            STALL,
            header,
            self.tls,
            strict,
        )

    def _stranger(self, peer: Address) -> None:
        self.facts.append(AttackSeen("data-theft", "ftp", peer))

    def _pinned(self, group: Group) -> Seat:
        seats: list[Seat] = []
        claim = self.claims.claim(group, Key("connection", "1"), "control")
        Deferred.fromCoroutine(claim).addCallback(seats.append)
        [seat] = seats
        seat.order()
        self.claims.trying(seat, self.server)
        assert self.claims.connected(seat)
        seat.on_stop = lambda word: None
        return seat

    @property
    def client(self) -> Wire:
        return self.control[Side.CLIENT]

    @property
    def talked_to(self) -> Wire:
        """The server's control connection."""
        return self.control[Side.SERVER]

    @property
    def listener(self) -> Listening:
        return self.world.listeners[-1]

    @property
    def channels(self) -> int:
        """Data channels that have a seat in the session."""
        return len(self.seat.session.channels) - 1


class Shaking:
    """TLS handshakes that end when the test says so: `asked` has them, in order."""

    def __init__(self) -> None:
        self.asked: list[tuple[Side, End, bool]] = []
        self.done: list[Deferred[None]] = []

    async def __call__(self, side: Side, end: End, data: bool) -> None:
        self.asked.append((side, end, data))
        self.done.append(Deferred())
        await self.done[-1]


class Heard:
    """Told of data channels: writes it down."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []

    def listening(self, data: int, side: Side, address: Address) -> None:
        self.log.append(("listening", side.value, address))

    def connected(self, data: int, side: Side) -> None:
        self.log.append(("connected", side.value))

    def secured(self, data: int, side: Side, version: str) -> None:
        self.log.append(("secured", side.value))

    def failed(self, data: int, side: Side, word: str) -> None:
        self.log.append(("failed", side.value, word))

    def transferred(self, data: int, joined: Any) -> None:
        self.log.append(("transferred", joined.ending, joined.from_client, joined.from_server))
