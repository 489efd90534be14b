"""Attack 18 on sockets: whatever clients put into names and paths, each fact is one line of JSON
that any terminal may show, and no password is in any of them."""

from __future__ import annotations

import json

import pytest
import pytest_twisted

from tests.hellos import hello, server_names
from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.site import Site
from tests.loopback.test_hello import BLUE, RED, by_name
from twisted_lb.facts import ConnectionEnded, TransferEnded
from twisted_lb.observe import json_line

SERVER = "127.0.0.2"
HOSTILE = [
    '"} {"fact": "forged',
    "\x1b]0;owned\x07\x1b[2J",
    "\u202egnp.exe",
    "a\tb\x7f\x9b31m",
    "\\u0000\\n",
]
SECRET = "hunter2-hunter2"


def told(site: Site) -> list[dict[str, object]]:
    """What the log says of everything that happened; every line is fit to be shown."""
    lines = [json_line(fact, 0.0) for fact in site.facts]
    for each in lines:
        assert each.endswith("\n")
        assert each[:-1].isascii()
        assert each[:-1].isprintable()
        assert SECRET not in each
    return [json.loads(each) for each in lines]


@pytest.mark.parametrize("text", HOSTILE)
@pytest_twisted.ensureDeferred
async def test_users_and_paths(ftp_site: FtpSite, text: str) -> None:
    ftp_site.start(ftp(ftp_site.serve_ftp(SERVER), SERVER))
    client = await ftp_site.visit()
    await client.replies(220)
    await client.does(f"USER {text}", 331)
    await client.does(f"PASS {SECRET}", 230)
    server = await ftp_site.hosts[0].talk()
    client.asks(f"RETR {text}")
    await server.asked(f"RETR {text}")
    server.says(b"550 No\r\n")
    await client.replies(550)
    client.closes()
    await ftp_site.until(lambda: bool(ftp_site.endings(ConnectionEnded)))
    [transfer] = [each for each in told(ftp_site) if each["fact"] == "transfer-ended"]
    assert (transfer["user"], transfer["path"]) == (text, text)
    assert ftp_site.endings(TransferEnded) == ["server-refused"]


@pytest.mark.parametrize("name", [b"a\r\nb", b"\x1b[2J", b'"}', b"known.example\x00.evil"])
@pytest_twisted.ensureDeferred
async def test_server_names(site: Site, name: bytes) -> None:
    site.start(by_name(site.serve(RED, BLUE)))
    client = await site.client("in")
    client.says(hello(server_names(name)))
    await client.ends("eof")
    client.closes()
    await site.until(lambda: bool(site.endings(ConnectionEnded)))
    [connection] = [each for each in told(site) if each["fact"] == "connection-ended"]
    assert connection["ending"] == "wire-error"
