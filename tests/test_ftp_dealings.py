"""Our own dealings with a server: a step at a time, until there is an answer."""

from __future__ import annotations

from twisted_lb.facts import AttackSeen
from twisted_lb.protocols.actions import Listen, Send, Side, StartTls, Tell
from twisted_lb.protocols.ftp.dealings import Dealings
from twisted_lb.protocols.ftp.outbox import Outbox
from twisted_lb.protocols.ftp.steps import Ask, Steps, ask
from twisted_lb.protocols.ftp.turns import GREETING, Exchange, Turns
from twisted_lb.terms import Address
from twisted_lb.wire.ftp import ReplyLine

HERE = Address("192.0.2.1", 40_000)
FACT = Tell(AttackSeen("foreign-227", "ftp", HERE))
FINE = ReplyLine(200, b"200 fine", True, True)


class Table:
    """Dealings with a server that has greeted, and their answers."""

    def __init__(self) -> None:
        self.out, self.turns = Outbox(), Turns()
        self.turns.answered(Exchange(GREETING) if (head := self.turns.whose(220)) is None else head)
        self.dealings = Dealings(self.out, self.turns)
        self.answers: list[bytes] = []

    def begins(self, steps: Steps) -> None:
        """Somebody has something to ask."""
        self.dealings.begin(Exchange(b"X", steps=steps, conclude=self.answers.append))


def test_each_step_waits_for_what_it_asked_for() -> None:
    table = Table()

    def steps() -> Steps:
        assert (yield Listen(7, Side.CLIENT)) == HERE
        yield FACT
        assert (yield from ask(b"PORT")) is FINE
        yield StartTls(Side.SERVER)
        return b"200 all done"

    table.begins(steps())
    assert table.out.empty() == [Listen(7, Side.CLIENT)]
    assert table.dealings.awaits_listener(7)
    assert not table.dealings.awaits_listener(8)
    assert table.turns.whose(200) is None  # the server was not asked yet
    table.dealings.step(HERE)
    assert table.out.empty() == [FACT, Send(Side.SERVER, b"PORT\r\n")]
    assert not table.dealings.awaits_listener(7)
    assert table.turns.whose(200) is not None
    table.dealings.step(FINE)
    assert table.out.empty() == [StartTls(Side.SERVER)]
    assert not table.turns.may_go(b"NOOP")
    assert table.answers == []
    table.dealings.step(None)
    assert table.answers == [b"200 all done"]
    assert table.turns.quiet


def test_an_answer_may_begin_the_next() -> None:
    table = Table()

    def steps() -> Steps:
        yield Ask(b"NOOP")
        return b"200"

    def again(answer: bytes) -> None:
        table.begins(steps())

    table.dealings.begin(Exchange(b"X", steps=steps(), conclude=again))
    table.dealings.step(FINE)
    table.dealings.step(FINE)
    assert table.answers == [b"200"]
