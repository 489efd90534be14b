"""The plan of the matrix: what is measured, and the sample of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.matrix.plan import (
    VARIANTS,
    Trial,
    everything,
    everything_in_tls,
    pairs,
    sample,
    with_direct,
)
from tests.peers.abilities import cannot, cells
from tests.peers.cells import MODES, OPERATIONS, Cell
from tests.peers.clients import CLIENTS


@pytest.mark.parametrize("planned", [everything, everything_in_tls])
def test_the_sample_is_small_and_has_every_pair_of_traits_that_there_is(
    planned: Callable[[], list[Trial]],
) -> None:
    chosen = sample(planned())
    possible = {pair for trial in planned() if trial.variant.through for pair in pairs(trial)}
    assert len(chosen) <= 60
    assert {pair for trial in chosen for pair in pairs(trial)} == possible


def test_the_sample_is_the_same_each_time() -> None:
    assert sample(everything()) == sample(everything())


def test_every_session_is_compared_with_one_without_a_balancer() -> None:
    planned = with_direct([*sample(everything()), *sample(everything_in_tls())])
    assert all(trial.directly in planned for trial in planned)
    assert not any(trial.directly.variant.through for trial in planned)
    assert len(set(planned)) == len(planned)


def test_a_client_on_ipv6_is_compared_with_itself_on_ipv6() -> None:
    to_ipv4 = next(variant for variant in VARIANTS if variant.name == "6-to-4")
    trial = Trial("proftpd", to_ipv4, Cell("curl", "EPSV", "list", 6))
    assert trial.directly.variant.name == "direct-6"


def test_every_cell_is_measured_or_has_a_reason_why_not() -> None:
    for family in (4, 6):
        measured = cells(family)
        for client in CLIENTS:
            for mode in MODES:
                for operation in OPERATIONS:
                    cell = Cell(client, mode, operation, family)
                    assert bool(cannot(cell)) != (cell in measured)
