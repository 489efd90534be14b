"""Opens channels to the front-end: TCP, TLS whose name is verified, opening line, answer.

In: an opening line. Out: an End on which bytes of the host follow, and the answer; or Ended, with a
sentence for the user of this machine. Nothing was relayed when a proxy refuses: it is safe to try
again, and the balancer may know another one.
"""

from __future__ import annotations

from typing import Final

import attrs
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import deferLater

from ..dial import Refused, dial
from ..ends import End
from ..errors import Ended, WireError
from ..reactors import Reactor
from ..secure import dial_tls
from ..terms import MORE, Ending
from ..tls import ClientContext, ClientHandshake, Identity
from .openingline import Answer, Opening, read_answer
from .sessionid import PROTOCOL, alpn
from .settings import Front

TRIES: Final = 3
PAUSE: Final = 0.5
"""Seconds between two tries."""

_SAID: Final[dict[int, tuple[Ending, str]]] = {
    400: ("wire-error", "the proxy did not understand the opening line"),
    403: ("no-route", "the proxy does not allow this destination"),
    404: ("no-route", "the proxy does not know the session"),
    409: ("key-full", "the session is in use"),
    429: ("full", "too many connections"),
    502: ("no-server", "the host did not take the connection"),
    503: ("drained", "the proxy is closing"),
    504: ("too-slow", "the host did not answer in time"),
}


@attrs.frozen(eq=False)
class FrontEnd:
    """The front-end as one session sees it: its ClientHellos show the session to a balancer."""

    front: Front
    reactor: Reactor
    seconds: float
    """Until the proxy has answered, tries that were refused included."""
    context: ClientContext

    async def open(self, opening: Opening) -> tuple[End, Answer]:
        """A channel that was answered with 200. Raises Ended."""
        opening_it = Deferred.fromCoroutine(self._try(opening))
        try:
            return await opening_it.addTimeout(self.seconds, self.reactor)
        except TimeoutError:
            raise Ended("too-slow", "the proxy did not answer in time") from None

    async def _try(self, opening: Opening) -> tuple[End, Answer]:
        for _ in range(TRIES - 1):
            try:
                return await self._once(opening)
            except _Again:
                await deferLater(self.reactor, PAUSE)
        try:
            return await self._once(opening)
        except _Again as last:
            raise last.why from None

    async def _once(self, opening: Opening) -> tuple[End, Answer]:
        address = self.front.address
        try:
            end = await dial(self.reactor, address, self.seconds)
        except Refused as why:
            raise _Again(Ended("no-server", f"the front-end {address}: {why}")) from None
        try:
            handshake = ClientHandshake(self.context, self.front.name or address.host)
            await dial_tls(end, handshake, self.seconds, self.reactor)
            end.write(bytes(opening))
            return end, await self._answered(end)
        except BaseException:
            end.abort()
            raise

    async def _answered(self, end: End) -> Answer:
        """The proxy's 200. Raises Ended, _Again."""
        while True:
            try:
                read = read_answer(bytes(end.held))
            except WireError:
                raise Ended("wire-error", "the front-end is no security proxy") from None
            if read is not MORE:
                break
            if end.eof or end.lost:
                raise _Again(Ended("server-closed", "the proxy closed without a word"))
            await end.more()
        answer, length = read
        end.consume(length)
        if answer.code == 200:
            return answer
        if answer.code == 401:
            raise TokenRefused("no-route", "the token was not accepted")
        word, text = _SAID.get(answer.code, ("server-refused", f"the proxy said {answer.code}"))
        raise Ended(word, text)


class TokenRefused(Ended):
    """The proxy does not take the token: it is no good for another try."""


class _Again(Exception):
    """Nothing came of it, for a reason that may not hold for another try."""

    def __init__(self, why: Ended) -> None:
        super().__init__(why)
        self.why = why


def context(session: str, front: Front, ca: bytes | None, identity: Identity) -> ClientContext:
    """TLS as a session of this id speaks it: the id's hash is in every ClientHello."""
    names = (alpn(session), PROTOCOL)
    return ClientContext(ca, identity=identity, alpn=names, minimum=front.minimum)
