"""Each facility's level decides what of it is logged, also while it runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.logger import LogEvent, globalLogPublisher

from twisted_lb import facility
from twisted_lb.facility import facilities, levels, logger, set_level

CHECKS = logger("twisted_lb.health.watch")
PATH = logger("twisted_lb.connection")


@pytest.fixture
def said() -> Iterator[list[str]]:
    found: list[str] = []

    def hear(event: LogEvent) -> None:
        if event.get("log_namespace", "").startswith("twisted_lb"):
            found.append(event["log_format"])

    globalLogPublisher.addObserver(hear)
    yield found
    globalLogPublisher.removeObserver(hear)
    set_level("all", "info")


def talk() -> None:
    for log in (CHECKS, PATH):
        log.debug(f"{log.namespace} debug")
        log.info(f"{log.namespace} info")


def test_from_info_on_everybody_is_heard(said: list[str]) -> None:
    talk()
    assert said == ["twisted_lb.health.watch info", "twisted_lb.connection info"]


def test_one_says_more_and_another_less(said: list[str]) -> None:
    set_level("health", "debug")
    set_level("connection", "warn")
    talk()
    assert said == ["twisted_lb.health.watch debug", "twisted_lb.health.watch info"]
    assert levels() == {"all": "info", "health": "debug", "connection": "warn"}


def test_all_is_all(said: list[str]) -> None:
    set_level("health", "error")
    set_level("all", "debug")
    talk()
    assert len(said) == 4
    assert levels() == {"all": "debug"}


@pytest.mark.parametrize(("of", "level"), [("moon", "info"), ("health", "loud"), ("", "info")])
def test_what_there_is_not_is_told_with_what_there_is(of: str, level: str) -> None:
    with pytest.raises(ValueError, match="there is no"):
        set_level(of, level)


def test_every_module_that_logs_is_a_facility_and_so_is_its_package() -> None:
    assert {"connection", "health", "health.watch"} <= set(facilities())
    assert facility.OURS not in facilities()
