"""A conversation does what its machine asks, in order, and ends whatever the machine does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.circles import CLIENT, SERVER, Round
from tests.conftest import Errors
from tests.fakes import Wire
from twisted_lb.converse import Converse
from twisted_lb.errors import Ended
from twisted_lb.facts import AttackSeen
from twisted_lb.protocols.actions import (
    Abort,
    Actions,
    CloseEnd,
    Dial,
    Finish,
    Join,
    Listen,
    Release,
    Send,
    SetAlarm,
    Side,
    StartTls,
    Tell,
    Wait,
)
from twisted_lb.relay import FLUSH_TIMEOUT
from twisted_lb.terms import Address

C, S = Side.CLIENT, Side.SERVER
Answer = Callable[..., Actions]


class Machine:
    """A machine whose answers the test gives; writes down what it is told, and when."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.answers: dict[str, Answer] = {}
        self.full: set[Side] = set()

    def __getattr__(self, verb: str) -> Answer:
        if verb.startswith("_"):
            raise AttributeError(verb)

        def told(*args: Any) -> Actions:
            self.log.append((verb, *args[:-1]))
            answer = self.answers.get(verb)
            return answer(*args) if answer else []

        return told

    def congested(self, side: Side) -> bool:
        return side in self.full

    def on(self, verb: str, *actions: Any) -> None:
        """Answer this event so from now on."""
        self.answers[verb] = lambda *args: actions


class Talked:
    """A conversation between two wires."""

    def __init__(self, round: Round | None = None) -> None:
        self.machine = Machine()
        self.round = round or Round()
        self.world = self.round.world
        self.finished: list[str] = []
        self.ended = 0
        self.converse = Converse(self.machine, self.round.circle, self.finished.append, self._over)  # type: ignore[arg-type]

    def _over(self) -> None:
        self.ended += 1

    def start(self) -> Talked:
        self.converse.start()
        return self

    @property
    def client(self) -> Wire:
        return self.round.client

    @property
    def server(self) -> Wire:
        return self.round.talked_to

    def does(self, *actions: Any) -> None:
        """The machine asks for this, on some event."""
        self.machine.on("received", *actions)
        self.client.says(b"x")
        del self.machine.answers["received"]

    def joined(self) -> tuple[Wire, Wire]:
        """Data channel 1, joined."""
        self.does(Listen(1, C), Dial(1, S, Address(SERVER, 1025)), Join(1))
        client = self.round.listener.comes(CLIENT)
        return client, self.world.dialled[-1].answers()


def talked() -> Talked:
    return Talked().start()


# -- what the machine is told ----------------------------------------------------------------------


def test_the_servers_greeting_comes_first_and_every_byte_counts() -> None:
    talk = Talked()
    talk.server.says(b"220 hello\r\n")
    talk.client.says(b"USER joe\r\n")
    talk.start()
    talk.client.says(b"PASS x\r\n")
    assert talk.machine.log == [
        ("received", S, b"220 hello\r\n"),
        ("received", C, b"USER joe\r\n"),
        ("received", C, b"PASS x\r\n"),
    ]
    assert talk.converse.count == {C: 18, S: 11}


def test_an_end_is_told_once_whether_by_fin_or_by_loss() -> None:
    talk = talked()
    talk.client.shuts()
    talk.client.goes()
    talk.server.goes(clean=False)
    assert [entry for entry in talk.machine.log if entry[0] == "closed"] == [
        ("closed", C),
        ("closed", S),
    ]


def test_when_a_byte_last_moved_is_remembered_also_of_the_data_channels() -> None:
    talk = talked()
    talk.world.advance(5)
    talk.does(Send(S, b"NOOP\r\n"))
    assert talk.converse.moved == 5
    talk.world.advance(5)
    talk.client.says(b"half a li")
    assert talk.converse.moved == 5
    client, server = talk.joined()
    talk.world.advance(20)
    server.says(b"data")
    talk.world.advance(20)
    client.goes(clean=False)
    server.goes(clean=False)
    assert talk.converse.moved == 30


# -- what the machine asks for ---------------------------------------------------------------------


def test_actions_are_done_in_the_order_they_are_asked_for() -> None:
    talk = talked()
    talk.does(Send(S, b"one "), Send(C, b"two "), Send(S, b"three"), CloseEnd(C), Send(S, b"!"))
    assert (talk.server.heard, talk.client.heard) == (b"one three!", b"two ")
    assert talk.client.endings == ["close"]
    assert talk.finished == []


def test_what_the_machine_is_told_meanwhile_is_done_after_what_it_asked_for_before() -> None:
    """Listen is answered at once; its answer does not overtake."""
    talk = talked()
    talk.machine.on("listening", Send(C, b"227 listening. "))
    talk.does(Listen(1, C), Send(C, b"150 first. "))
    assert talk.client.heard == b"150 first. 227 listening. "


def test_facts_are_passed_on() -> None:
    talk, fact = talked(), AttackSeen("bounce", "ftp", None)
    talk.does(Tell(fact))
    assert talk.round.facts == [fact]


def test_a_machine_may_answer_bit_by_bit() -> None:
    talk = talked()

    def slowly(*args: Any) -> Iterator[Send]:
        yield Send(C, b"a")
        yield Send(C, b"b")

    talk.machine.answers["received"] = slowly
    talk.client.says(b"x")
    assert talk.client.heard == b"ab"


# -- alarms ----------------------------------------------------------------------------------------


def test_an_alarm_rings_once_at_its_time() -> None:
    talk = talked()
    talk.does(SetAlarm("leave", 10.0))
    talk.world.advance(9.9)
    assert ("alarm", "leave") not in talk.machine.log
    talk.world.advance(0.2)
    talk.world.advance(100)
    assert talk.machine.log.count(("alarm", "leave")) == 1
    assert not talk.world.getDelayedCalls()


def test_an_alarm_of_the_same_name_replaces_the_former_and_none_clears_it() -> None:
    talk = talked()
    talk.does(SetAlarm("leave", 10.0), SetAlarm("other", 10.0), SetAlarm("leave", 20.0))
    talk.world.advance(10)
    assert talk.machine.log[-1] == ("alarm", "other")
    talk.does(SetAlarm("leave", None), SetAlarm("leave", None))
    talk.world.advance(100)
    assert ("alarm", "leave") not in talk.machine.log
    assert not talk.world.getDelayedCalls()


# -- back-pressure ---------------------------------------------------------------------------------


def test_a_side_of_which_enough_waits_is_paused_until_the_machine_has_room() -> None:
    talk = talked()
    talk.machine.full = {C}
    talk.client.says(b"many commands")
    assert talk.client.transport.producerState == "paused"
    assert talk.server.transport.producerState == "producing"
    talk.machine.full = set()
    talk.server.says(b"200 fine\r\n")
    assert talk.client.transport.producerState == "producing"


def test_a_side_that_does_not_read_pauses_the_other() -> None:
    """Attack 11: no queue of ours behind a full transport."""
    talk = talked()
    talk.client.transport.producer.pauseProducing()
    assert talk.server.transport.producerState == "paused"
    talk.machine.full = {S}
    talk.client.transport.producer.resumeProducing()
    talk.client.says(b"x")
    talk.client.transport.producer.pauseProducing()
    talk.client.transport.producer.resumeProducing()
    assert talk.server.transport.producerState == "paused"
    talk.machine.full = set()
    talk.client.says(b"x")
    assert talk.server.transport.producerState == "producing"


def test_a_client_that_does_not_read_is_not_read_either() -> None:
    """Attack 11: some of its commands are answered here, and nobody would take the answers."""
    talk = talked()
    talk.client.transport.producer.pauseProducing()
    assert talk.client.transport.producerState == "paused"
    talk.client.transport.producer.resumeProducing()
    assert talk.client.transport.producerState == "producing"


def test_a_server_that_does_not_read_is_read_all_the_same() -> None:
    """It may be waiting for us to take its replies."""
    talk = talked()
    talk.server.transport.producer.pauseProducing()
    assert talk.server.transport.producerState == "producing"
    assert talk.client.transport.producerState == "paused"


def test_the_loss_of_the_client_is_told_and_the_machine_decides_about_the_server() -> None:
    """Twisted stops the producer of a connection that is lost: that must not cut the other side."""
    talk = talked()
    talk.client.transport.producer.pauseProducing()
    talk.client.transport.producer.stopProducing()
    talk.client.goes(clean=False)
    assert talk.machine.log == [("closed", C)]
    assert talk.server.endings == []
    assert talk.server.transport.producerState == "producing"
    talk.server.says(b"226 stored\r\n")
    assert talk.machine.log[-1] == ("received", S, b"226 stored\r\n")


# -- data channels ---------------------------------------------------------------------------------


def test_a_data_channel_is_announced_met_and_told_of() -> None:
    talk = talked()
    client, server = talk.joined()
    client.says(b"12345")
    server.says(b"123")
    for leg in (client, server):
        leg.shuts()
    talk.world.advance(0)
    for leg in (client, server):
        leg.goes()
    verbs = [entry[0] for entry in talk.machine.log]
    assert verbs == ["received", "listening", "connected", "connected", "transferred"]
    assert talk.machine.log[-1] == ("transferred", 1, "done", 5, 3)
    assert talk.round.channels == 0


def test_a_failed_leg_gives_up_its_whole_data_channel() -> None:
    """Also when the machine does not ask for it: nothing is left of it but the word."""
    talk = talked()
    talk.does(Listen(1, C), Dial(1, S, Address(SERVER, 1025)))
    talk.world.dialled[-1].refuses()
    assert talk.machine.log[-1] == ("failed", 1, S, "server-refused")
    assert talk.world.listeners == []
    assert talk.round.channels == 0
    assert talk.round.server.connections == 1
    talk.does(Abort(1), Release(1))


def test_what_is_asked_of_a_channel_that_failed_meanwhile_is_not_done() -> None:
    """One leg may fail while the same answer goes on about the other (attack 6)."""
    talk = talked()
    talk.does(Listen(1, C), Dial(1, S, Address(SERVER, 1025)))
    talk.world.dialled[-1].refuses()
    talk.does(Wait(1, C, 5.0), StartTls(S, 1))
    assert talk.machine.log[-1][0] == "received"
    assert talk.round.channels == 0
    assert talk.round.server.connections == 1
    assert talk.finished == []


def test_a_released_data_channel_is_not_heard_of_again() -> None:
    talk = talked()
    talk.does(Listen(1, C))
    talk.does(Release(1), Release(1))
    assert talk.world.listeners == []
    assert [entry[0] for entry in talk.machine.log] == ["received", "listening", "received"]


def test_an_aborted_data_channel_that_was_joined_is_told_of_at_its_end() -> None:
    talk = talked()
    client, server = talk.joined()
    talk.does(Abort(1))
    assert client.endings == server.endings == ["abort"]
    client.goes(clean=False)
    server.goes(clean=False)
    assert talk.machine.log[-1] == ("transferred", 1, "client-left", 0, 0)


# -- the end ---------------------------------------------------------------------------------------


def test_finish_flushes_and_closes_both_ends_and_gives_up_everything_else() -> None:
    talk = talked()
    talk.does(
        Listen(1, C), SetAlarm("leave", 5.0), Send(C, b"221 bye\r\n"), Finish("done"), Send(C, b"!")
    )
    assert talk.finished == ["done"]
    assert talk.client.heard == b"221 bye\r\n"
    assert talk.client.endings == talk.server.endings == ["close"]
    assert talk.world.listeners == []
    [flush] = talk.world.getDelayedCalls()
    assert flush.getTime() == FLUSH_TIMEOUT
    talk.client.goes()
    assert talk.ended == 0
    talk.server.goes()
    assert talk.ended == 1
    assert not talk.world.getDelayedCalls()


def test_after_finish_the_machine_hears_nothing_more() -> None:
    talk = talked()
    talk.does(Finish("done"))
    before = list(talk.machine.log)
    talk.client.says(b"QUIT\r\n")
    talk.server.shuts()
    talk.converse.stop("killed")
    assert talk.machine.log == before
    assert talk.finished == ["done"]


def test_a_side_that_never_reads_its_last_words_is_reset_at_the_deadline() -> None:
    """Attack 11."""
    talk = talked()
    talk.does(Send(C, b"421 bye\r\n"), Finish("idle"))
    talk.server.goes()
    talk.world.advance(FLUSH_TIMEOUT)
    assert talk.client.endings == ["close", "abort"]
    talk.client.goes(clean=False)
    assert talk.ended == 1


def test_a_transfer_that_goes_on_after_finish_is_told_and_counted_to_its_end() -> None:
    """T83: the last socket of a conversation is that of its last transfer."""
    talk = talked()
    client, server = talk.joined()
    talk.does(Finish("done"))
    talk.client.goes()
    talk.server.goes()
    assert talk.ended == 0
    client.says(b"still flowing")
    fact = AttackSeen("any", "ftp", None)
    talk.machine.on("transferred", Tell(fact))
    for leg in (client, server):
        leg.goes(clean=False)
    assert talk.machine.log[-1] == ("transferred", 1, "client-left", 13, 0)
    assert talk.round.facts == [fact]
    assert talk.ended == 1


def test_when_both_ends_are_gone_the_machine_is_made_to_end() -> None:
    """Whatever it still waited for: there is nobody left to tell."""
    for first, second, word in (
        ("client", "server", "client-left"),
        ("server", "client", "server-closed"),
    ):
        talk = talked()
        talk.does(Listen(1, C), SetAlarm("leave", 5.0))
        getattr(talk, first).goes(clean=False)
        assert talk.finished == []
        getattr(talk, second).goes(clean=False)
        assert talk.machine.log[-1] == ("end", word)
        assert (talk.finished, talk.ended) == ([word], 1)
        assert not talk.world.getDelayedCalls()
        assert talk.world.listeners == []


def test_a_machine_that_ends_by_itself_when_an_end_is_gone_gives_the_word() -> None:
    talk = talked()
    talk.machine.answers["closed"] = lambda side, now: [Finish("drained")] if side is S else []
    talk.client.goes()
    talk.server.goes()
    assert (talk.finished, talk.ended) == (["drained"], 1)
    assert not talk.world.getDelayedCalls()


def test_the_end_of_the_session_lets_the_machine_say_its_last_word() -> None:
    """T85: 421 before the connection closes."""
    talk = talked()
    talk.machine.answers["end"] = lambda word, now: [Send(C, b"421 bye\r\n"), Finish(word)]
    talk.converse.stop("drained")
    assert talk.client.heard == b"421 bye\r\n"
    assert talk.finished == ["drained"]


def test_abort_closes_every_socket_at_once() -> None:
    talk = talked()
    client, server = talk.joined()
    talk.does(Listen(2, C))
    talk.converse.abort()
    for wire in (talk.client, talk.server, client, server):
        assert wire.endings == ["abort"]
    assert talk.world.listeners == []


@pytest.mark.parametrize(
    "event",
    [
        lambda talk: talk.client.says(b"x"),
        lambda talk: talk.client.shuts(),
        lambda talk: talk.converse.stop("killed"),
    ],
    ids=["received", "closed", "end"],
)
def test_a_machine_that_raises_ends_its_conversation_as_our_fault(
    event: Callable[[Talked], None], clean_reactor: Errors
) -> None:
    talk = talked()

    def broken(*args: Any) -> Actions:
        raise ZeroDivisionError

    talk.machine.answers = dict.fromkeys(("received", "closed", "end"), broken)
    event(talk)
    assert talk.finished == ["internal-error"]
    assert talk.client.endings == talk.server.endings == ["close"]
    [error] = clean_reactor.seen
    assert "ZeroDivisionError" in error
    clean_reactor.seen.clear()


def test_a_machine_that_raises_in_the_middle_of_its_answer_ends_as_well(
    clean_reactor: Errors,
) -> None:
    talk = talked()

    def half(*args: Any) -> Iterator[Send]:
        yield Send(C, b"half")
        raise ZeroDivisionError

    talk.machine.answers["received"] = half
    talk.client.says(b"x")
    assert talk.finished == ["internal-error"]
    assert talk.client.heard == b""
    assert len(clean_reactor.seen) == 1
    clean_reactor.seen.clear()


def test_a_machine_that_raises_when_a_transfer_ends_after_all_is_over_does_no_harm(
    clean_reactor: Errors,
) -> None:
    talk = talked()
    client, server = talk.joined()
    talk.does(Finish("done"))
    talk.machine.answers["transferred"] = lambda *args: 1 // 0  # type: ignore[return-value]
    talk.client.goes()
    talk.server.goes()
    for leg in (client, server):
        leg.goes(clean=False)
    assert (talk.finished, talk.ended) == (["done"], 1)
    assert len(clean_reactor.seen) == 1
    clean_reactor.seen.clear()


# -- TLS -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", list(Side))
def test_nobody_hears_an_end_that_is_being_secured(side: Side) -> None:
    """Attacks 1, 2: what comes meanwhile is for the handshake."""
    talk = talked()
    wire = talk.client if side is C else talk.server
    talk.does(Send(side, b"234 go\r\n"), StartTls(side))
    assert wire.heard == b"234 go\r\n"
    [(secured, end, data)] = talk.round.tls.asked
    assert (secured, end, data) == (side, wire.end, False)
    told = len(talk.machine.log)
    wire.says(b"hello")
    assert wire.end.held == b"hello"
    assert len(talk.machine.log) == told
    wire.end.consume(5)
    talk.round.tls.done[0].callback(None)
    assert talk.machine.log[-1] == ("secured", side, None, "")
    wire.says(b"USER joe\r\n")
    assert talk.machine.log[-1] == ("received", side, b"USER joe\r\n")


def test_an_end_that_cannot_be_secured_ends_the_conversation() -> None:
    talk = talked()
    talk.machine.on("end", Finish("tls-failed"))
    talk.does(StartTls(C))
    talk.round.tls.done[0].errback(Ended("tls-failed"))
    assert ("end", "tls-failed") in talk.machine.log
    assert talk.finished == ["tls-failed"]
    talk.client.goes()
    talk.server.goes()
    assert talk.ended == 1


def test_a_client_that_leaves_while_it_is_secured_has_left() -> None:
    talk = talked()
    talk.machine.on("end", Finish("client-left"))
    talk.does(StartTls(C))
    talk.client.goes()
    talk.round.tls.done[0].errback(Ended("client-left"))
    assert talk.finished == ["client-left"]
    talk.server.goes()
    assert talk.ended == 1


def test_a_conversation_may_end_while_an_end_is_secured() -> None:
    talk = talked()
    talk.does(StartTls(S))
    talk.does(Finish("killed"))
    assert talk.client.endings == talk.server.endings == ["close"]
    talk.client.goes()
    talk.server.goes()
    assert talk.ended == 1


def test_back_pressure_begins_anew_with_tls() -> None:
    """A server that does not read stops the client; secured, it is asked again."""
    talk = talked()
    producer = talk.server.transport.producer
    assert producer is not None
    producer.pauseProducing()
    assert talk.client.transport.producerState == "paused"
    talk.machine.on("end", Finish("tls-failed"))
    talk.converse._obey(lambda now: [StartTls(S)])
    assert talk.client.transport.producerState == "producing"
    assert talk.server.transport.producer is None
    talk.round.tls.done[0].callback(None)
    assert talk.server.transport.producer is not None
    talk.converse.stop("killed")


def test_our_own_fault_while_securing_ends_the_conversation(clean_reactor: Errors) -> None:
    talk = talked()
    talk.does(StartTls(C))
    talk.round.tls.done[0].errback(ZeroDivisionError())
    assert talk.finished == ["internal-error"]
    assert len(clean_reactor.seen) == 1
    clean_reactor.seen.clear()
