"""docs/compatibility.md says what docs/compatibility.json has, and both say what was promised."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.matrix.plan import everything
from tests.matrix.report import JSON, PAGE, broken, comparable, page


@pytest.fixture(scope="module")
def measured() -> Any:
    return json.loads(JSON.read_text())


def test_the_page_is_what_was_measured(measured: Any) -> None:
    assert PAGE.read_text() == page(measured), "write it again with ./run matrix"


def test_everything_that_is_planned_was_measured(measured: Any) -> None:
    assert set(measured["verdicts"]) == {str(trial) for trial in everything()}


def test_what_clients_can_do_directly_they_can_do_through_the_balancer(measured: Any) -> None:
    assert len(comparable(measured["verdicts"])) > 1000
    assert broken(measured["verdicts"]) == []


def test_it_was_measured_at_full_size_where_no_leaked_address_works(measured: Any) -> None:
    assert (measured["bytes"], measured["network"]) == (20_000_000, "three network namespaces")
