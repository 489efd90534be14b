"""All that is wrong comes at once, and what follows from something else is not told twice."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.configs import BACKEND, FRONTEND, problems, wrong
from twisted_lb.config.cross import cross
from twisted_lb.config.locate import Lines
from twisted_lb.config.read import Found, read
from twisted_lb.config.tables import NO_PLUGINS, Nested, Table, document_table


def test_problems_of_every_kind_come_together_in_the_order_of_their_lines() -> None:
    text = """\
[[frontend]]
name = "web"
listen = "*:80"
group = "siet"
proxy.mode = "required"
maxcon = 5
[frontend.ftp]
grace = "3s"

[group.site]
backend = "pool"
key = ["source", "sni"]
linger = 60

[[backend]]
name = "pool"
failback = "manual"
"""
    assert [(problem.line, problem.path) for problem in problems(text)] == [
        (4, "frontend[web].group"),
        (5, "frontend[web].proxy.trusted"),
        (6, "frontend[web].maxcon"),
        (7, "frontend[web].ftp"),
        (12, "group.site.key[#2]"),
        (13, "group.site.linger"),
        (15, "backend[pool].server"),
        (17, "backend[pool].failback"),
    ]


def test_a_value_that_could_not_be_read_brings_no_other_error_along() -> None:
    assert list(wrong(BACKEND + FRONTEND.replace('"*:80"', "80"))) == ["frontend[web].listen"]
    assert list(
        wrong(BACKEND + FRONTEND + "tls = 5\nroute = [{ sni = 'a', backend = 'pool' }]")
    ) == ["frontend[web].tls"]
    assert list(wrong("frontend = 5\n" + BACKEND)) == ["frontend"]


def test_what_holds_for_several_routes_is_told_once() -> None:
    routes = """
        tls.mode = "pass"
        server_port = "1-2"
        route = [{ sni = "a", backend = "pool" }, { sni = "b", backend = "more" }]
    """
    text = BACKEND + "check.port = 1" + BACKEND.replace("pool", "more") + "check.port = 1"
    assert list(wrong(text + FRONTEND + routes)) == ["frontend[web].server_port"]


# -- any table -------------------------------------------------------------------------------------

WORDS = "x *:21 *:0 60s pool site ftp pass required first connection control 5-9 40000-40009"
JUNK = st.sampled_from([5, 0, True, 1.5, "", [], ["sni"], [5], {}, {"x": 5}, *WORDS.split()])
NAMES = st.sampled_from(["pool", "site", "any", "a/b", "x"])


def tables(table: Table) -> st.SearchStrategy[Any]:
    """TOML of the right keys and mostly the wrong values."""
    keys: dict[str, st.SearchStrategy[Any]] = {}
    for field in table.fields:
        keys[field.key] = JUNK
        if isinstance(field.kind, Nested):
            inner = tables(field.kind.table)
            shapes = {
                "one": inner,
                "array": st.lists(inner, max_size=2),
                "family": st.dictionaries(NAMES, inner, max_size=2),
            }
            keys[field.key] = shapes[field.kind.shape] | JUNK
    return st.fixed_dictionaries({}, optional=keys)


@given(tables(document_table()))
def test_no_configuration_breaks_the_rules(raw: dict[str, Any]) -> None:
    found = Found(raw, Lines({}))
    cross(found, read(found, NO_PLUGINS))
    for problem in found.problems:
        assert problem.message
