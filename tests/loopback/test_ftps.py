"""FTPS through the balancer: real clients, real servers, TLS on either side, on both, on none."""

from __future__ import annotations

import ftplib
import os
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.certificates import Authority, written
from tests.loopback.farm import Farm, start
from tests.loopback.ftp_site import FtpSite, ftp
from tests.loopback.ftps_clients import Way, digest, download, upload
from twisted_lb.config.settings import BackendTls, FrontendTls, FtpTls, ShownCertificate
from twisted_lb.facts import Announced, AttackSeen, ConnectionEnded, Secured, TransferEnded

HOME = "127.0.0.2"
SIZE = 300_000
LOOSE = FtpTls(data="optional")


@attrs.frozen
class Place:
    """Certificates, and a server of each kind."""

    path: Path
    ca: str
    front: str
    mine: str
    """A client's certificate."""
    farms: dict[str, Farm]

    def home(self, kind: str) -> Path:
        """What the server of this kind has."""
        return self.farms[kind].at(HOME).home

    def data(self, kind: str) -> list[str]:
        """Of each secured data connection, whether it was `resumed` or `new` to that server."""
        log = self.home(kind).with_name(f"{HOME}.log").read_text()
        return [line.split()[1] for line in log.splitlines() if line.startswith("data ")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    path = tmp_path_factory.mktemp("ftps")
    authority = Authority()
    ca = written(authority.pem, path / "ca.pem")
    front = written(authority.sign("front.example"), path / "front.pem")
    mine = written(authority.sign("joe.example"), path / "joe.pem")
    server = written(authority.sign("ftp.example"), path / "server.pem")
    farms = {
        "off": start(path / "off", HOME),
        "starttls": start(path / "starttls", HOME, tls=("explicit", server)),
        "on": start(path / "on", HOME, tls=("implicit", server)),
    }
    try:
        yield Place(path, ca, front, mine, farms)
    finally:
        for farm in farms.values():
            farm.at(HOME).kill()


def secured(
    site: FtpSite,
    place: Place,
    client: str = "starttls",
    server: str = "starttls",
    rules: FtpTls | None = None,
    **changed: Any,
) -> Way:
    """A balancer with TLS toward clients and servers like that; how to come to it."""
    mode = {"match": "starttls", "off": "off"}.get(server, server)
    tls = FrontendTls(
        client,  # type: ignore[arg-type]
        certificates=(ShownCertificate(place.front),),
        required=changed.pop("required", True),
        clients=changed.pop("clients", "off"),
        minimum=changed.pop("minimum", "1.2"),
        ca=place.ca,
    )
    toward = BackendTls(
        server,  # type: ignore[arg-type]
        data=changed.pop("server_data_tls", "private"),
        ca=changed.pop("server_ca", place.ca),
        identity=changed.pop("identity", "ftp.example"),
    )
    if client == "off":
        tls = FrontendTls()
    settings = ftp(
        place.farms[mode].port,
        HOME,
        frontend={"tls": tls},
        backend={"tls": toward},
        tls=rules or FtpTls(),
        **changed,
    )
    site.start(settings)
    return Way(site.balancer.address("ftp"), place.ca, implicit=client == "terminate")


async def both_ways(way: Way, home: Path) -> None:
    """A file up, the same file down."""
    data, name = os.urandom(SIZE), os.urandom(8).hex()

    def moves() -> bytes:
        with way.session() as client:
            assert upload(client, name, data).startswith("226")
            return download(client, name)

    back = await deferToThread(moves)
    assert digest(back) == digest(data) == digest((home / name).read_bytes())


# -- every side by itself --------------------------------------------------------------------------

CELLS = [
    # client       server      version passive private  the server's data
    ("starttls", "starttls", "1.3", True, True, "private"),
    ("starttls", "starttls", "1.2", False, True, "private"),
    ("starttls", "off", "1.2", True, True, "private"),
    ("starttls", "off", "1.3", False, False, "private"),
    ("starttls", "on", "1.3", True, False, "private"),
    ("starttls", "match", "1.2", True, True, "private"),
    ("starttls", "match", "1.3", False, False, "clear"),
    ("starttls", "on", "1.2", False, True, "clear"),
    ("terminate", "on", "1.2", True, True, "private"),
    ("terminate", "on", "1.3", False, True, "private"),
    ("terminate", "starttls", "1.3", True, False, "clear"),
    ("terminate", "off", "1.2", False, True, "private"),
    ("terminate", "match", "1.3", True, True, "private"),
    ("terminate", "starttls", "1.2", False, False, "private"),
]


@pytest.mark.parametrize(("client", "server", "version", "passive", "private", "data"), CELLS)
@pytest_twisted.ensureDeferred
async def test_files_come_whole_however_either_side_is_protected(
    ftp_site: FtpSite,
    place: Place,
    client: str,
    server: str,
    version: str,
    passive: bool,
    private: bool,
    data: str,
) -> None:
    """T62, T64: we are the client's TLS server and the server's TLS client, whoever opens."""
    way = secured(ftp_site, place, client, server, LOOSE, server_data_tls=data)
    way = attrs.evolve(way, version=version, passive=passive, private=private)
    kind = {"match": "starttls"}.get(server, server)
    before = len(place.data(kind))
    await both_ways(way, place.home(kind))
    await ftp_site.until(lambda: len(ftp_site.of(TransferEnded)) == 2)
    assert [fact.ending for fact in ftp_site.of(TransferEnded)] == ["done", "done"]
    protected = data == "private" and kind != "off"
    assert place.data(kind)[before:] == ["resumed"] * 2 * protected
    theirs = f"TLSv{version}" if private and client != "off" else ""
    ours = "TLSv1.3" if protected else ""
    told = {(fact.client_tls, fact.server_tls) for fact in ftp_site.of(TransferEnded)}
    assert told == {(theirs, ours)}  # T94


@pytest.mark.parametrize("server", ["starttls", "on", "match"])
@pytest_twisted.ensureDeferred
async def test_a_client_in_the_clear_may_have_a_server_in_tls(
    ftp_site: FtpSite, place: Place, server: str
) -> None:
    """With `match` it is the server that says no."""
    way = secured(ftp_site, place, "off", server)

    def moves() -> bytes:
        with ftplib.FTP(timeout=20) as client:
            client.connect(way.at.host, way.at.port)
            client.login("joe", "secret")
            return client.retrbinary("RETR who", lambda part: None).encode()

    if server == "match":
        with pytest.raises(ftplib.error_perm, match="550 SSL/TLS required"):
            await deferToThread(moves)
    else:
        assert (await deferToThread(moves)).startswith(b"226")


# -- resumed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest_twisted.ensureDeferred
async def test_every_data_connection_goes_on_with_its_own_sessions_tls(
    ftp_site: FtpSite, place: Place, version: str
) -> None:
    """T65, T67, attack 7: on both sides, a hundred times, beside other clients."""
    way = attrs.evolve(secured(ftp_site, place, rules=FtpTls(reuse="required")), version=version)
    before = len(place.data("starttls"))

    def moves() -> int:
        with way.session() as client:
            return sum(len(download(client, "who")) for _ in range(25))

    moving = [deferToThread(moves) for _ in range(4)]
    assert [await each for each in moving] == [25 * len(HOME)] * 4
    assert place.data("starttls")[before:] == ["resumed"] * 100
    seen = Counter((fact.side, fact.resumed) for fact in ftp_site.of(Secured))
    sides = ("client", "server")
    assert seen == {(s, resumed): 100 if resumed else 4 for s in sides for resumed in (True, False)}


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("whose", ["nobody's", "another's"])
@pytest_twisted.ensureDeferred
async def test_a_stranger_gets_no_data_and_the_client_does(
    ftp_site: FtpSite, place: Place, version: str, whose: str
) -> None:
    """Attacks 6, 7, T52, T90: from the client's own address, and earlier than the client."""
    way = secured(ftp_site, place, rules=FtpTls(reuse="required"))
    way = attrs.evolve(way, version=version)
    context = way.context()

    def steals() -> tuple[bytes, bytes]:
        with way.session(context) as rival, way.session(context) as client:
            at = client.makepasv()
            stranger, own = socket.create_connection(at), socket.create_connection(at)
            client.sendcmd("RETR who")
            session = rival.sock.session if whose == "another's" else None
            return taken(context, stranger, session), taken(context, own, client.sock.session)

    got, whole = await deferToThread(steals)
    assert (got, whole) == (b"", HOME.encode())
    assert [fact.kind for fact in ftp_site.of(AttackSeen)] == ["data-theft"]


def taken(context: ssl.SSLContext, bare: socket.socket, session: Any) -> bytes:
    """What comes of a data connection that goes on with this TLS session."""
    bare.settimeout(10)
    with bare:
        try:
            with context.wrap_socket(
                bare, server_hostname="front.example", session=session
            ) as conn:
                parts = list(iter(lambda: conn.recv(65_536), b""))
        except (ConnectionError, ssl.SSLError):
            return b""
        return b"".join(parts)


@pytest_twisted.ensureDeferred
async def test_a_client_that_does_not_resume_moves_nothing_where_it_must(
    ftp_site: FtpSite, place: Place
) -> None:
    """And hears 425 in time; otherwise it may do as it likes."""
    strict = secured(ftp_site, place, rules=FtpTls(reuse="required"), data_timeout=1.0)

    def refused() -> str:
        context = strict.context()
        with strict.session(context) as client:
            bare = socket.create_connection(client.makepasv())
            client.sendcmd("RETR who")
            assert taken(context, bare, None) == b""
            with pytest.raises(ftplib.error_temp) as why:
                client.getresp()
            return str(why.value)

    assert (await deferToThread(refused))[:3] == "425"


@pytest.mark.parametrize("reuse", ["off", "offered"])
@pytest.mark.parametrize("resumes", [True, False])
@pytest_twisted.ensureDeferred
async def test_a_client_may_resume_or_not_where_it_is_free_to(
    ftp_site: FtpSite, place: Place, reuse: Any, resumes: bool
) -> None:
    """T66."""
    way = secured(ftp_site, place, rules=FtpTls(reuse=reuse))
    await both_ways(attrs.evolve(way, resumes=resumes), place.home("starttls"))


@pytest.mark.parametrize("reuse", ["offered", "required"])
@pytest.mark.parametrize("server", ["starttls", "off"])
@pytest_twisted.ensureDeferred
async def test_a_client_may_shake_hands_before_it_says_what_it_wants(
    ftp_site: FtpSite, place: Place, server: str, reuse: Any
) -> None:
    """T63: aioftp does."""
    way = secured(ftp_site, place, server=server, rules=FtpTls(reuse=reuse))
    await both_ways(attrs.evolve(way, eager=True), place.home(server))


# -- who the client is -----------------------------------------------------------------------------


@pytest.mark.parametrize("resumes", [True, False])
@pytest.mark.parametrize("client", ["starttls", "terminate"])
@pytest_twisted.ensureDeferred
async def test_a_client_shows_its_certificate_on_every_connection(
    ftp_site: FtpSite, place: Place, client: str, resumes: bool
) -> None:
    """T72: with the TLS session that is resumed, or once more."""
    way = secured(ftp_site, place, client, clients="required")
    shown = attrs.evolve(way, resumes=resumes, certificate=place.mine)
    await both_ways(shown, place.home("starttls"))

    def comes() -> None:
        with way.session():
            pass

    with pytest.raises((ssl.SSLError, EOFError, ConnectionError)):
        await deferToThread(comes)


@pytest_twisted.ensureDeferred
async def test_data_is_for_whom_the_control_connection_is_for(
    ftp_site: FtpSite, place: Place
) -> None:
    """Attack 6: another certificate, however trusted, is another client."""
    way = attrs.evolve(secured(ftp_site, place, clients="required"), certificate=place.mine)
    another = attrs.evolve(way, certificate=place.front).context()

    def steals() -> bytes:
        with way.session() as client:
            bare = socket.create_connection(client.makepasv())
            client.sendcmd("RETR who")
            got = taken(another, bare, None)
            with pytest.raises(ftplib.Error):
                client.getresp()
            return got

    assert await deferToThread(steals) == b""
    assert [fact.kind for fact in ftp_site.of(AttackSeen)] == ["data-theft"]


# -- cut off ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("unclean", "ending"), [("report", "client-left"), ("tolerate", "done")])
@pytest_twisted.ensureDeferred
async def test_an_upload_without_its_close_notify_is_no_whole_file(
    ftp_site: FtpSite, place: Place, unclean: Any, ending: str
) -> None:
    """T68, attack 7: the server is told by a reset, unless that is tolerated."""
    way = secured(ftp_site, place, rules=FtpTls(unclean_close=unclean))
    before = len(place.data("starttls"))

    def cut() -> str:
        with way.session() as client:
            conn = client.transfercmd("STOR cut")
            conn.sendall(b"half of it")
            while len(place.data("starttls")) == before:  # else the transfer never began: 425
                time.sleep(0.001)
            with socket.socket(fileno=conn.detach()) as bare:
                bare.setblocking(True)
                bare.shutdown(socket.SHUT_WR)  # FIN, and no close_notify
                while bare.recv(4096):
                    pass
            try:
                return client.getresp()
            except ftplib.Error as why:
                return str(why)

    said = await deferToThread(cut)
    assert said[:3] == ("226" if unclean == "tolerate" else "426")
    await ftp_site.until(lambda: bool(ftp_site.of(TransferEnded)))
    assert [fact.ending for fact in ftp_site.of(TransferEnded)] == [ending]


# -- who may not -----------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_what_stands_behind_auth_is_never_taken_for_a_command(
    ftp_site: FtpSite, place: Place
) -> None:
    """Attack 1."""
    way = secured(ftp_site, place)

    def injects() -> bytes:
        with socket.create_connection((way.at.host, way.at.port), timeout=10) as sock:
            sock.sendall(b"AUTH TLS\r\nUSER evil\r\n")
            return b"".join(iter(lambda: sock.recv(4096), b""))

    heard = await deferToThread(injects)
    assert b"234" not in heard and heard.splitlines()[-1][:3] == b"421"
    assert [fact.kind for fact in ftp_site.of(AttackSeen)] == ["starttls-injection"]


@pytest_twisted.ensureDeferred
async def test_nobody_logs_in_without_tls_where_it_is_required(
    ftp_site: FtpSite, place: Place
) -> None:
    """Attack 3, T60."""
    way = secured(ftp_site, place)

    def logs_in() -> None:
        with ftplib.FTP(timeout=20) as client:
            client.connect(way.at.host, way.at.port)
            client.login("joe", "secret")

    with pytest.raises(ftplib.error_perm, match="530 Say AUTH TLS first"):
        await deferToThread(logs_in)


@pytest_twisted.ensureDeferred
async def test_a_client_of_another_protocol_is_refused(ftp_site: FtpSite, place: Place) -> None:
    """Attack 4: an alert, no_application_protocol."""
    way = secured(ftp_site, place, client="terminate", server="on")

    def speaks() -> None:
        context = way.context()
        context.set_alpn_protocols(["http/1.1"])
        with socket.create_connection((way.at.host, way.at.port), timeout=10) as sock:
            context.wrap_socket(sock, server_hostname=way.name).close()

    with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
        await deferToThread(speaks)


@pytest_twisted.ensureDeferred
async def test_an_older_version_of_tls_is_refused(ftp_site: FtpSite, place: Place) -> None:
    """T74."""
    way = attrs.evolve(secured(ftp_site, place, minimum="1.3"), version="1.2")

    def comes() -> None:
        with way.session():
            pass

    with pytest.raises(ssl.SSLError, match=r"(?i)version"):
        await deferToThread(comes)


@pytest_twisted.ensureDeferred
async def test_a_server_with_another_name_gets_no_client(ftp_site: FtpSite, place: Place) -> None:
    """T69, attack 3: the client hears 421, and no password was said."""
    way = secured(ftp_site, place, identity="other.example")

    def comes() -> None:
        with way.session():
            pass

    with pytest.raises((ftplib.error_temp, EOFError)):
        await deferToThread(comes)
    assert [fact.ending for fact in ftp_site.of(ConnectionEnded)] == ["identity-mismatch"]


# -- certificates that change ----------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest_twisted.ensureDeferred
async def test_certificates_change_under_living_sessions_and_nobody_is_cut_off(
    ftp_site: FtpSite, place: Place, tmp_path: Path, version: str
) -> None:
    """Attack 7: a session moves its data by what it began with; who comes then sees the new."""
    authority, servers = Authority(), Path(place.ca).read_bytes()
    front = written(authority.sign("front.example"), tmp_path / "front.pem")
    toward = written(servers, tmp_path / "servers.pem")
    former = attrs.evolve(place, front=front, ca=written(authority.pem, tmp_path / "ca.pem"))
    way = secured(ftp_site, former, rules=FtpTls(reuse="required"), server_ca=toward)
    way = attrs.evolve(way, version=version)
    before, renewed = len(place.data("starttls")), threading.Event()
    began = threading.Barrier(5, timeout=20)

    def moves() -> set[str]:
        with way.session() as client:
            began.wait()
            moved = set()
            while not renewed.is_set():
                moved.add(download(client, "who").decode())
            return moved | {download(client, "who").decode()}

    moving = [deferToThread(moves) for _ in range(4)]
    await deferToThread(began.wait)
    for _ in range(3):
        ftp_site.facts.clear()
        fresh = Authority()
        replace(front, fresh.sign("front.example"))
        replace(toward, servers + fresh.pem)
        await ftp_site.until(lambda: renewals(ftp_site) == {"frontend ftp", "backend back"})
    renewed.set()
    assert [await each for each in moving] == [{HOME}] * 4
    began = threading.Barrier(1)
    with pytest.raises(ssl.SSLCertVerificationError):
        await deferToThread(moves)
    way = attrs.evolve(way, ca=written(fresh.pem, tmp_path / "fresh.pem"))
    assert await deferToThread(moves) == {HOME}
    assert set(place.data("starttls")[before:]) == {"resumed"}


def replace(file: str, text: bytes) -> None:
    """As whoever renews certificates does it: never a file that is half there."""
    os.replace(written(text, Path(f"{file}.new")), file)


def renewals(site: FtpSite) -> set[str]:
    """Whose certificates were taken anew."""
    return {fact.detail for fact in site.of(Announced) if fact.what == "certificates-renewed"}


# -- CCC -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("client", ["starttls", "terminate"])
@pytest_twisted.ensureDeferred
async def test_a_client_leaves_tls_and_its_data_stays_protected(
    ftp_site: FtpSite, place: Place, client: str, version: str
) -> None:
    """T61: the data connections go on with the TLS session that was left."""
    way = secured(ftp_site, place, client, rules=FtpTls(reuse="required", ccc="allowed"))
    way = attrs.evolve(way, version=version)
    before = len(place.data("starttls"))

    def moves() -> list[str]:
        with way.session() as talking:
            talking.resumes = talking.sock.session
            talking.ccc()
            assert talking.sock.version() is None, "nothing protects it any more"
            return [download(talking, "who").decode() for _ in range(3)]

    assert await deferToThread(moves) == [HOME] * 3
    await ftp_site.until(lambda: len(ftp_site.of(TransferEnded)) == 3)
    assert [fact.client_tls for fact in ftp_site.of(TransferEnded)] == [f"TLSv{version}"] * 3
    assert place.data("starttls")[before:] == ["resumed"] * 3
    await ftp_site.until(lambda: [f.ending for f in ftp_site.of(ConnectionEnded)] == ["done"])
