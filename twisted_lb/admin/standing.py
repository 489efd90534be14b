"""How a balancer stands at this moment, read at each scrape: a balancer in, samples out.

Nothing is kept here. One look goes once over the open connections and once over the channels of
every session: figures that many readers would share are counted before they are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Final, get_args

import attrs
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from twisted.internet.interfaces import IReactorTime

from ..balance import effective_weight, ejected
from ..claims import REFUSALS
from ..service import Balancer
from ..spoken import Ftp
from ..terms import Admin, Server
from .census import Census

Series = tuple[tuple[str, ...], float]
"""The values of the labels, and the figure."""

REFUSED: Final = REFUSALS | {"closing"}


@attrs.frozen(eq=False)
class Standing:
    """Reads one balancer. `clock` is its clock, `expiries` say when certificates end, by server."""

    balancer: Balancer
    clock: IReactorTime
    expiries: Mapping[str, float]

    # prometheus_client's Collector

    def collect(self) -> Iterator[Metric]:
        yield from self._connections()
        yield from self._sessions()
        yield from self._claims()
        yield from self._hints()
        yield from self._data_ports()
        yield from self._servers()
        yield from self._limits()

    def _connections(self) -> Iterator[Metric]:
        count = Counter(story.parts.frontend.name for story in self.balancer.stories)
        names = [frontend.name for frontend in self.balancer.settings.frontends]
        yield gauge(
            "connections_open",
            "Client connections that are not closed yet.",
            "frontend",
            series=(((name,), count[name]) for name in dict.fromkeys([*names, *count])),
        )

    def _sessions(self) -> Iterator[Metric]:
        seen = Census(self.balancer.settings.groups.values())
        seen.count(self.balancer.claims.sessions)
        yield gauge(
            "sessions_open",
            "Sessions by where they stand: pinned, or lingering without a channel …",
            *("group", "state"),
            series=seen.sessions.items(),
        )
        yield gauge(
            "channels_open",
            "Channels by where they stand in their session: joined, queued for their server …",
            *("group", "role", "place"),
            series=seen.channels.items(),
        )
        yield gauge(
            "session_channels_max",
            "Channels of the living session that has the most.",
            "group",
            series=seen.most.items(),
        )

    def _claims(self) -> Iterator[Metric]:
        asked = self.balancer.claims.asked
        channels, lookups, refused = Counter[tuple[str, ...]](), Counter[tuple[str, ...]](), []
        for (group, role, found), count in asked.items():
            if found in REFUSED:
                refused.append(((group, role, found), count))
                found = "refused"
            else:
                channels[group, role] += count
            lookups[group, found] += count
        yield counter(
            "channels_total",
            "Channels that took a seat in a session.",
            *("group", "role"),
            series=channels.items(),
        )
        yield counter(
            "affinity_lookups_total",
            "What the look for a channel's session led to.",
            *("group", "result"),
            series=lookups.items(),
        )
        yield counter(
            "channels_refused_total",
            "Channels that got no seat in a session.",
            *("group", "role", "reason"),
            series=refused,
        )
        yield counter(
            "channels_astray_total",
            "Channels on another server than their session's: must never be.",
            series=[((), self.balancer.claims.astray)],
        )

    def _hints(self) -> Iterator[Metric]:
        hints = {name: parts.hints for name, parts in self.balancer.parts.items()}
        yield counter(
            "hints_total",
            "New sessions of clients whose last server was known.",
            *("frontend", "result"),
            series=[
                *(((name, "followed"), each.followed) for name, each in hints.items()),
                *(((name, "passed-by"), each.passed_by) for name, each in hints.items()),
            ],
        )

    def _data_ports(self) -> Iterator[Metric]:
        ranges = [
            ((name, side.value), ports)
            for name, parts in self.balancer.parts.items()
            if isinstance(parts.spoken, Ftp)
            for side, ports in parts.spoken.ports.items()
        ]
        yield gauge(
            "data_ports_used",
            "Data ports that are listened on, for connections from that side.",
            *("frontend", "side"),
            series=((labels, ports.used) for labels, ports in ranges),
        )
        yield gauge(
            "data_ports_available",
            "Data ports of a configured range that are free.",
            *("frontend", "side"),
            series=((of, p.available) for of, p in ranges if p.available is not None),
        )

    def _servers(self) -> Iterator[Metric]:
        now, servers = self.clock.seconds(), list(self.balancer.servers)
        warm = {name: live.pool.slow_start for name, live in self.balancer.backends.items()}

        def each(name: str, meaning: str, figures: Iterable[float]) -> Metric:
            labels = ("backend", "server")
            return gauge(
                name, meaning, *labels, series=zip(map(_of, servers), figures, strict=True)
            )

        yield each("server_up", "1: its checks say that it is up.", (s.up for s in servers))
        yield each(
            "server_ejected",
            "1: connect failures keep new sessions away from it for now.",
            (ejected(s, now) for s in servers),
        )
        yield each(
            "server_weight",
            "Its weight at this moment, as slow start has it.",
            (effective_weight(s, warm[s.backend], now) for s in servers),
        )
        yield each(
            "server_connections",
            "Channels dialling it or joined to it.",
            (s.connections for s in servers),
        )
        yield each(
            "server_sessions",
            "Sessions decided for it or being decided.",
            (s.sessions for s in servers),
        )
        yield gauge(
            "server_admin",
            "1: this is what an operator, or its agent, says of it.",
            *("backend", "server", "state"),
            series=(
                ((*_of(s), state), s.admin == state)
                for s, state in product(servers, get_args(Admin))
            ),
        )
        ends = [(_of(s), self.expiries.get(str(s))) for s in servers]
        yield gauge(
            "server_certificate_expiry_timestamp_seconds",
            "When its certificate ends, as its checks in TLS have seen it.",
            *("backend", "server"),
            series=((of, when) for of, when in ends if when is not None),
        )

    def _limits(self) -> Iterator[Metric]:
        settings = self.balancer.settings
        yield gauge(
            "connections_limit",
            "The frontend's maxconn.",
            "frontend",
            series=(((f.name,), f.maxconn) for f in settings.frontends),
        )
        yield gauge(
            "server_connections_limit",
            "The server's maxconn, where it has one.",
            *("backend", "server"),
            series=((_of(s), s.maxconn) for s in self.balancer.servers if s.maxconn is not None),
        )
        sessions = self.balancer.claims.sessions
        yield gauge(
            "sessions_limit",
            "Sessions that there may be, those that linger among them.",
            series=[((), sessions.capacity)],
        )


def gauge(name: str, meaning: str, *labels: str, series: Iterable[Series]) -> Metric:
    """A family of figures that rise and fall."""
    return _filled(GaugeMetricFamily(f"twisted_lb_{name}", meaning, labels=labels), series)


def counter(name: str, meaning: str, *labels: str, series: Iterable[Series]) -> Metric:
    """A family of figures that only rise."""
    return _filled(CounterMetricFamily(f"twisted_lb_{name}", meaning, labels=labels), series)


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily, series: Iterable[Series]
) -> GaugeMetricFamily | CounterMetricFamily:
    for labels, figure in series:
        family.add_metric(labels, float(figure))
    return family


def _of(server: Server) -> tuple[str, str]:
    return server.backend, server.name
