"""A takeover that does not come to its end changes nothing; who may not take over cannot."""

from __future__ import annotations

import os
import signal
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol

from tests.loopback.site import Site, Talk
from tests.loopback.successors import Line, line_of, peer_line
from tests.loopback.test_reloads import WORD, Echo
from tests.loopback.test_takeover import BEGIN
from twisted_lb.wire.handover import VERSION, line


@pytest_twisted.async_yield_fixture()
async def serving(site: Site, tmp_path: Path) -> AsyncIterator[Line]:
    """A process that serves and may be taken over."""
    with line_of(tmp_path, site.serve("127.0.0.2", "127.0.0.3", protocol=Echo), 1) as found:
        await begun(site, found)
        yield found


async def begun(site: Site, line: Line, *options: str) -> None:
    first = line.begins(*options)
    await site.until(lambda: first.says("listening") and line.listens(), BEGIN)


async def echoes(site: Site, line: Line) -> Talk:
    """A new client is served."""
    talk = await site.connect(line.echo)
    return await answered(talk)


async def answered(talk: Talk) -> Talk:
    talk.heard = b""
    talk.says(WORD)
    return await talk.hears(WORD)


@contextmanager
def successor(serving: Line, *, ready: bool = True) -> Iterator[tuple[socket.socket, list[int]]]:
    """One that a test leads, and the descriptors that it got; `ready`: it may serve now."""
    with socket.socket(socket.AF_UNIX) as us:
        us.settimeout(10)
        us.connect(str(serving.socket))
        us.sendall(line(takeover=VERSION))
        text, numbers = b"", list[int]()
        while not text.endswith(b"\n"):
            data, more, _, _ = socket.recv_fds(us, 65_536, 253)
            text, numbers = text + data, numbers + list(more)
        try:
            if ready:
                us.sendall(line(ready=True))
                assert peer_line(us)["yours"]
            yield us, numbers
        finally:
            for number in numbers:
                os.close(number)


async def takes_over(site: Site, line: Line) -> None:
    """A sound one does."""
    new = line.succeeds()
    await site.until(lambda: new.says("took-over") and line.listens(), BEGIN)
    talk = await echoes(site, line)
    talk.closes()
    await talk.gone()


@pytest_twisted.ensureDeferred
async def test_one_that_cannot_listen_ends_and_the_old_one_goes_on(
    site: Site, serving: Line
) -> None:
    client = await echoes(site, serving)
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        text = f'[[frontend]]\nname = "busy"\nlisten = "127.0.0.1:{port}"\nbackend = "echoes"\n'
        failing = serving.succeeds(text)
        await site.until(lambda: failing.process.poll() is not None, BEGIN)
    assert failing.process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in serving.output(1)
    assert "Traceback" not in serving.output(1)
    await site.until(lambda: serving.processes[0].says("takeover-failed"))
    await answered(client)
    await echoes(site, serving)
    await takes_over(site, serving)


@pytest_twisted.ensureDeferred
async def test_one_that_dies_before_it_serves_leaves_nobody_waiting(
    site: Site, serving: Line
) -> None:
    with successor(serving):
        waiting = await site.connect(serving.echo)  # nobody is refused, and nobody accepts
        waiting.says(WORD)
        assert not (serving.place / "admin").exists(), "the other one may listen there by now"
    await waiting.hears(WORD)
    await site.until(lambda: serving.serves.says("takeover-failed"))
    await site.until((serving.place / "admin").exists)
    await takes_over(site, serving)


@pytest_twisted.ensureDeferred
async def test_the_old_ones_end_does_not_end_what_it_has_handed_out(
    site: Site, serving: Line
) -> None:
    """SIGTERM in the middle of it: shutdown(2) would end the other process' sockets, too."""
    with successor(serving, ready=False) as (_, numbers):
        serving.serves.process.terminate()
        await site.until(lambda: serving.serves.process.poll() is not None, BEGIN)
        with socket.create_connection((serving.echo.host, serving.echo.port), 10) as client:
            client.sendall(WORD)
            assert [accepted_at(number, serving.echo.port) for number in numbers].count(WORD) == 1


def accepted_at(number: int, port: int) -> bytes:
    """What a client says that waits at this port, if it is this listening socket's."""
    with socket.socket(fileno=os.dup(number)) as listening:
        if listening.getsockname()[1] != port:
            return b""
        listening.settimeout(10)
        with listening.accept()[0] as accepted:
            return accepted.recv(100)


@pytest_twisted.ensureDeferred
async def test_one_at_a_time(site: Site, serving: Line) -> None:
    with successor(serving), socket.socket(socket.AF_UNIX) as second:
        second.connect(str(serving.socket))
        assert peer_line(second) == {"error": "another process is taking over"}
    await takes_over(site, serving)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (line(takeover=2), "it speaks version 2, we speak 1"),
        (line(hello=1), "says hello where takeover is awaited"),
        (b"GET / HTTP/1.1\n", "a line that is not JSON"),
        (b"[]\n", "a line that is no JSON object"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_who_does_not_speak_as_we_do_is_told_so(
    site: Site, serving: Line, said: bytes, why: str
) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(str(serving.socket))
        other.sendall(said)
        assert peer_line(other) == {"error": why}
    await echoes(site, serving)


@pytest_twisted.ensureDeferred
async def test_a_stranger_gets_nothing(site: Site) -> None:
    """The socket's mode keeps others away; where it does not, the kernel tells whose they are."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        with line_of(place, site.serve("127.0.0.2", "127.0.0.3", protocol=Echo), 1) as serving:
            await begun(site, serving)
            assert stat.S_IMODE(serving.socket.stat().st_mode) == 0o600
            place.chmod(0o755)
            serving.socket.chmod(0o666)
            told = asked_by(STRANGER, serving.socket)
            if os.geteuid() != 0:
                assert b"takeover" in told, "we can be nobody else, and are no strangers"
                return
            assert told == b""
            await site.until(lambda: serving.serves.says("takeover-failed"))
            lines = [each for each in serving.serves.lines if each.get("what") == "takeover-failed"]
            assert [each["detail"].endswith(f"is of user {STRANGER}") for each in lines] == [True]


STRANGER = 65_534


def asked_by(user: int, path: Path) -> bytes:
    """What a process of this user is answered; where we may not become it, one of our own."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setuid(user)
            with socket.socket(socket.AF_UNIX) as asking:
                asking.settimeout(10)
                asking.connect(str(path))
                asking.sendall(line(takeover=VERSION))
                os.write(theirs, asking.recv(100))
        finally:
            os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    with os.fdopen(ours, "rb") as answer:
        return answer.read()


@pytest_twisted.ensureDeferred
async def test_where_nobody_is_it_starts_as_usual(site: Site, tmp_path: Path) -> None:
    """One command line for the first start and for all that follow."""
    echo = site.serve("127.0.0.2", "127.0.0.3", protocol=Echo)
    with line_of(tmp_path, echo, 1) as line:
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(str(line.socket))
        await begun(site, line, "--takeover", str(line.socket))
        await site.until(lambda: line.serves.says("nobody-to-take-over"))
        await echoes(site, line)
        await takes_over(site, line)


@pytest_twisted.ensureDeferred
async def test_a_process_that_was_taken_over_drains_by_its_deadline(
    site: Site, tmp_path: Path
) -> None:
    echo = site.serve("127.0.0.2", "127.0.0.3", protocol=Echo)
    with line_of(tmp_path, echo, 1, "0.5s") as line:
        await begun(site, line)
        client = await echoes(site, line)
        await takes_over(site, line)
        await client.ends("reset")
        await site.until(lambda: line.processes[0].process.poll() == 0, BEGIN)
        assert line.processes[0].endings == {"drained"}


@pytest_twisted.ensureDeferred
async def test_the_first_term_lets_it_go_on_draining_the_second_ends_it(
    site: Site, serving: Line
) -> None:
    """A supervisor that stops all processes sends one to it, too."""
    client = await echoes(site, serving)
    await takes_over(site, serving)
    old = serving.processes[0]
    await site.until(lambda: old.says("draining"))
    old.process.send_signal(signal.SIGTERM)
    old.process.send_signal(signal.SIGHUP)
    await site.until(lambda: old.says("reload-failed"))
    await answered(client)
    old.process.send_signal(signal.SIGTERM)
    await client.ends("reset")
    await site.until(lambda: old.process.poll() == 0, BEGIN)


@pytest_twisted.ensureDeferred
async def test_every_kind_of_listener_is_handed_on(site: Site, serving: Line) -> None:
    """More ports than one message holds, and a unix socket with its own mode."""
    path = serving.place / "front"
    more = (
        f'[[frontend]]\nname = "unix"\nendpoint = "unix:{path}:mode=640"\nbackend = "echoes"\n'
        f"server_port = {serving.servers['echo_server']}\n"
        '[[frontend]]\nname = "many"\nlisten = "127.0.0.1:25000-25299"\nbackend = "echoes"\n'
        f"server_port = {serving.servers['echo_server']}\n"
    )
    await takes_over(site, serving)
    for _ in range(3):
        new = serving.succeeds(more)
        await site.until(lambda new=new: new.says("took-over"), BEGIN)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        talk = Talk()
        site.clients.append(talk)
        await answered(await connectProtocol(UNIXClientEndpoint(reactor, str(path)), talk))
        talk.closes()
        await talk.gone()
    formers = serving.processes[:-1]
    await site.until(lambda: all(each.process.poll() == 0 for each in formers), BEGIN)
    assert path.exists()
    serving.serves.process.terminate()
    await site.until(lambda: serving.serves.process.poll() == 0, BEGIN)
    assert not path.exists() and not serving.socket.exists()
