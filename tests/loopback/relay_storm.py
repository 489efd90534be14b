"""Behaviours of every relay: whatever two sides do, in any order, what is heard was said."""

from __future__ import annotations

from random import Random

import attrs
import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater

from tests.loopback.parties import Party, together
from tests.loopback.relay_bytes import KB
from tests.loopback.relaying import Ground, same

HOW = ("shuts",) * 8 + ("resets", "closes")
"""How a side ends, once it has said its part."""


@attrs.define
class Actor:
    """One side that does what its dice say."""

    party: Party
    random: Random
    said: bytearray = attrs.field(factory=bytearray)
    heard: bytearray = attrs.field(factory=bytearray)
    ends: str = ""
    heard_end: str = ""
    """`eof` or `broken`."""

    async def lives(self) -> None:
        if self.random.random() < 0.3:
            self.party.holds(64 * KB)
        self.ends = self.random.choice(HOW)
        await together(self._speaks(), self._listens())
        self.party.closes()

    async def _speaks(self) -> None:
        try:
            for _ in range(self.random.randrange(12)):
                await self._says_something()
            getattr(self.party, self.ends)()
        except OSError:
            self.ends = "broken"

    async def _says_something(self) -> None:
        data = self.random.randbytes(int(2 ** self.random.uniform(0, 19)))
        self.said += data  # before it is said: some of it may be heard when the rest cannot be
        await self.party.says(data)
        if self.random.random() < 0.2:
            self.said += b"!"
            await self.party.says_urgently(b"!")
        if self.random.random() < 0.3:
            await self._waits()

    async def _listens(self) -> None:
        try:
            while self.party.sock.fileno() >= 0:
                await self.party.readable()
                if not (some := await self.party.piece(int(2 ** self.random.uniform(0, 18)))):
                    self.heard_end = "eof"
                    return
                self.heard += some
                if self.random.random() < 0.05:
                    await self._waits()
        except (OSError, CancelledError):  # the other's doing, or its own
            self.heard_end = "broken"

    async def _waits(self) -> None:
        """Some turns, in which the others go on."""
        for _ in range(self.random.randrange(20)):
            await deferLater(reactor, 0)


class Storm:
    """A mixin."""

    @pytest_twisted.ensureDeferred
    async def test_whatever_is_done_what_is_heard_was_said(self, ground: Ground) -> None:
        await self._storms(ground, 100)

    @pytest.mark.soak
    @pytest_twisted.ensureDeferred
    async def test_whatever_is_done_very_often_what_is_heard_was_said(self, ground: Ground) -> None:
        await self._storms(ground, 3_000)

    async def _storms(self, ground: Ground, sessions: int) -> None:
        ground.start()
        for number in range(0, ground.times(sessions), 10):
            pairs = [await ground.pair() for _ in range(10)]
            acts = [[Actor(p, Random(f"{number} {n} {p is c}")) for p in (c, s)]
                    for n, (c, s) in enumerate(pairs)]  # fmt: skip
            await together(*[actor.lives() for act in acts for actor in act])
            for act in acts:
                judged(*act)
        await ground.rests()


def judged(client: Actor, server: Actor) -> None:
    """In order and from its beginning, if not all of it; all of it, where nobody broke off."""
    for hears, says in ((client, server), (server, client)):
        same(hears.heard, says.said[: len(hears.heard)])
        if client.ends == server.ends == "shuts":
            assert hears.heard_end == "eof", (client.ends, server.ends)
            same(hears.heard, says.said)
        if hears.heard_end == "eof" and says.ends == "shuts":
            same(hears.heard, says.said)
