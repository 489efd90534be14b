"""Asks one server once whether it serves: a target and an address in, an Outcome out.

One probe is one visit with one total deadline. A probe speaks only by its Outcome: what a server
does wrong is its reason; what we do wrong is logged with a traceback, and a failed check.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from twisted.internet.defer import CancelledError, Deferred, TimeoutError

from ..errors import WireError
from ..facility import logger
from ..reactors import Reactor
from ..wire.proxyheader import encode_local
from .agent import LINE_CAP, parse
from .ftp import ask_ftp, known_by_auth
from .target import Outcome, Target
from .trust import trusted
from .visit import Failed, Shortage, Visit

Ask = Callable[[Visit, Target], Awaitable[Outcome]]
"""What is asked over a connection that stands. Raises Failed, WireError."""


class Prober:
    """Probes servers over this reactor."""

    log = logger(__name__)

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor

    async def __call__(self, target: Target, hosts: Sequence[str]) -> Outcome:
        """The outcome of one check, within its timeout; `hosts` are the addresses of the server.

        As channels do, it asks the first one that takes the connection.
        """
        visit = Visit(self._reactor, target.port, *hosts)
        until = self._reactor.seconds() + target.check.timeout
        try:
            outcome = await self._judge(visit, target)
        except CancelledError:
            await visit.leave(0.0)
            raise
        await visit.leave(until)
        return outcome

    async def _judge(self, visit: Visit, target: Target) -> Outcome:
        asking = Deferred.fromCoroutine(_ask(visit, target))
        asking.addTimeout(target.check.timeout, self._reactor)
        try:
            return await asking
        except TimeoutError:
            return Outcome(False, f"{visit.stage}: no answer in {target.check.timeout:g} s")
        except Shortage as why:
            return Outcome(None, f"{visit.stage}: {why}")
        except (Failed, WireError) as why:
            return Outcome(False, f"{visit.stage}: {why}")
        except CancelledError:
            raise
        except Exception:
            self.log.failure("a {type} check failed by our fault", type=target.check.type)
            return Outcome(False, f"{visit.stage}: internal error")


async def _ask(visit: Visit, target: Target) -> Outcome:
    await visit.connect(target.check.timeout)
    if target.send_proxy != "off":
        visit.send(encode_local(int(target.send_proxy[1:]), *visit.ends))
    return await PROBES[target.check.type](visit, target)


async def _ask_tcp(visit: Visit, target: Target) -> Outcome:
    """That it connects is all. A stopped process still does: its kernel answers."""
    return Outcome(True, "connected")


async def _ask_tls(visit: Visit, target: Target) -> Outcome:
    """A handshake, a chain to a trusted authority, and the right name."""
    if target.asks_for_tls():
        certificate = await known_by_auth(visit, target)
    else:
        visit.stage = "handshake"
        certificate = await trusted(visit, target.handshake())
    return Outcome(True, "handshake done", expires=certificate.ends)


async def _ask_agent(visit: Visit, target: Target) -> Outcome:
    """One line, ended by its end or by the connection's; says nothing against it: it is up."""
    visit.stage = "agent"
    words = parse(await visit.line(LINE_CAP))
    said = "up" if words.up is not False else "down"
    remark = f", {words.remark}" if words.remark else ""
    return Outcome(words.up is not False, f"agent: {said}{remark}", words=words)


PROBES: Final[Mapping[str, Ask]] = {
    "tcp": _ask_tcp,
    "tls": _ask_tls,
    "ftp": ask_ftp,
    "agent": _ask_agent,
}
