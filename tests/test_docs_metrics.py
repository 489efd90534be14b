"""docs/metrics.md tells of every metric, as it is, and of no other; rules and dashboard ask for
none that does not exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client import Metric

from tests.configs import BACKEND, FRONTEND
from tests.promlint import families, labels
from tests.running import Running
from tests.test_metrics import FACTS

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "metrics.md").read_text()
ROWS = {
    name: (kind, set(re.findall(r"`(\w+)`", of)), meaning)
    for name, kind, of, meaning in re.findall(
        r"^\| `(twisted_lb_\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$", TEXT, re.M
    )
}


def scrape() -> dict[str, Metric]:
    """Of a balancer to which everything has happened that is told of."""
    running = Running(*FACTS, maxconn=9)
    for _ in range(4):
        running.comes(3000)
    return families(running.metrics.text())


EXISTING = scrape()


@pytest.mark.parametrize(("name", "family"), EXISTING.items(), ids=list(EXISTING))
def test_a_metric_is_told_with_its_type_and_labels(name: str, family: Metric) -> None:
    assert family.samples, "labels are known by a series only"
    kind, told, meaning = ROWS[name]
    assert (kind, told) == (family.type, labels(family))
    assert meaning


def test_no_other_metric_is_told_of() -> None:
    assert list(ROWS) == list(dict.fromkeys(ROWS)) and set(ROWS) == set(EXISTING)


def test_what_the_page_shows_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lb.toml").write_text(FRONTEND + BACKEND)
    monkeypatch.chdir(tmp_path)
    [shown] = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    exec(shown, {})
    assert "twisted_lb_build_info" in capsys.readouterr().out


# -- what is asked of them -------------------------------------------------------------------------

DASHBOARD = json.loads((DOCS / "dashboards" / "twisted-lb.json").read_text())
RULES = (DOCS / "alerts.yml").read_text()
ALERTS = {
    name: (expression.strip(), rest)
    for name, expression, rest in re.findall(
        r"^      - alert: (\w+)\n        expr: (.*)\n((?:        .*\n)+)", RULES, re.M
    )
}
PANELS = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
} | {each["name"]: each["expr"] for each in DASHBOARD["annotations"]["list"]}
ASKED = {**{name: expression for name, (expression, _) in ALERTS.items()}, **PANELS}
SCRAPED = {"instance", "job"}
"""Labels that Prometheus adds."""
SERIES = {sample.name: family for family in EXISTING.values() for sample in family.samples}


def named(expression: str) -> list[str]:
    """The series that an expression names."""
    return re.findall(r"\btwisted_lb_\w+", expression)


def unknown(expression: str) -> list[str]:
    """What an expression asks for that does not exist: series, their labels, values of ours."""
    found = [name for name in named(expression) if name not in SERIES]
    for name, matchers in re.findall(r"\b(twisted_lb_\w+)\{(.*?)\}", expression):
        samples = SERIES[name].samples if name in SERIES else []
        for label, how, value in re.findall(r"(\w+)(=~|!=|=)\"(.*?)\"", matchers):
            values = {sample.labels.get(label) for sample in samples}
            if label not in SCRAPED and (how == "=~" or value not in values):
                found.append(f"{name}{{{label}{how}{value}}}")
    known = SCRAPED.union({"le"}, *(labels(SERIES[n]) for n in named(expression) if n in SERIES))
    grouped = re.findall(r"\b(?:by|on|without|ignoring) \((.*?)\)", expression)
    return found + [one for each in grouped for one in each.split(", ") if one not in known]


@pytest.mark.parametrize("expression", ASKED.values(), ids=list(ASKED))
def test_what_a_rule_or_panel_asks_for_exists(expression: str) -> None:
    assert named(expression)
    assert unknown(expression) == []


@pytest.mark.parametrize("expression", ASKED.values(), ids=list(ASKED))
def test_counters_are_asked_for_their_growth_and_nothing_else_is(expression: str) -> None:
    """What a counter has come to says how long the process runs."""
    grown = re.findall(r"\b(?:rate|increase)\((twisted_lb_\w+)", expression)
    counted = [n for n in named(expression) if n.endswith(("_total", "_bucket"))]
    assert grown == counted


@pytest.mark.parametrize(
    ("expression", "missing"),
    [
        ("twisted_lb_never", ["twisted_lb_never"]),
        ('twisted_lb_server_up{zone="a"}', ["twisted_lb_server_up{zone=a}"]),
        ('twisted_lb_server_admin{state="off"}', ["twisted_lb_server_admin{state=off}"]),
        ("sum by (user) (twisted_lb_server_up)", ["user"]),
        ("twisted_lb_event_loop_lag_seconds", ["twisted_lb_event_loop_lag_seconds"]),
        ('twisted_lb_server_admin{instance="x", state="drain"}', []),
    ],
)
def test_what_does_not_exist_is_found(expression: str, missing: list[str]) -> None:
    assert unknown(expression) == missing


def test_every_alert_has_a_severity_and_says_what_is_wrong() -> None:
    assert len(ALERTS) == RULES.count("- alert:") > 10
    for name, (_, rest) in ALERTS.items():
        assert re.search(r"^          severity: (critical|warning|info)$", rest, re.M), name
        assert re.search(r'^          summary: ".+"$', rest, re.M), name


def test_what_an_alert_says_has_the_labels_that_its_expression_keeps() -> None:
    for name, (expression, rest) in ALERTS.items():
        said = set(re.findall(r"\$labels\.(\w+)", rest)) - SCRAPED
        kept = set[str]().union(*(labels(SERIES[n]) for n in named(expression)))
        if grouped := re.match(r"\(?(?:sum|max|min) by \((.*?)\)", expression):
            kept = set(grouped[1].split(", "))
        assert said <= kept, name


def test_every_metric_is_on_the_dashboard_but_the_limits() -> None:
    asked = {name.removesuffix("_bucket") for each in PANELS.values() for name in named(each)}
    left = set(EXISTING) - asked
    assert left == {
        "twisted_lb_connections_limit",
        "twisted_lb_server_connections_limit",
        "twisted_lb_sessions_limit",
        "twisted_lb_reload_success_timestamp_seconds",
    }


def test_panels_do_not_lie_on_each_other() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for at in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
