"""FTP conversations for tests, ready to be played by `script.play`.

The addresses are those of the documentation ranges: the client 192.0.2.9 reached 192.0.2.1, the
server 198.51.100.1 is talked to from 198.51.100.254. In IPv6 they are 2001:db8:c::9 and ::1,
2001:db8:5::1 and ::fe.
"""

from __future__ import annotations

from typing import Any

from tests.script import play
from twisted_lb.config.settings import BackendTls, FrontendTls, FtpRules, FtpTls
from twisted_lb.protocols.ftp.circumstances import Circumstances, ServerMemory
from twisted_lb.protocols.ftp.control import FtpControl
from twisted_lb.terms import Address

CLIENT = {4: ("192.0.2.9", "192.0.2.1"), 6: ("2001:db8:c::9", "2001:db8:c::1")}
SERVER = {4: ("198.51.100.1", "198.51.100.254"), 6: ("2001:db8:5::1", "2001:db8:5::fe")}


def circumstances(
    client: int = 4,
    server: int = 4,
    memory: ServerMemory | None = None,
    tls: FrontendTls | None = None,
    server_tls: BackendTls | None = None,
    data_tls: FtpTls | None = None,
    login_timeout: float | None = None,
    **rules: Any,
) -> Circumstances:
    """Between a client and a server of these families, protected like that."""
    return Circumstances(
        client=Address(CLIENT[client][0], 50_000),
        client_local=Address(CLIENT[client][1], 21),
        server=Address(SERVER[server][0], 21),
        server_local=Address(SERVER[server][1], 60_000),
        rules=FtpRules(tls=data_tls or FtpTls(), **rules),
        memory=memory or ServerMemory(),
        login_timeout=login_timeout,
        tls=tls or FrontendTls(),
        server_tls=server_tls or BackendTls(),
        session="s1",
        server_name="pool/a",
        frontend="ftp",
    )


def fresh(**about: Any) -> FtpControl:
    """A conversation of which nothing was said yet."""
    return FtpControl(circumstances(**about))


def greeted(**about: Any) -> FtpControl:
    """The server has said 220."""
    machine = fresh(**about)
    play(machine, "S: 220 hello  -> C: 220 hello")
    return machine


def logged_in(**about: Any) -> FtpControl:
    """User joe is logged in."""
    machine = greeted(**about)
    play(
        machine,
        """
        C: USER joe           -> S: USER joe
        S: 331 Password?      -> C: 331 Password?
        C: PASS secret        -> S: PASS secret
        S: 230 Welcome        -> C: 230 Welcome
        """,
    )
    return machine


def passive(**about: Any) -> FtpControl:
    """Data channel 1 is announced: both the client and we are the ones to connect."""
    machine = logged_in(**about)
    play(
        machine,
        """
        C: PASV                                         -> S: PASV
        S: 227 Entering Passive Mode (198,51,100,1,4,1) -> listen 1 client
        listening 1 client 192.0.2.1:40000
                                    -> C: 227 Entering passive mode (192,0,2,1,156,64).
        """,
    )
    return machine


def active(**about: Any) -> FtpControl:
    """Data channel 1 is announced: the server connects to us, and we to the client."""
    machine = logged_in(**about)
    play(
        machine,
        """
        C: PORT 192,0,2,9,200,1                         -> listen 1 server
        listening 1 server 198.51.100.254:30000         -> S: PORT 198,51,100,254,117,48
        S: 200 Fine                                     -> C: 200 Active data connection accepted.
        """,
    )
    return machine


def moving(**about: Any) -> FtpControl:
    """A RETR of `a` is under way on data channel 1, joined."""
    machine = passive(**about)
    play(
        machine,
        """
        C: RETR a             -> S: RETR a
        connected 1 client    -> dial 1 server 198.51.100.1:1025
        connected 1 server
        S: 150 Here it comes  -> C: 150 Here it comes
        """,
    )
    return machine
