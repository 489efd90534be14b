"""What a process knows, and the one that takes over from it goes on with: to which servers sessions
are pinned, and what operators said of servers.

In and out: values for lines of a takeover. Left out are pins of groups and servers that are not
configured any more, and what operators said where the configuration says something new.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import attrs

from .errors import WireError
from .service import Balancer
from .terms import Pin, Server

TOGETHER: Final = 100
"""Pins in one line: with all the keys that they may have, far less than a line may be long."""
REASON: Final = "as in the process before"


def told(balancer: Balancer, now: float) -> Iterator[dict[str, Any]]:
    """What there is to know, line by line."""
    sessions = balancer.claims.sessions
    yield {
        "secret": sessions.secret.hex(),
        "servers": [
            [*_name(server), server.admin, rule.state, server.weight, rule.weight]
            for server, rule in balancer.generation.servers
        ],
    }
    pins = [attrs.astuple(pin) for pin in sessions.pins(balancer.settings.limits.drain, now)]
    for first in range(0, len(pins), TOGETHER):
        yield {"pins": pins[first : first + TOGETHER]}


def heard(balancer: Balancer, lines: Iterable[dict[str, Any]]) -> None:
    """Go on with it, before anybody is served. Raises WireError."""
    servers = {_name(server): server for server in balancer.servers}
    try:
        for line in lines:
            if "secret" in line:
                balancer.claims.sessions.inherit(bytes.fromhex(line["secret"]))
            for words in line.get("servers", ()):
                _stands(balancer, words)
            for values in line.get("pins", ()):
                pin = _pin(*values)
                group, server = balancer.settings.groups.get(pin.group), servers.get(pin.server)
                if group is not None and server is not None:
                    balancer.claims.keep(pin, group, server)
    except (KeyError, TypeError, ValueError) as why:
        raise WireError(f"what it knows cannot be read: {why!r}") from None


def _stands(balancer: Balancer, words: Sequence[Any]) -> None:
    backend, name, host, admin, configured, weight, ruled = words
    for server, rule in balancer.generation.servers:
        if _name(server) != (backend, name, host):
            continue
        if admin != server.admin and rule.state == configured:
            balancer.set_admin(server, admin, REASON)
        if weight not in (ruled, server.weight) and rule.weight == ruled:
            balancer.set_weight(server, int(weight), REASON)


def _pin(
    session: str,
    group: str,
    kind: str,
    digests: Iterable[str],
    server: Sequence[str],
    lives: float,
    lingers: float,
) -> Pin:
    backend, name, host = server
    found = (backend, name, host)
    return Pin(session, group, kind, tuple(digests), found, float(lives), float(lingers))


def _name(server: Server) -> tuple[str, str, str]:
    return server.backend, server.name, server.host
