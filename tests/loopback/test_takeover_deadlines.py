"""No wait of a takeover is without an end, and a reload may offer it elsewhere."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.loopback.site import Site
from tests.loopback.successors import line_of
from tests.loopback.test_takeover import BEGIN
from twisted_lb import handover, takeover
from twisted_lb.facts import Announced, Fact
from twisted_lb.handover import Offer
from twisted_lb.takeover import CannotTakeOver, former
from twisted_lb.terms import Address
from twisted_lb.wire.handover import VERSION, Where, line, where_told


class Estate:
    """One socket, and what became of it."""

    def __init__(self, listening: socket.socket) -> None:
        self.listening = listening
        self.log: list[str] = []

    def shared(self) -> Mapping[Where, int]:
        return {Address("127.0.0.1", 21): self.listening.fileno()}

    async def pause(self) -> None:
        self.log.append("pause")

    def knows(self) -> list[dict[str, Any]]:
        return []

    def resume(self) -> None:
        self.log.append("resume")

    async def leave(self, pid: int) -> Mapping[str, Any]:
        self.log.append("leave")
        return {}


@pytest.mark.parametrize(
    ("says", "log"),
    [
        ((), []),
        ((line(takeover=VERSION),), []),
        ((line(takeover=1), line(ready=1)), ["pause", "resume"]),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_successor_that_falls_silent_is_waited_for_only_so_long(
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    says: tuple[bytes, ...],
    log: list[str],
) -> None:
    for name in ("HELLO", "START", "SERVE"):
        monkeypatch.setattr(handover, name, 0.2)
    facts: list[Fact] = []
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(socket.AF_UNIX) as us:
        estate = Estate(listening)
        offer = Offer(f"{tmp_path}/takeover", reactor, estate, facts.append)
        us.connect(offer.path)
        for each in says:
            us.sendall(each)
        await site.until(lambda: bool(facts))
        why = f"process {os.getpid()}: says nothing for 0.2 s"
        assert facts == [Announced("takeover-failed", why)]
        assert estate.log == log
        await offer.close()


@pytest.mark.parametrize(
    ("text", "closes", "why"),
    [
        (b"", False, "says nothing for 0.1 s"),
        (b'{"takeover"', False, "says nothing for 0.1 s"),
        (b"", True, "has left in the middle of it"),
        (b"x\n", True, "a line that is not JSON"),
        (line(takeover=9), True, "it speaks version 9, we speak 1"),
        (line(error="no"), True, "no"),
        (line(takeover=1, listeners=[{}]), True, "no place of a listener"),
        (line(takeover=1, listeners=[where_told("tcp:21")]), True, "zip"),
        (b"[" * (takeover.LONGEST + 1), False, "says a line without an end"),
    ],
)
def test_a_process_that_does_not_answer_as_it_should_is_not_taken_over(
    monkeypatch: pytest.MonkeyPatch, text: bytes, closes: bool, why: str
) -> None:
    monkeypatch.setattr(takeover, "ANSWER", 0.1)
    ours, its = socket.socketpair(socket.AF_UNIX)
    its.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * takeover.LONGEST)
    its.sendall(text)
    if closes:
        its.close()
    now = iter(range(10))
    with ours, its, pytest.raises(CannotTakeOver, match=why):
        takeover.Former(ours, lambda: next(now) * 0.01).sockets()


def test_nobody_is_no_error_and_a_path_that_cannot_be_is_one(tmp_path: Path) -> None:
    assert former(f"{tmp_path}/nothing", lambda: 0.0) is None
    with pytest.raises(CannotTakeOver, match="AF_UNIX path too long"):
        former(f"{tmp_path}/{'x' * 200}", lambda: 0.0)


@pytest_twisted.ensureDeferred
async def test_a_reload_may_offer_it_elsewhere(site: Site, tmp_path: Path) -> None:
    with line_of(tmp_path, site.serve("127.0.0.2", "127.0.0.3"), 1) as found:
        first = found.begins()
        await site.until(lambda: first.says("listening") and found.listens(), BEGIN)
        config, other = tmp_path / "0.toml", tmp_path / "other"
        text = config.read_text()
        config.write_text(text.replace(f'"{found.socket}"', f'"{tmp_path}/nowhere/takeover"'))
        first.process.send_signal(signal.SIGHUP)
        await site.until(lambda: first.says("reload-failed"))
        assert found.listens()
        config.write_text(text.replace(f'"{found.socket}"', f'"{other}"'))
        first.process.send_signal(signal.SIGHUP)
        await site.until(lambda: other.exists() and not found.listens())
        new = found.begins("--takeover", str(other))
        await site.until(lambda: new.says("took-over") and found.listens(), BEGIN)
        await site.until(lambda: first.process.poll() == 0, BEGIN)
        assert not other.exists()
