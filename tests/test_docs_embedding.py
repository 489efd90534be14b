"""What docs/embedding.md shows is run; what it takes from the examples is there, word by word."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import IServiceCollection

from tests.certificates import self_signed, written
from tests.configs import BACKEND, FRONTEND
from twisted_lb import endpoint, interfaces
from twisted_lb.config.settings import Settings
from twisted_lb.service import Balancer

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "embedding.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
EXAMPLES = {path.name: path.read_text() for path in (ROOT / "examples").glob("*.py")}
TAKEN = [block for block in BLOCKS if any(block in text for text in EXAMPLES.values())]
SHOWN = [block for block in BLOCKS if block not in TAKEN]
MINE = FRONTEND + 'protocol = "smtp"\n' + BACKEND + 'balance = "alphabetical"\n'


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Names that the page's code finds, in a directory with the files that it reads."""
    (tmp_path / "lb.toml").write_text(FRONTEND + BACKEND)
    (tmp_path / "mine.toml").write_text(MINE)
    written(self_signed("localhost"), tmp_path / "server.pem")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(EXAMPLES["plugins.py"], names)
    return names


def test_most_of_the_page_is_taken_from_the_examples_that_are_run() -> None:
    assert len(TAKEN) == 4, "main, and one plugin of each kind"


def test_what_is_shown_runs_in_the_order_of_the_page(
    world: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for block in SHOWN:
        exec(block, world)
    assert len(SHOWN) == 6
    assert "'drain': 1" in capsys.readouterr().out
    assert isinstance(world["settings"], Settings)
    assert isinstance(world["endpoint"], endpoint.BehindBalancer)
    assert isinstance(world["service"], Balancer)


def test_the_application_of_the_page_holds_the_balancer(world: dict[str, Any]) -> None:
    exec(SHOWN[0], world)
    [service] = IServiceCollection(world["application"])
    assert isinstance(service, Balancer)


def test_every_option_of_the_endpoint_is_told_with_its_default() -> None:
    rows = dict(re.findall(r"^\| (`[^|]*`) \| .* \| (.*) \|$", TEXT, re.M))
    told = {name for cell in rows for name in re.findall(r"`(\w+)`", cell)}
    taken = endpoint.behind_balancer.__kwdefaults__
    assert told & set(taken) == set(taken)
    assert rows["`maxconn`"] == taken["maxconn"]
    assert rows["`timeout`"] == taken["timeout"]
    assert rows["`proxy`"] == f"`{taken['proxy']}`"


@pytest.mark.parametrize("name", ["IPolicyPlugin", "IKeyPlugin", "IProtocolPlugin"])
def test_every_kind_of_plugin_is_told_with_its_method(name: str) -> None:
    [row] = re.findall(rf"^\| `{name}` \| .*$", TEXT, re.M)
    interface = getattr(interfaces, name)
    [method] = set(interface) - {"name"}
    assert f"`{method}{interface[method].getSignatureString()}`" in row
