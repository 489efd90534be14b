"""One check of one server: tcp, agent, the PROXY header, and how every check ends."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError

from twisted_lb.config.settings import Check
from twisted_lb.health import probes
from twisted_lb.health.agent import Words

from .conftest import Errors
from .visits import Server

TCP = Check(type="tcp", timeout=3.0)
AGENT = Check(type="agent", timeout=3.0)


class TestTcp:
    def test_a_server_that_accepts_is_up(self) -> None:
        server = Server(TCP)
        wire = server.accept()
        assert server.verdict() == (True, "connected")
        assert (wire.closed, wire.value()) == ("closed", b"")

    def test_a_server_that_refuses_is_down(self) -> None:
        server = Server(TCP)
        server.refuse()
        assert server.verdict() == (False, "connect: Connection refused")

    def test_a_server_that_does_not_answer_is_down_at_the_deadline(self) -> None:
        server = Server(TCP)
        server.advance(2.9)
        assert server.outcome is None
        server.advance(0.2)
        assert server.verdict() == (False, "connect: no answer in 3 s")


class TestANameOfSeveralAddresses:
    """Channels go to the first address that takes the connection: so do checks."""

    HOSTS = ("192.0.2.1", "2001:db8::1", "192.0.2.3")

    def tried(self, server: Server) -> list[str]:
        return [host for host, *_ in server.reactor.tcpClients]

    def test_the_first_one_that_answers_is_asked_and_no_other(self) -> None:
        server = Server(AGENT, hosts=self.HOSTS)
        server.refuse()
        server.accept()
        server.say("up")
        assert server.verdict() == (True, "agent: up")
        assert self.tried(server) == ["192.0.2.1", "2001:db8::1"]

    def test_one_that_answers_wrongly_is_the_one_that_channels_reach(self) -> None:
        server = Server(AGENT, hosts=self.HOSTS)
        server.accept()
        server.say("down")
        assert server.verdict() == (False, "agent: down")
        assert self.tried(server) == ["192.0.2.1"]

    def test_one_that_is_silent_leaves_the_others_their_time(self) -> None:
        server = Server(TCP, hosts=self.HOSTS)
        for _ in range(2):
            server.ignore()
        assert server.reactor.seconds() == pytest.approx(2.0)
        server.accept()
        assert server.verdict() == (True, "connected")

    def test_the_deadline_is_of_the_whole_check(self) -> None:
        server = Server(TCP, hosts=self.HOSTS)
        server.ignore()
        server.refuse()
        server.advance(2.1)
        assert server.verdict() == (False, "connect: no answer in 3 s")

    def test_a_server_that_nobody_answers_for_is_down_and_each_reason_told(self) -> None:
        server = Server(TCP, hosts=self.HOSTS[:2])
        server.ignore()
        server.refuse()
        assert server.verdict() == (
            False,
            "connect: 192.0.2.1: no answer in time; 2001:db8::1: Connection refused",
        )

    def test_a_second_connection_goes_to_the_same_machine(self) -> None:
        """FTP's data connection."""
        server = Server(Check("ftp", timeout=3.0, user="u", data=True), hosts=self.HOSTS)
        server.refuse()
        server.accept()
        for line in ("220 ready", "230 in", "200 OK", "229 Entering (|||4000|)"):
            server.say(line)
        assert self.tried(server)[-1] == self.HOSTS[1]


class TestProxy:
    def test_a_check_says_that_it_is_one_of_our_own(self) -> None:
        server = Server(TCP, send_proxy="v2")
        wire = server.accept()
        assert wire.value() == b"\r\n\r\n\0\r\nQUIT\n" + b"\x20\0\0\0"

    def test_version_1_names_the_checks_own_ends(self) -> None:
        server = Server(TCP, send_proxy="v1")
        wire = server.accept()
        assert wire.value() == b"PROXY TCP4 192.0.2.9 192.0.2.1 50000 21\r\n"


class TestAgent:
    def test_what_the_agent_says_comes_with_the_outcome(self) -> None:
        server = Server(AGENT)
        server.accept()
        server.say("ready 50% maxconn:9 # fine")
        assert server.verdict() == (True, "agent: up, fine")
        assert server.outcome is not None
        assert server.outcome.words == Words(None, "ready", 50, 9, "fine")

    def test_an_agent_may_take_its_server_down(self) -> None:
        server = Server(AGENT)
        server.accept()
        server.say("down # disk full")
        assert server.verdict() == (False, "agent: down, disk full")

    def test_the_end_of_the_connection_ends_the_line(self) -> None:
        server = Server(AGENT)
        server.accept()
        server.send(b"do")
        server.send(b"wn")
        server.close()
        assert server.verdict() == (False, "agent: down")

    def test_an_agent_that_says_nothing_fails(self) -> None:
        server = Server(AGENT)
        server.accept()
        server.close()
        assert server.verdict() == (False, "agent: it closed the connection")

    def test_a_line_without_end_fails(self) -> None:
        server = Server(AGENT)
        server.accept()
        server.send(b"x" * 1024)
        assert server.verdict() == (False, "agent: a line of more than 1024 bytes")

    def test_a_reset_is_told_from_a_close(self) -> None:
        server = Server(AGENT)
        server.accept().abortConnection()
        assert server.verdict() == (False, "agent: it reset the connection")


class TestEveryCheck:
    @pytest.mark.parametrize("connected", [False, True])
    def test_one_that_is_cancelled_leaves_nothing_behind(self, connected: bool) -> None:
        server = Server(AGENT)
        if connected:
            server.accept()
        server.probe.cancel()
        server.advance(0)
        failed: list[Any] = []
        server.probe.addErrback(failed.append)
        assert failed[0].check(CancelledError)
        assert all(wire.closed for wire in server.wires)
        assert not server.reactor.getDelayedCalls()

    def test_one_that_is_cancelled_while_leaving_resets(self) -> None:
        server = Server(Check(type="ftp", timeout=3.0))
        server.accept()
        server.say("220 ready")
        server.probe.addErrback(lambda failure: failure.trap(CancelledError))
        server.probe.cancel()
        server.advance(0)
        server.advance(0)
        assert server.wires[0].closed == "closed"
        assert not server.reactor.getDelayedCalls()

    def test_our_own_fault_is_logged_and_counts_as_failed(
        self, monkeypatch: pytest.MonkeyPatch, clean_reactor: Errors
    ) -> None:
        async def broken(visit: object, target: object) -> Any:
            raise RuntimeError("a bug")

        monkeypatch.setattr(probes, "PROBES", {"tcp": broken})
        server = Server(TCP)
        server.accept()
        assert server.verdict() == (False, "connect: internal error")
        assert ["a bug" in traceback for traceback in clean_reactor.seen] == [True]
        clean_reactor.seen.clear()
