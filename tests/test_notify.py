"""What a service manager hears of a process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from tests.managers import Heard, listening
from twisted_lb.notify import Manager, Standing, manager_of

US = 4711


@pytest.fixture(params=["path", "abstract"])
def name(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{tmp_path}/notify" if request.param == "path" else f"@twisted-lb-{os.getpid()}"


@pytest.fixture
def heard(name: str) -> Iterator[Heard]:
    with listening(name) as found:
        yield found


def standing(manager: Manager, clock: Clock | None = None) -> Standing:
    clock = clock or Clock()
    return Standing(manager, clock, clock.seconds, lambda: US)


def test_one_that_was_not_started_by_a_manager_tells_nobody() -> None:
    assert manager_of({}, US) == Manager()
    alone = standing(Manager())
    alone.serves()
    alone.reloads()
    alone.drains()
    assert alone.leaves(os.getpid()) == {}


def test_a_manager_that_is_gone_harms_nobody(tmp_path: Path) -> None:
    standing(Manager(f"{tmp_path}/nobody")).serves()
    standing(Manager("vsock:2:1234")).serves()


def test_a_life_is_told(name: str, heard: Heard) -> None:
    clock = Clock()
    process = standing(manager_of({"NOTIFY_SOCKET": name}, US), clock)
    process.serves()
    clock.advance(1.5)
    process.reloads()
    process.reloaded("serving, generation 2")
    process.drains()
    assert heard.all == [
        {"READY": "1", "MAINPID": str(US), "STATUS": "serving"},
        {"RELOADING": "1", "MONOTONIC_USEC": "1500000"},
        {"READY": "1", "STATUS": "serving, generation 2"},
        {"STOPPING": "1", "STATUS": "draining"},
    ]
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(US)}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_for_whom_it_names(more: dict[str, str], seconds: float | None) -> None:
    assert manager_of({"NOTIFY_SOCKET": "@x"} | more, US) == Manager("@x", seconds)


def test_signs_of_life_come_twice_in_their_time(name: str, heard: Heard) -> None:
    clock = Clock()
    process = standing(Manager(name, 3.0), clock)
    process.serves()
    clock.pump([1.5] * 3)
    assert heard.all.count({"WATCHDOG": "1"}) == 4
    process.ends()
    assert clock.getDelayedCalls() == []


def test_who_takes_over_in_our_unit_is_the_main_process_from_then_on(
    name: str, heard: Heard
) -> None:
    """It is told where the manager is; we say nothing any more, whatever happens to us."""
    clock = Clock()
    old = standing(Manager(name, 3.0), clock)
    old.serves()
    told = old.leaves(os.getpid())
    assert heard.all[-1]["MAINPID"] == str(os.getpid())
    before = len(heard.all)
    old.drains()
    old.reloaded("")
    clock.advance(9)
    assert len(heard.all) == before
    new = standing(Manager(), Clock())
    new.serves(told)
    assert new.manager == Manager(name, 3.0)
    assert heard.all[-2:] == [
        {"READY": "1", "MAINPID": str(US), "STATUS": "serving"},
        {"WATCHDOG": "1"},
    ]


def test_who_has_a_manager_of_its_own_keeps_it(name: str, heard: Heard) -> None:
    new = standing(Manager(name))
    new.serves({"socket": "@another", "watchdog": 1.0})
    assert new.manager == Manager(name)


def test_a_process_of_another_unit_is_not_ours_to_name(name: str, heard: Heard) -> None:
    assert standing(Manager(name)).leaves(1 << 30) == {}
    assert heard.all == []
