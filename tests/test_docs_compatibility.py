"""Pages of compatibility say what was measured, and what was measured is what was promised."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.matrix.report import PUBLICATIONS, Publication, broken, comparable, page

Measured = tuple[Publication, Any]


@pytest.fixture(scope="module", params=PUBLICATIONS, ids=lambda it: it.name)
def measured(request: pytest.FixtureRequest) -> Measured:
    return request.param, json.loads(request.param.json.read_text())


def test_the_page_is_what_was_measured(measured: Measured) -> None:
    it, found = measured
    assert it.page.read_text() == page(it, found), "write it again with ./run matrix"


def test_everything_that_is_planned_was_measured(measured: Measured) -> None:
    it, found = measured
    assert set(found["verdicts"]) == {str(trial) for trial in it.planned()}


def test_what_clients_can_do_directly_they_can_do_through_the_balancer(measured: Measured) -> None:
    _, found = measured
    assert len(comparable(found["verdicts"])) > 1000
    assert broken(found["verdicts"]) == []


def test_it_was_measured_at_full_size_where_no_leaked_address_works(measured: Measured) -> None:
    _, found = measured
    assert (found["bytes"], found["network"]) == (20_000_000, "three network namespaces")
