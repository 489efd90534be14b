"""What every test is held to: it leaves nothing behind, and loses no error."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from twisted.internet import reactor
from twisted.logger import LogEvent, globalLogPublisher

settings.register_profile("fast", max_examples=60, deadline=None)
settings.register_profile("deep", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-peers",
        action="store_true",
        default=bool(os.environ.get("TWISTED_LB_REQUIRE_PEERS")),
        help="a missing real server or client is a failure, not a skip",
    )
    parser.addoption("--soak", action="store_true", help="run the large figures, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--soak"):
        large = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=large)
        items[:] = [item for item in items if item not in large]


class Errors:
    """Listens to Twisted's log for errors: what a Deferred or a callback lost ends there."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        if event.get("isError") or "log_failure" in event:
            failure = event.get("log_failure") or event.get("failure")
            text = failure.getTraceback() if failure else str(event.get("log_format", event))
            self.seen.append(text)


def _left() -> set[object]:
    """What the reactor still has to do: delayed calls, readers, writers."""
    inside = set(getattr(reactor, "_internalReaders", ()))
    readers = {reader for reader in reactor.getReaders() if reader not in inside}
    return readers | set(reactor.getWriters()) | set(reactor.getDelayedCalls())


@pytest.fixture(autouse=True)
def clean_reactor(request: pytest.FixtureRequest) -> Iterator[Errors]:
    """Fails a test that leaves something in the reactor, or whose errors only reached the log.

    A test that means to have an error logged takes it out of `seen`.
    """
    before, errors = _left(), Errors()
    globalLogPublisher.addObserver(errors)
    yield errors
    # A failed Deferred tells of its error when it is collected, however old it is. What outlives
    # this test is not looked at again: that makes looking at everything cheap.
    gc.collect()
    gc.freeze()
    globalLogPublisher.removeObserver(errors)
    left = _left() - before
    for call in [one for one in left if hasattr(one, "cancel")]:
        call.cancel()
    assert not left, f"left in the reactor: {[str(one) for one in left]}"
    assert not errors.seen, "errors were logged:\n" + "\n".join(errors.seen)
