"""What every test is held to (conftest.py), shown by tests that do wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]

WRONG = """
import gc
import pytest
import pytest_twisted
from twisted.internet import defer, reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python import log


def test_wrong_leaves_a_delayed_call():
    reactor.callLater(1000, lambda: None)

def test_wrong_leaves_a_listening_port():
    reactor.listenTCP(0, Factory(), interface="127.0.0.1")

def test_wrong_logs_an_error_the_old_way():
    log.err(ValueError("logged"), "the old way")

def test_wrong_logs_an_error_by_a_flag():
    log.msg("logged", isError=True)

def test_wrong_logs_a_failure():
    try:
        raise ValueError("logged")
    except ValueError:
        Logger().failure("the new way")

def test_wrong_drops_a_failed_deferred():
    defer.fail(ValueError("dropped"))

def test_wrong_drops_a_failed_deferred_that_has_grown_old():
    deferred = defer.fail(ValueError("dropped"))
    deferred.itself = deferred
    for _ in range(3):
        gc.collect()  # it is still held here: each time it grows older

@pytest_twisted.ensureDeferred
async def test_wrong_raises_in_a_protocol():
    class Broken(Protocol):
        def dataReceived(self, data):
            raise ValueError("in dataReceived")

    class Client(Protocol):
        def connectionMade(self):
            self.transport.write(b"x")

        def connectionLost(self, reason):
            gone.callback(None)

    gone = defer.Deferred()
    port = reactor.listenTCP(0, Factory.forProtocol(Broken), interface="127.0.0.1")
    there = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    await connectProtocol(there, Client())
    await gone
    await port.stopListening()

def test_right_takes_out_the_error_that_it_means(clean_reactor):
    log.err(ValueError("meant"), "meant")
    clean_reactor.seen.clear()

def test_right_is_not_blamed_for_the_others():
    pass

@pytest.mark.soak
def test_large():
    pass
"""


def outcomes(directory: Path, *options: str) -> dict[str, set[str]]:
    """Outcome → the tests of WRONG that have it, when they are held to what ours are held to."""
    (directory / "test_wrong.py").write_text(WRONG)
    (directory / "pytest.ini").write_text("[pytest]\nmarkers = soak\n")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-rA",
         *options, str(directory)],
        cwd=CHECKOUT, env=os.environ | {"COLUMNS": "200"}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    told = re.findall(r"^(PASSED|FAILED|ERROR) \S*?::(\w+)", ran.stdout, re.MULTILINE)
    assert told, ran.stdout + ran.stderr
    return {outcome: {name for word, name in told if word == outcome} for outcome, _ in told}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    return outcomes(tmp_path_factory.mktemp("wrong"))


def test_a_test_that_leaves_something_or_loses_an_error_fails(told: dict[str, set[str]]) -> None:
    wrong = set(re.findall(r"def (test_wrong_\w+)", WRONG))
    assert len(wrong) == 8
    assert told["ERROR"] == wrong


def test_only_that_test_fails(told: dict[str, set[str]]) -> None:
    right = {name for name in told["PASSED"] if "_right_" in name}
    assert right == set(re.findall(r"def (test_right_\w+)", WRONG))
    assert "FAILED" not in told


def test_large_tests_run_only_when_asked_for(told: dict[str, set[str]], tmp_path: Path) -> None:
    assert "test_large" not in told["PASSED"]
    assert outcomes(tmp_path, "--soak", "-m", "soak") == {"PASSED": {"test_large"}}
