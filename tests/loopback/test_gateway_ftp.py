"""FTP through tunnel and security proxy: three kinds of channel, one session, a real server."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
import pytest_twisted

from tests.loopback.farm import Farm, start
from tests.loopback.ftp_talks import Visitor
from tests.loopback.gateways import NAME, Gateways
from tests.loopback.test_ftp_logins import Strict
from twisted_lb.config.settings import LoginRules
from twisted_lb.facts import ConnectionEnded, SessionEnded, TransferEnded
from twisted_lb.gateway.settings import Destination, Local
from twisted_lb.gateway.tunnel import Tunnel
from twisted_lb.terms import Address

VERBS = ("PASV", "EPSV", "PORT", "EPRT")
CONTENT = bytes(range(256)) * 4096


def ftp_local(farm: Farm, address: str = "127.0.0.2") -> Local:
    return Local("ftp", (Address("127.0.0.1", 0),), Address(address, farm.port), "ftp")


def a_tunnel(gateways: Gateways, farm: Farm) -> Tunnel:
    return gateways.tunnel(gateways.proxy(), ftp_local(farm))


async def upload(visitor: Visitor, verb: str, name: str, content: bytes) -> None:
    coming = await visitor.announces(verb)
    visitor.asks(f"STOR {name}")
    data = await coming
    data.says(content)
    data.closes()
    await visitor.replies(1, 226)


async def download(visitor: Visitor, verb: str, name: str) -> bytes:
    coming = await visitor.announces(verb)
    visitor.asks(f"RETR {name}")
    data = await coming
    await data.gone()
    await visitor.replies(1, 226)
    assert data.ended == "closed"
    return data.heard  # type: ignore[no-any-return]


async def leave(visitor: Visitor) -> None:
    await visitor.does("QUIT", 221)
    await visitor.ends("eof")
    visitor.closes()


def file(farm: Farm, name: str, address: str = "127.0.0.2") -> Path:
    return farm.at(address).home / name


@pytest.mark.parametrize("verb", VERBS)
@pytest_twisted.ensureDeferred
async def test_a_file_goes_up_and_comes_down(gateways: Gateways, farm: Farm, verb: str) -> None:
    visitor = await gateways.logs_in(a_tunnel(gateways, farm))
    await visitor.does("TYPE I", 200)
    await upload(visitor, verb, "mine", CONTENT)
    assert sha256(file(farm, "mine").read_bytes()).digest() == sha256(CONTENT).digest()
    assert sha256(await download(visitor, verb, "mine")).digest() == sha256(CONTENT).digest()
    await leave(visitor)
    await gateways.until(lambda: len(gateways.endings(SessionEnded)) == 2)
    assert gateways.endings(SessionEnded) == ["done"] * 2
    assert gateways.endings(TransferEnded) == ["done"] * 4
    assert gateways.proxies[0].roles.unknown_sessions == 0


@pytest.mark.parametrize("verb", VERBS)
@pytest_twisted.ensureDeferred
async def test_with_a_host_in_tls_data_connections_are_protected_too(
    gateways: Gateways, tmp_path: Path, verb: str
) -> None:
    """And go on with the TLS session of the control connection (T65)."""
    secure = start(tmp_path / "secure", "127.0.0.2", tls=("implicit", gateways.certificate))
    try:
        entry = Destination("127.0.0.2", (1, 65_535), tls="on", ca=gateways.ca, identity=NAME)
        tunnel = gateways.tunnel(gateways.proxy(destinations=(entry,)), ftp_local(secure))
        visitor = await gateways.logs_in(tunnel)
        await visitor.does("TYPE I", 200)
        await upload(visitor, verb, "mine", CONTENT)
        assert file(secure, "mine").read_bytes() == CONTENT
        assert await download(visitor, verb, "mine") == CONTENT
        await leave(visitor)
        log = (tmp_path / "secure" / "127.0.0.2.log").read_text()
        assert log.count("data resumed") == 2
        assert "data new" not in log
    finally:
        secure.at("127.0.0.2").kill()


@pytest_twisted.ensureDeferred
async def test_fifty_small_files_in_one_session(gateways: Gateways, farm: Farm) -> None:
    visitor = await gateways.logs_in(a_tunnel(gateways, farm))
    await visitor.does("TYPE I", 200)
    for turn in range(50):
        content = bytes([turn]) * 4096
        await upload(visitor, VERBS[turn % 4], f"file{turn}", content)
        assert file(farm, f"file{turn}").read_bytes() == content
    await leave(visitor)


@pytest_twisted.ensureDeferred
async def test_the_channels_of_a_session_are_counted_and_told(
    gateways: Gateways, farm: Farm
) -> None:
    visitor = await gateways.logs_in(a_tunnel(gateways, farm))
    await download(visitor, "EPSV", "who")
    await leave(visitor)
    proxy = gateways.proxies[0]
    await gateways.until(lambda: not len(proxy.visits))
    told = [f for f in gateways.facts if isinstance(f, ConnectionEnded) and f.frontend == "main"]
    assert sorted(fact.role for fact in told) == ["control", "data", "notification"]
    assert {fact.session for fact in told} == {"ftp1"}
    assert [fact.from_server for fact in told if fact.role == "data"] == [9]


@pytest_twisted.ensureDeferred
async def test_sessions_side_by_side_do_not_meet(gateways: Gateways, farm: Farm) -> None:
    tunnel = a_tunnel(gateways, farm)
    visitors = [await gateways.logs_in(tunnel) for _ in range(4)]
    for turn in range(3):
        for number, visitor in enumerate(visitors):
            await upload(visitor, VERBS[(turn + number) % 4], f"{number}-{turn}", b"%d" % number)
    for number, visitor in enumerate(visitors):
        assert await download(visitor, "EPSV", f"{number}-2") == b"%d" % number
        await leave(visitor)
    ended = [f for f in gateways.facts if isinstance(f, ConnectionEnded) and f.role == "control"]
    assert sorted({f.session for f in ended}) == ["ftp1", "ftp1.1", "ftp1.2", "ftp1.3"]


@pytest_twisted.ensureDeferred
async def test_the_user_of_an_ftp_client_reads_why(gateways: Gateways) -> None:
    """T21: 421 and a reason, instead of a greeting."""
    local = Local("ftp", (Address("127.0.0.1", 0),), Address("127.0.0.2", 9), "ftp")
    tunnel = gateways.tunnel(gateways.proxy(), local)
    visitor = await gateways.connect(tunnel.address("ftp"), "127.0.0.1", Visitor(gateways))
    assert await visitor.reply() == b"421 lb-tunnel: the host did not take the connection."
    visitor.closes()
    await visitor.gone()


@pytest_twisted.ensureDeferred
async def test_who_guesses_locks_out_nobody_else(gateways: Gateways) -> None:
    """T49: nobody at another host, and at the same one nobody who has logged in there."""
    allowed = LoginRules().per_user
    assert allowed is not None
    addresses = ("127.0.0.2", "127.0.0.3")
    port = gateways.serve_each(dict.fromkeys(addresses, Strict))
    locals = [
        Local(name, (Address("127.0.0.1", 0),), Address(address, port), "ftp")
        for name, address in zip("ab", addresses, strict=True)
    ]
    front = gateways.proxy()
    ann, mallory = (gateways.tunnel(front, *locals, user=user) for user in ("ann", "mallory"))
    assert (await answers(gateways, ann, "a", "right"))[0][:3] == b"230"
    heard = await answers(gateways, mallory, "a", *["wrong"] * allowed, "right")
    assert heard == [b"530 Not this one"] * allowed + [b"530 Login incorrect."]
    assert (await answers(gateways, ann, "a", "right"))[0][:3] == b"230"
    assert (await answers(gateways, mallory, "b", "right"))[0][:3] == b"230"


async def answers(gateways: Gateways, tunnel: Tunnel, local: str, *passwords: str) -> list[bytes]:
    """What is said to these passwords, on one connection."""
    visitor = await gateways.connect(tunnel.address(local), "127.0.0.1", Visitor(gateways))
    await visitor.replies(220)
    heard = []
    for password in passwords:
        await visitor.does("USER ibmuser", 331)
        visitor.asks(f"PASS {password}")
        heard.append(await visitor.reply())
    visitor.closes()
    return heard
