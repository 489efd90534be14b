"""Metrics for Prometheus: facts and a balancer in, the text of a scrape out.

What happened is counted here, as an observer of facts; how things stand is read at a scrape
(`standing`). Labels are configured names and our own words, never what a peer sent: neither an
address nor a user can make a series. docs/metrics.md has every name. Needs prometheus-client, of
the extra `prometheus`.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import Final

import attrs
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import Metric
from twisted.internet.interfaces import IReactorTime

from ..facts import Fact
from ..service import Balancer
from ..version import version
from .events import Events
from .lag import Lag
from .standing import Standing

LAGS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: from nothing to what a client takes for a hang."""


class Metrics:
    """The observer that counts for Prometheus; joined with others by `observe.fanout`.

    `clock` measures the event loop's lag, which `lag` does as a service while it runs; `started`
    is now, in seconds since 1970. The registry is its own where none is given.
    """

    content_type: Final = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(
        self, clock: IReactorTime, started: float, registry: CollectorRegistry | None = None
    ) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self._events = Events(self.registry)
        self._configuration = _Configuration(self.registry, started)
        lag = Histogram(
            "twisted_lb_event_loop_lag_seconds",
            "How much later than asked for the event loop called back, twice a second.",
            buckets=LAGS,
            registry=self.registry,
        )
        self.lag = Lag(clock, lag.observe)
        self._clock = clock
        self._watched: Balancer | None = None
        _build(self.registry)

    def __call__(self, fact: Fact) -> None:
        """Count it; facts that are not about counts are passed by."""
        self._events(fact)

    def watch(self, balancer: Balancer) -> None:
        """Tell of this balancer, too: how it stands at each scrape, and the lag while it runs."""
        self.registry.register(Standing(balancer, self._clock, self._events.expiries))
        self.lag.setServiceParent(balancer)
        self._watched = balancer
        self._events.expect(balancer.settings.frontends)

    def reloaded(self, ok: bool, when: float) -> None:
        """The configuration was read anew, and is in force or was refused; seconds since 1970."""
        self._configuration.reloaded(ok, when)
        if self._watched is not None:
            self._events.expect(self._watched.settings.frontends)

    def text(self) -> bytes:
        """What a scrape is answered, of `content_type`."""
        return generate_latest(_Exposed(self.registry))


class _Configuration:
    """Which configuration is in force; the one of the start is generation 1."""

    def __init__(self, registry: CollectorRegistry, started: float) -> None:
        self._reloads = Counter(
            "twisted_lb_reloads_total",
            "How often the configuration was to be read anew.",
            ["result"],
            registry=registry,
        )
        self._good, self._bad = self._reloads.labels("ok"), self._reloads.labels("refused")
        self._last = Gauge(
            "twisted_lb_last_reload_successful",
            "1: the last reload was put in force, or there was none; 0: it was refused.",
            registry=registry,
        )
        self._when = Gauge(
            "twisted_lb_reload_success_timestamp_seconds",
            "Since when the configuration in force is: the start's, or the last good reload's.",
            registry=registry,
        )
        self._generation = Gauge(
            "twisted_lb_generation",
            "The how-manieth configuration since the start is in force.",
            registry=registry,
        )
        self._last.set(1)
        self._when.set(started)
        self._generation.set(1)

    def reloaded(self, ok: bool, when: float) -> None:
        (self._good if ok else self._bad).inc()
        self._last.set(ok)
        if ok:
            self._when.set(when)
            self._generation.inc()


@attrs.frozen
class _Exposed:
    """A registry without what OpenMetrics alone has: when each series of a counter began."""

    registry: CollectorRegistry

    # prometheus_client's Collector

    def collect(self) -> Iterator[Metric]:
        for family in self.registry.collect():
            family.samples = [one for one in family.samples if not one.name.endswith("_created")]
            yield family


def _build(registry: CollectorRegistry) -> None:
    info = Gauge(
        "twisted_lb_build_info",
        "1; the labels say what runs.",
        ["version", "python", "twisted"],
        registry=registry,
    )
    info.labels(version("twisted-lb"), platform.python_version(), version("twisted")).set(1)
