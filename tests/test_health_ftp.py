"""The ftp check as a script of what is seen on the control connection (T88)."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_lb.config.settings import BackendTls, Check
from twisted_lb.contexts import ServerTls
from twisted_lb.tls import ClientContext

from .certificates import Authority
from .visits import Server

GREET = Check(type="ftp", timeout=3.0)
LOGIN = Check(type="ftp", timeout=3.0, user="probe")
DATA = Check(type="ftp", timeout=3.0, user="probe", data=True)
EXPLICIT = ServerTls(ClientContext(Authority().pem), BackendTls("starttls"))


def greeted(check: Check = GREET, **more: Any) -> Server:
    """A server whose greeting the probe has heard."""
    server = Server(check, **more)
    server.accept()
    server.say("220 ready")
    return server


def logged_in(check: Check = DATA) -> Server:
    server = greeted(check, password="secret")
    server.hears("USER probe")
    server.say("331 go on")
    server.hears("PASS secret")
    server.say("230 in")
    server.hears("NOOP")
    server.say("200 ok")
    return server


def bye(server: Server) -> tuple[bool, str]:
    """The probe says QUIT and the server closes, as servers do."""
    server.hears("QUIT")
    server.say("221 bye")
    server.close()
    return server.verdict()


class TestGreeting:
    def test_220_is_enough_without_a_user(self) -> None:
        assert bye(greeted()) == (True, "greeting: 220 ready")

    def test_120_is_waited_out(self) -> None:
        server = Server(GREET)
        server.accept()
        server.say("120 ready in a second")
        server.advance(1)
        server.say("220 ready")
        assert bye(server) == (True, "greeting: 220 ready")

    def test_a_greeting_of_several_lines_in_any_pieces(self) -> None:
        server = Server(GREET)
        server.accept()
        for byte in b"220-hello\r\n 220 not the end\r\n220 ready\r\n":
            server.send(bytes([byte]))
        assert bye(server) == (True, "greeting: 220 ready")

    def test_421_is_down_in_the_servers_own_words(self) -> None:
        server = Server(GREET)
        server.accept()
        server.say("421 too many users")
        assert server.verdict() == (False, "greeting: 421 too many users")

    def test_a_server_that_says_nothing_is_down_at_the_deadline(self) -> None:
        """A stopped process still completes TCP connects: only its silence gives it away."""
        server = Server(GREET)
        server.accept()
        server.advance(3.0)
        assert server.verdict() == (False, "greeting: no answer in 3 s")
        assert server.wires[0].closed

    def test_120_and_then_nothing_is_down_at_the_same_deadline(self) -> None:
        server = Server(GREET)
        server.accept()
        server.advance(2.0)
        server.say("120 soon")
        server.advance(1.0)
        assert server.verdict() == (False, "greeting: no answer in 3 s")

    def test_a_trickle_does_not_renew_the_deadline(self) -> None:
        server = Server(GREET)
        server.accept()
        for _ in range(4):
            server.send(b"2")
            server.advance(1.0)
        assert not server.verdict()[0]

    def test_another_protocol_is_no_ftp_server(self) -> None:
        server = Server(GREET)
        server.accept()
        server.say("SSH-2.0-OpenSSH_9.2")
        assert server.verdict() == (False, "greeting: not an FTP reply: 'SSH-2.0-OpenSSH_9.2'")

    def test_a_server_that_closes_within_its_greeting(self) -> None:
        server = Server(GREET)
        server.accept()
        server.send(b"220 rea")
        server.close()
        assert server.verdict() == (False, "greeting: it closed the connection")

    def test_a_line_without_end_is_cut_off(self) -> None:
        """Attack 22."""
        server = Server(GREET)
        server.accept()
        server.send(b"220 " + b"x" * 70_000)
        assert server.verdict() == (False, "greeting: it said more than 65536 bytes")

    def test_a_reply_without_end_is_cut_off(self) -> None:
        """Attack 22."""
        server = Server(GREET)
        server.accept()
        for _ in range(30):
            if server.wires[0].closed:
                break
            server.send(b"220-" + b"x" * 4000 + b"\r\n")
            server.advance(0)
        assert server.verdict() == (False, "greeting: it said more than 65536 bytes")

    def test_a_server_that_does_not_close_after_quit_is_reset_and_still_up(self) -> None:
        server = greeted()
        server.hears("QUIT")
        server.advance(3.0)
        assert server.verdict() == (True, "greeting: 220 ready")
        assert server.wires[0].closed == "reset"


class TestLogin:
    def test_user_password_noop_quit(self) -> None:
        assert bye(logged_in(LOGIN)) == (True, "greeting: 220 ready")

    def test_a_server_may_want_no_password(self) -> None:
        server = greeted(LOGIN)
        server.hears("USER probe")
        server.say("230 in")
        server.hears("NOOP")
        server.say("200 ok")
        assert bye(server)[0]

    def test_an_unknown_user_is_told_and_leaves_in_order(self) -> None:
        server = greeted(LOGIN)
        server.hears("USER probe")
        server.say("530 no such user")
        assert bye(server) == (False, "USER: 530 no such user")

    def test_a_server_that_echoes_the_password_does_not_get_it_into_the_log(self) -> None:
        server = greeted(LOGIN, password="secret")
        server.hears("USER probe")
        server.say("331 go on")
        server.hears("PASS secret")
        server.say("530 wrong password 'secret'")
        assert bye(server) == (False, "PASS: 530: login refused")

    def test_a_server_that_hangs_after_login(self) -> None:
        server = greeted(LOGIN)
        server.say("230 in")
        server.advance(3.0)
        assert server.verdict() == (False, "NOOP: no answer in 3 s")


class TestData:
    def test_a_list_over_epsv(self) -> None:
        server = logged_in()
        server.hears("EPSV")
        server.say("229 Entering (|||40123|)")
        assert server.reactor.tcpClients[1][:2] == ("192.0.2.1", 40123)
        server.accept()
        server.hears("LIST")
        server.say("150 here it comes")
        server.send(b"total 0\r\n", wire=1)
        server.close(wire=1)
        server.say("226 done")
        assert bye(server)[0]

    def test_pasv_where_epsv_is_unknown_and_its_host_is_ignored(self) -> None:
        """Attack 5: the host of a 227 is not where a check goes."""
        server = logged_in()
        server.hears("EPSV")
        server.say("500 what?")
        server.hears("PASV")
        server.say("227 Entering (10,66,66,66,156,187)")
        assert server.reactor.tcpClients[1][:2] == ("192.0.2.1", 156 * 256 + 187)
        server.accept()
        server.hears("LIST")
        server.say("125 open")
        server.close(wire=1)
        server.say("250 done")
        assert bye(server)[0]

    def test_a_data_port_that_nobody_serves(self) -> None:
        server = logged_in()
        server.hears("EPSV")
        server.say("229 (|||40123|)")
        server.refuse()
        assert bye(server) == (False, "data connection: Connection refused")

    def test_a_data_connection_that_hangs_leaves_nothing_behind(self) -> None:
        server = logged_in()
        server.hears("EPSV")
        server.say("229 (|||40123|)")
        server.accept()
        server.say("150 here it comes")
        server.advance(3.0)
        assert server.verdict() == (False, "LIST: no answer in 3 s")

    def test_a_long_list_is_cut_off_and_proves_the_path(self) -> None:
        server = logged_in()
        server.say("229 (|||40123|)")
        server.accept()
        server.say("150 here it comes")
        server.send(b"x" * 70_000, wire=1)
        server.advance(0)
        assert server.wires[1].closed == "reset"
        server.hears("EPSV\r\nLIST")
        server.say("426 you left")
        assert bye(server)[0]

    def test_a_list_that_fails(self) -> None:
        server = logged_in()
        server.say("229 (|||40123|)")
        server.accept()
        server.say("150 here it comes")
        server.close(wire=1)
        server.hears("EPSV\r\nLIST")
        server.say("451 disk error")
        assert bye(server) == (False, "LIST: 451 disk error")

    @pytest.mark.parametrize(
        "reply",
        ["229 (|||0|)", "229 (|||65536|)", "229 no port", "229 (|1|2.2.2.2|40123|)"],
    )
    def test_a_229_without_a_usable_port(self, reply: str) -> None:
        server = logged_in()
        server.hears("EPSV")
        server.say(reply)
        assert bye(server) == (False, "EPSV: no port")

    def test_a_227_without_a_port(self) -> None:
        server = logged_in()
        server.say("502 no")
        server.hears("EPSV\r\nPASV")
        server.say("227 Entering")
        assert bye(server) == (False, "PASV: no six numbers")


class TestExplicitTls:
    """tests/loopback/test_ftps_checks.py goes on where TLS begins."""

    @pytest.mark.parametrize("kind", ["ftp", "tls"])
    def test_a_server_that_refuses_it_is_down_and_hears_no_password(self, kind: str) -> None:
        check = Check(type=kind, timeout=3.0, user="probe")
        server = greeted(check, password="secret", tls=EXPLICIT)
        server.hears("AUTH TLS")
        server.say("502 no")
        assert bye(server) == (False, "AUTH: 502 no")

    def test_what_stands_behind_its_yes_in_the_clear_is_not_heard(self) -> None:
        """Attack 2."""
        server = greeted(LOGIN, password="secret", tls=EXPLICIT)
        server.hears("AUTH TLS")
        server.say("234 go on\n230 in")
        assert bye(server) == (False, "AUTH: more stands in the clear behind its 234")
