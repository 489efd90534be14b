"""Ports that are bound and do not listen: refused, then listened on again, and never too many."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator

import pytest

from twisted_lb.sockets.bound import MOST, SHARE, Bound

HERE = "127.0.0.1"


@pytest.fixture
def kept() -> Iterator[Bound]:
    kept = Bound()
    yield kept
    kept.close()


def free_port() -> int:
    with socket.create_server((HERE, 0)) as free:
        return int(free.getsockname()[1])


def refused(port: int) -> bool:
    try:
        socket.create_connection((HERE, port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_what_is_kept_refuses_and_listens_again_when_it_is_taken(kept: Bound) -> None:
    port = free_port()
    first = kept.take(HERE, port)
    assert refused(port)
    first.listen(1)
    assert not refused(port)
    kept.keep(HERE, port, first)
    assert refused(port)
    again = kept.take(HERE, port)
    with again:
        assert again is first
        again.listen(1)
        assert not refused(port)


def test_another_process_may_listen_on_a_port_that_is_kept(kept: Bound) -> None:
    """One that takes over has the same ports configured."""
    port = free_port()
    listening = kept.take(HERE, port)
    listening.listen(1)
    kept.keep(HERE, port, listening)
    with Bound().take(HERE, port) as another:
        another.listen(1)
        assert not refused(port)
        with kept.take(HERE, port) as ours, pytest.raises(OSError, match="in use"):
            ours.listen(1)


def test_the_oldest_goes_when_there_are_too_many() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * SHARE, before[1]))
    try:
        few = Bound()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    ports = [free_port() for _ in range(3)]
    handles = [few.take(HERE, port) for port in ports]
    for port, handle in zip(ports, handles, strict=True):
        handle.listen(1)
        few.keep(HERE, port, handle)
    assert [handle.fileno() >= 0 for handle in handles] == [False, True, True]
    few.close()
    assert all(handle.fileno() < 0 for handle in handles)
    assert MOST > 2


def test_what_cannot_be_kept_is_closed(kept: Bound) -> None:
    unused = kept.take(HERE, free_port())  # it does not listen: there is nothing to shut down
    kept.keep(HERE, 1, unused)
    assert unused.fileno() < 0
