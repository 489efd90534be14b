"""docs/admin.md tells every request, every field, and nothing that is not so."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from tests.running import Running
from twisted_lb.admin.endpoint import CONNECTIONS, LIFE
from twisted_lb.admin.past import CHANGES, CHECKS, Past
from twisted_lb.admin.routes import ROUTES
from twisted_lb.admin.views import Filter, Views
from twisted_lb.capped import BODY_MOST
from twisted_lb.config.load import load

TEXT = (Path(__file__).parents[1] / "docs" / "admin.md").read_text()


def rows(head: str) -> list[list[str]]:
    """Of the table with this head; an empty first cell means the one above."""
    lines = TEXT.partition(head + "\n")[2].partition("\n\n")[0].splitlines()[1:]
    found = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    for above, row in pairwise(found):
        row[0] = row[0] or above[0]
    return found


def test_every_request_is_told() -> None:
    told = {request.replace("`", ""): summary for request, summary in rows("| request | |")}
    assert told == {f"{route.method} {route.path}": route.summary for route in ROUTES}


def test_every_field_of_a_request_is_told() -> None:
    told: dict[str, set[str]] = {}
    for request, fields, _ in rows("| request | field | meaning |"):
        told.setdefault(request.replace("`", ""), set()).update(re.findall(r"`(\w+)`", fields))
    there = {
        f"{route.method} {route.path}": {given.name for given in (*route.query, *route.body)}
        for route in ROUTES
        if route.query or route.body
    }
    assert told == there


def test_every_field_of_an_answer_stands_there() -> None:
    running = Running()
    running.joins()
    past = Past(lambda: 0.0)
    views = Views(running.balancer, running.world, lambda: 0.0, past, "1", 0.0)
    [server, _] = views.servers()
    told = set(re.findall(r"`(\w+)`", TEXT))
    plain = {"backend", "name", "host", "addresses", "id", "group", "server", "opened", "clients"}
    [session] = views.sessions(Filter(), 10, "")["sessions"]
    fields = {*views.server(running.balancer.server("pool", server["name"])), *session}
    fields |= {key for channel in session["channels"] for key in channel}
    assert fields - plain <= told


def test_the_figures_are_so() -> None:
    assert f"At most {CONNECTIONS} connections" in TEXT
    assert f"{BODY_MOST:,} bytes at most" in TEXT
    assert f"closed after {LIFE:.0f} seconds" in TEXT
    assert f"the latest {CHECKS}" in TEXT
    assert f"latest {CHANGES} changes" in TEXT


def test_the_example_can_be_loaded() -> None:
    [block] = re.findall(r"(?ms)^```toml\n(.*?)^```", TEXT)
    front = '[[frontend]]\nname = "w"\nlisten = "*:80"\nbackend = "p"\n'
    back = '[[backend]]\nname = "p"\nserver = [{ name = "a", host = "10.0.0.1" }]\n'
    admin = load(front + back + block, "f").admin
    assert (admin.socket, len(admin.listen)) == ("/run/twisted-lb/admin.sock", 1)
