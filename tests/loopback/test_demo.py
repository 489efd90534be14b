"""`./run demo` shows both scenes, tells when a channel went astray, and stays up to be tried."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ftplib import FTP
from pathlib import Path
from socket import create_connection

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.conftest import Errors
from tests.loopback.ftp_site import FtpSite
from twisted_lb.demo import ftp, gateway
from twisted_lb.demo.files import KEY
from twisted_lb.demo.hosts import MARKER, PASSWORD, USER, Site

DEMO = (sys.executable, "-m", "twisted_lb.demo")


def test_it_shows_sessions_that_stay_together_and_ends() -> None:
    done = subprocess.run(
        [*DEMO, "--once"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    direct, through = done.stdout.split(gateway.TITLE)
    assert (direct.count("✓ together"), "✗" in direct) == (ftp.SESSIONS, False)
    rows = [line for line in through.splitlines() if line.endswith("✓ together")]
    whole = [line for line in rows if line.count("1 control, 9 data, 1 notification") == 1]
    terminals = [line for line in rows if line.count("1 terminal ") == 1]
    assert (len(whole), len(terminals)) == (gateway.FTP_SESSIONS, gateway.TERMINALS)
    assert "✓ terminals at proxy a and b: 2 and 2" in through
    assert "✓ channels at a proxy that does not know their session: 0" in through
    assert "✗" not in through


def test_an_option_that_it_does_not_have_is_refused() -> None:
    done = subprocess.run(
        [*DEMO, "--twice"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "no option '--twice'; there is only --once" in done.stderr


@contextmanager
def running() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The demo that stays up, and what it said until then."""
    process = subprocess.Popen(
        DEMO,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Whoever started the tests in the background had it ignored, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("Ctrl-C"):
                break
        yield process, said
    finally:
        process.kill()
        process.communicate()


def test_what_it_tells_to_try_works_until_ctrl_c() -> None:
    """Both FTP ports and the terminals' port, as the commands name them."""
    with running() as (process, said):
        ports = re.findall(rf"curl -s ftp://{USER}:{PASSWORD}@127\.0\.0\.1:(\d+)/{MARKER}", said)
        named = [marker(int(port)) for port in ports]
        assert (named[0] in ftp.SERVERS, named[1:]) == (True, ["files"]), said
        telnet = re.search(r"telnet 127\.0\.0\.1 (\d+)", said)
        assert telnet, said
        with create_connection(("127.0.0.1", int(telnet[1])), timeout=20) as terminal:
            terminal.sendall(b"hello\r\nbye\r\n")
            heard = b"".join(iter(lambda: terminal.recv(1000), b""))
        assert heard.splitlines()[1:] == [b"you said hello"]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def marker(port: int) -> str:
    """Which server this is."""
    got = bytearray()
    with FTP(timeout=20) as client:
        client.connect("127.0.0.1", port)
        client.login(USER, PASSWORD)
        client.retrbinary(f"RETR {MARKER}", got.extend)
    return got.decode()


@pytest.mark.parametrize(("key", "well"), [(KEY, True), ('key = "connection"', False)])
@pytest_twisted.ensureDeferred
async def test_it_tells_when_channels_go_astray(
    ftp_site: FtpSite, tmp_path: Path, clean_reactor: Errors, key: str, well: bool
) -> None:
    """A balancer that takes each connection for itself: proxies see channels of sessions that they
    do not know, and whoever runs the demo is told. Which of the sessions it hits, and whether their
    server has announced data that never comes, is chance."""
    site, before = Site(), set(reactor.getReaders())
    try:
        shown = await gateway.play(reactor, site, tmp_path, key)
    finally:
        await site.stop()
        await ftp_site.until(lambda: set(reactor.getReaders()) <= before)
    assert shown.well is well, shown.text
    assert ("✓ channels at a proxy that does not know their session: 0" in shown.text) is well
    told = "✗ 421 lb-tunnel: the proxy does not know the session."
    assert (shown.text.count(told) == 0) is well
    if not well:
        clean_reactor.seen[:] = [s for s in clean_reactor.seen if "DTPFactory timeout" not in s]
