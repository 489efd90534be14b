"""docs/metrics.md tells of every metric, as it is, and of no other."""

from __future__ import annotations

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
