"""Checks every server again and again, and keeps its standing.

In: subjects (a server and how it is asked) and a probe. Out: `Server.up`, `up_since`, what an
agent may set; `on_change` and facts tell of it. A server in maintenance is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import attrs
from twisted.internet.interfaces import IReactorTime

from ..balance import Choose
from ..config.settings import Backend, BackendTls, ServerRule
from ..contexts import ServerTls, server_tls
from ..facility import logger
from ..facts import Announced, CertificateExpiring, Checked, Note, ServerChanged
from ..terms import Server
from .agent import Agent, Words
from .names import addresses_of
from .rounds import Rounds
from .target import Outcome, Probe, Target
from .thresholds import Judge

DAY: Final = 86400.0

OnChange = Callable[[Server, str, str], None]
"""Told (server, state, reason) after a change: up, down, ready, drain, maintenance, weight …"""


@attrs.frozen(eq=False)
class Subject:
    """One server under watch."""

    server: Server
    target: Target
    weight: int
    """As configured."""


def subjects(
    backend: Backend,
    servers: Mapping[str, Server],
    port: int | None,
    tls: ServerTls | None = None,
) -> tuple[Subject, ...]:
    """The backend's servers as subjects; `port` is what its channels dial, when that is one.

    A check in TLS asks as channels do (`tls`) where it has no name or authorities of its own. Reads
    the check's files. Raises OSError, ValueError.
    """
    check = backend.check
    if check.type == "off":
        return ()
    where = check.port or port
    if where is None:
        raise ValueError(f"backend {backend.name}: its channels dial several ports, check which?")
    spoken = _spoken(backend, tls)
    password = Path(check.password_file).read_text().strip("\r\n") if check.password_file else ""

    def subject(rule: ServerRule) -> Subject:
        name = check.name or backend.tls.name_of(rule)
        target = Target(check, where, rule.send_proxy, name, spoken, password)
        return Subject(servers[rule.name], target, rule.weight)

    return tuple(subject(rule) for rule in backend.servers)


def _spoken(backend: Backend, tls: ServerTls | None) -> ServerTls | None:
    """How TLS is spoken with the server: a tls check does so even where channels do not."""
    check = backend.check
    if check.type == "tls" and (check.ca or tls is None):
        if tls is None:  # what passes through is between clients and servers, however old
            asked = BackendTls("on", ca=check.ca, minimum="1.0")
        else:
            asked = attrs.evolve(backend.tls, ca=check.ca)
        built = server_tls(attrs.evolve(backend, tls=asked))
        assert built is not None, "it is to be spoken"
        return ServerTls(built.context, backend.tls)
    return tls if check.type in ("tls", "ftp") else None


@attrs.define(eq=False)
class _Chart:
    """What is remembered of one subject between its checks."""

    subject: Subject
    judge: Judge
    agent: Agent
    warned: float | None = None
    """When it was last told that the certificate expires."""
    odd: tuple[str, ...] = ()
    """The agent's unknown words that were told already."""

    @property
    def left_alone(self) -> bool:
        """Whether an operator took it out; the agent that did so itself is still heard."""
        admin = self.subject.server.admin
        return admin == "maintenance" and self.agent.admin != "maintenance"


class Watch(Rounds):
    """The checks of all servers, as a service.

    `wall` tells seconds since 1970, `choose` spreads the first checks over one interval.
    """

    log = logger(__name__)

    def __init__(
        self,
        clock: IReactorTime,
        probe: Probe,
        *,
        wall: Callable[[], float],
        note: Note,
        on_change: OnChange,
    ) -> None:
        super().__init__(clock)
        self._probe = probe
        self._wall = wall
        self._note = note
        self._on_change = on_change
        self.charts: dict[Server, _Chart] = {}

    def attend(
        self, subjects: Iterable[Subject], choose: Choose, former: Watch | None = None
    ) -> None:
        """Check these too; to be said before the start.

        What an agent brought about that `former` has heard, it may undo.
        """
        heard = former.charts if former is not None else {}
        for subject in subjects:
            server = subject.server
            agent = heard[server].agent if server in heard else Agent(subject.weight)
            judge = Judge(subject.target.check, server.up)
            chart = _Chart(subject, judge, attrs.evolve(agent, weight=subject.weight))
            self.charts[server] = chart
            jitter = choose(1000) / 1000 * subject.target.check.interval
            self.add(partial(self._check, chart), jitter)

    async def _check(self, chart: _Chart) -> float:
        """One check, unless it is to be left alone; also when that changed during the check."""
        server = chart.subject.server
        if chart.left_alone:
            return chart.judge.check.interval
        hosts, began = addresses_of(server), self._clock.seconds()
        if hosts:
            outcome = await self._probe(chart.subject.target, hosts)
        else:
            outcome = Outcome(False, f"name: {server.host} has no address")
        if not chart.left_alone:
            self._learn(chart, outcome, self._clock.seconds() - began)
        return chart.judge.interval()

    def _learn(self, chart: _Chart, outcome: Outcome, seconds: float) -> None:
        if outcome.ok is None:
            of = chart.subject.server
            self.log.warn("{of} was not checked: {why}", of=of, why=outcome.reason)
            return
        self.log.debug("{of}: {why}", of=chart.subject.server, why=outcome.reason)
        self._note(Checked(str(chart.subject.server), outcome.ok, seconds, outcome.expires))
        if outcome.words is not None:
            self._heed(chart, outcome.words)
        if outcome.expires is not None:
            self._warn(chart, outcome.expires)
        change = chart.judge.saw(outcome.ok, outcome.reason)
        if change is not None:
            server = chart.subject.server
            server.up = change.up
            if change.up:
                server.up_since = self._clock.seconds()
            self._tell(server, "up" if change.up else "down", change.reason)

    def _heed(self, chart: _Chart, words: Words) -> None:
        server = chart.subject.server
        for state, reason in chart.agent.said(server, words):
            self._tell(server, state, reason)
        if words.unknown not in ((), chart.odd):
            self._note(Announced("agent-words-ignored", f"{server}: {' '.join(words.unknown)}"))
        chart.odd = words.unknown

    def _warn(self, chart: _Chart, expires: float) -> None:
        """Once a day; a certificate that was renewed is told of again when its time comes."""
        now = self._wall()
        if expires - now > chart.judge.check.expiry_warning:
            chart.warned = None
        elif chart.warned is None or now - chart.warned >= DAY:
            chart.warned = now
            days = (expires - now) / DAY
            self._note(CertificateExpiring(str(chart.subject.server), days))

    def _tell(self, server: Server, state: str, reason: str) -> None:
        self._note(ServerChanged(str(server), state, reason))
        self._on_change(server, state, reason)
