"""Both gateway programs as services: they listen or fail, count who is there, and stop in order."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.conftest import Errors
from tests.loopback.gateways import Gateways, mint
from tests.loopback.test_gateway_terminal import a_host
from twisted_lb.config.settings import Frontend
from twisted_lb.facts import Announced, ConnectionEnded, SessionEnded
from twisted_lb.gateway.gate import Gate
from twisted_lb.gateway.openingline import Opening
from twisted_lb.gateway.settings import Limits
from twisted_lb.gateway.visits import Visit
from twisted_lb.listeners import CannotListen
from twisted_lb.terms import Address

HERE = Frontend("in", (Address("127.0.0.1", 0),))


async def waits(visit: Visit) -> None:
    """A path that comes to nothing."""
    await Deferred()


async def fails(visit: Visit) -> None:
    raise ZeroDivisionError


def a_gate(gateways: Gateways, path: Any, drain: float = 0.0) -> Gate:
    gate = Gate(Limits(drain=drain), reactor, gateways.facts.append)
    gate.opens(HERE, path)
    gateways.tunnels.append(gate)  # type: ignore[arg-type]  # stopped like one
    return gate


@pytest.mark.parametrize("start", ["privilegedStartService", "startService"])
@pytest_twisted.ensureDeferred
async def test_a_gate_opens_all_its_listeners_or_none(gateways: Gateways, start: str) -> None:
    first = a_gate(gateways, waits)
    first.startService()
    taken = first.address("in")
    second = a_gate(gateways, waits)
    second.opens(Frontend("taken", (taken,)), waits)
    with pytest.raises(CannotListen, match="frontend taken"):
        getattr(second, start)()
    assert second.listening == []


@pytest_twisted.ensureDeferred
async def test_a_gate_that_listens_already_only_runs(gateways: Gateways) -> None:
    gate = a_gate(gateways, waits)
    gate.privilegedStartService()
    listening = list(gate.listening)
    gate.startService()
    assert gate.listening == listening


@pytest_twisted.ensureDeferred
async def test_a_client_that_leaves_on_its_way_is_told_once(gateways: Gateways) -> None:
    gate = a_gate(gateways, waits)
    gate.startService()
    client = await gateways.connect(gate.address("in"), "127.0.0.1")
    await gateways.until(lambda: len(gate.visits) == 1)
    client.resets()
    await gateways.until(lambda: not len(gate.visits))
    assert gateways.endings(ConnectionEnded) == ["client-left"]


@pytest_twisted.ensureDeferred
async def test_a_mistake_of_ours_ends_one_connection_and_is_logged(
    gateways: Gateways, clean_reactor: Errors
) -> None:
    gate = a_gate(gateways, fails)
    gate.startService()
    client = await gateways.connect(gate.address("in"), "127.0.0.1")
    await client.gone()
    assert gateways.endings(ConnectionEnded) == ["internal-error"]
    assert "ZeroDivisionError" in clean_reactor.seen.pop()


@pytest_twisted.ensureDeferred
async def test_a_second_stop_waits_for_nobody(gateways: Gateways) -> None:
    gate = a_gate(gateways, waits, drain=60.0)
    gate.startService()
    client = await gateways.connect(gate.address("in"), "127.0.0.1")
    await gateways.until(lambda: len(gate.visits) == 1)
    stopping = gate.stopService()
    gate.end_now()
    await stopping
    await client.gone()
    told = [fact.what for fact in gateways.facts if isinstance(fact, Announced)]
    assert told == ["listening", "draining", "stopped"]


@pytest_twisted.ensureDeferred
async def test_a_stop_ends_terminals_when_its_time_has_come(gateways: Gateways) -> None:
    host, at = a_host(gateways), gateways.proxy()
    end, _ = await gateways.opens(at, Opening("terminal", "s1", mint(gateways.key, host)))
    await gateways.proxies[0].stopService()
    await gateways.until(lambda: end.lost)
    assert gateways.endings(ConnectionEnded) == ["killed"]
    assert gateways.endings(SessionEnded) == ["killed"]


@pytest_twisted.ensureDeferred
async def test_a_proxy_that_is_full_says_so(gateways: Gateways) -> None:
    host = a_host(gateways)
    at = gateways.proxy(limits=Limits(sessions=1, drain=0.0))
    await gateways.opens(at, Opening("terminal", "s1", mint(gateways.key, host)))
    another = mint(gateways.key, host, "s2")
    assert await gateways.asks(at, another) == "too many connections"
    assert gateways.endings(ConnectionEnded) == ["table-full"]
